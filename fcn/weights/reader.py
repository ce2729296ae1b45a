"""Reads published weight files of other frameworks; the content of a file decides its format."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from fcn.errors import RunError
from fcn.system.files import unreadable
from fcn.weights.formats.caffe import BYTES, NET_LAYERS, Wire, read_caffemodel
from fcn.weights.formats.keras import is_hdf5, read_keras
from fcn.weights.formats.npy import NPY_MAGIC, read_npy
from fcn.weights.formats.npz import is_npz, read_npz
from fcn.weights.formats.onnx import is_onnx, read_onnx
from fcn.weights.formats.safetensors import is_safetensors, read_safetensors
from fcn.weights.formats.torch import LEGACY_MAGIC, ZIP_MAGIC, read_torch, torch_folder, zip_entries
from fcn.weights.layer import MAX_ARRAYS, Layer, damaged

__all__ = ["Format", "Layer", "read_layers", "recognize"]

Format = Literal["caffe", "chainer", "keras", "keras_hub", "onnx", "safetensors", "tensorflow_npy", "torch"]
"""The formats of weight files; that of KerasHub is Keras', with the weights of another training."""

_READERS: dict[Format, Callable[[Path], Iterator[Layer]]] = {
    "caffe": read_caffemodel,
    "chainer": read_npz,
    "keras": read_keras,
    "keras_hub": read_keras,
    "onnx": read_onnx,
    "safetensors": read_safetensors,
    "tensorflow_npy": read_npy,
    "torch": read_torch,
}

# A net's name and inputs come before its layers.
_FIELDS_BEFORE_LAYERS = 1000
# Enough for the magic number's pickle with the frame of protocol 4 and later.
_HEAD = 64
# How pages and messages of servers begin: markup or JSON, perhaps after a byte order mark.
_TEXT, _BLANKS = (b"<", b"{", b"["), b"\xef\xbb\xbf \t\r\n"


def _is_caffemodel(file: BinaryIO, path: Path) -> bool:
    """Returns whether a file begins as a caffemodel does; the format has no magic number."""
    wire = Wire(file, path)
    position = 0
    try:
        for _ in range(_FIELDS_BEFORE_LAYERS):
            # A layer that is cut off still shows that it is one: its reader tells what is wrong with it.
            field = wire.field(position, 1 << 63)
            if field.number in NET_LAYERS:
                return field.wire == BYTES
            # The net's name is text: other files of protocol buffers begin with a number.
            if (field.number == 1 and field.wire != BYTES) or field.number > max(NET_LAYERS):
                return False
            position = field.end
    except RunError:
        pass
    return False


def recognize(path: Path) -> Format:
    """Returns the format of a weight file by its content; its suffix does not matter.

    Args:
        path: The file.

    Raises:
        RunError: If the file cannot be read or has none of the formats.
    """
    try:
        if not path.is_file():
            raise RunError(f"{path}: Expected a file with weights. Received: no file of this name.")
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if head.startswith(NPY_MAGIC):
                return "tensorflow_npy"
            if head.startswith(b"\x80") and LEGACY_MAGIC in head:
                return "torch"
            if head.startswith(ZIP_MAGIC):
                return _recognize_zip(path)
            if is_hdf5(path):
                return "keras"
            if is_safetensors(head, path.stat().st_size):
                return "safetensors"
            if is_onnx(file, path):
                return "onnx"
            if _is_caffemodel(file, path):
                return "caffe"
    except OSError as error:
        raise RunError(f"{path}: {unreadable(error)}") from error
    kind = "text, not weights," if head.lstrip(_BLANKS).startswith(_TEXT) else "a file"
    raise RunError(
        f"{path}: Expected a caffemodel, a Keras .h5, a dictionary saved by np.save, a PyTorch state dict, "
        "an .npz of Chainer, a .safetensors or an ONNX file. "
        f"Received: {kind} that begins with {head[:16]!r}. Download it again, and check that the link leads "
        "to the file itself and not to a page about it."
    )


def _recognize_zip(path: Path) -> Format:
    entries = zip_entries(path)
    if torch_folder(entries) is not None:
        return "torch"
    if is_npz(entries):
        return "chainer"
    if "model.weights.h5" in entries:
        raise RunError(
            f"{path}: this is a whole Keras model (.keras). Load it with `keras.models.load_model`."
        )
    raise RunError(
        f"{path}: Expected a file of PyTorch or Chainer. Received: another zip archive. Unpack it first."
    )


def read_layers(path: Path) -> Iterator[Layer]:
    """Yields the layers of a weight file that have weights, one in memory at a time.

    A file that is cut exactly between two layers of a caffemodel yields fewer layers: the format does not
    tell how many there are. The caller, who knows the net, finds what is missing.

    Args:
        path: A file of any of the formats.

    Raises:
        RunError: If the file cannot be read, is damaged, wants to run code or holds no weights.
    """
    arrays = 0
    try:
        for layer in _READERS[recognize(path)](path):
            arrays += len(layer.blobs)
            if arrays > MAX_ARRAYS:
                raise damaged(path, f"it has more than {MAX_ARRAYS} arrays")
            yield layer
            del layer
    except OSError as error:
        raise RunError(f"{path}: {unreadable(error)}") from error
    if arrays == 0:
        raise RunError(f"{path}: Expected layers with weights. Received: none. Choose the trained file.")
