"""Reads weights that were published as pickles, without running anything in them.

Two formats: NumPy's `.npy` of a dictionary, as the TensorFlow ports of VGG16 use it, and PyTorch's
`.pth`, both the zip files of today and the row of pickles that was written before version 1.6.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeGuard

import numpy as np
import numpy.typing as npt

from fcn.errors import RunError
from fcn.weights.formats.unpickler import Global, Span, Unpickler
from fcn.weights.layer import MAX_AXES, MAX_BLOBS, Layer, damaged, read_values

NPY_MAGIC = b"\x93NUMPY"
_FLOATS = ("f2", "f4", "f8")
# Of one axis, and of one step between values; NumPy and the file system have limits not far above.
_MAX_LENGTH = 1 << 40


def plain_text(value: object) -> object:
    """Returns the text that Python 2 wrote as bytes as text, and everything else as it is."""
    return value.decode("latin-1") if type(value) is bytes else value


def is_shape(value: object) -> TypeGuard[tuple[int, ...]]:
    """Returns whether a value is a tuple of axes: whole numbers, not negative, not too many or too large."""
    return (
        type(value) is tuple
        and len(value) <= MAX_AXES
        and all(type(length) is int and 0 <= length <= _MAX_LENGTH for length in value)
    )


class _Dtype:
    """The type of an array's values, `numpy.dtype` in the pickle."""

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        name = plain_text(arguments[0]) if arguments else None
        # Anything but text is not shown either: a deep tuple has no `repr`.
        if type(name) is not str or name not in (*_FLOATS, "O8", "O4", "O"):
            shown = repr(name[:16]) if type(name) is str else f"({type(name).__name__})"
            raise ValueError(f"an array has values of the type {shown}")
        self.name = name
        self.order = "<"

    def build(self, state: object) -> None:
        """Takes over the order of bytes, the second of the state's numbers."""
        if type(state) is not tuple or len(state) < 2 or plain_text(state[1]) not in ("<", ">", "|", "="):
            raise ValueError("the type of an array has an unknown state")
        self.order = ">" if plain_text(state[1]) == ">" else "<"


class _Array:
    """An array whose values are still in the file, `numpy.ndarray` in the pickle."""

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        if not arguments or arguments[0] != Global("numpy ndarray"):
            raise ValueError("something else than an array is built")
        self.shape: tuple[int, ...] = ()
        self.dtype: _Dtype | None = None
        self.fortran = False
        self.data: Any = None

    def build(self, state: object) -> None:
        """Takes over version, shape, type, order of axes and values."""
        match state:
            case (int(), tuple() as shape, _Dtype() as dtype, bool() as fortran, data) if is_shape(shape):
                self.shape, self.dtype, self.fortran, self.data = shape, dtype, fortran, data
            case _:
                raise ValueError("an array has an unknown state")

    def read(self, file: BinaryIO, path: Path) -> npt.NDArray[np.float32]:
        """Returns the values, once their number was found to fit the shape."""
        count = math.prod(self.shape)
        order: Literal["C", "F"] = "F" if self.fortran else "C"
        if self.dtype is None or self.dtype.name not in _FLOATS or count == 0:
            raise damaged(path, "an array in it has no numbers")
        dtype = np.dtype(self.dtype.order + self.dtype.name)
        size = count * dtype.itemsize
        data = self.data
        if type(data) is Span and not data.encoded and data.length == size:
            return read_values(file, path, data.start, count, dtype.str).reshape(self.shape, order=order)
        if type(data) is Span and data.encoded and size <= data.length <= 2 * size:
            file.seek(data.start)
            try:
                data = file.read(data.length).decode().encode("latin-1")
            except UnicodeError as error:
                raise damaged(path, "the values of an array are not bytes written as text") from error
        if type(data) is not bytes or len(data) != size:
            raise damaged(path, f"an array of shape {list(self.shape)} does not have as many values")
        with np.errstate(all="ignore"):
            return np.frombuffer(data, dtype).astype(np.float32).reshape(self.shape, order=order)


def _encode(arguments: tuple[Any, ...]) -> bytes | Span:
    """Returns the bytes that a text encodes, `_codecs.encode` in the pickle."""
    match arguments:
        case (str() as text, "latin1" | "latin-1"):
            return text.encode("latin-1")
        case (Span(encoded=True) as span, "latin1" | "latin-1"):
            return span
    raise ValueError("text is encoded in an unknown way")


_NPY_CALLS = {
    "numpy.core.multiarray _reconstruct": _Array,
    "numpy._core.multiarray _reconstruct": _Array,
    "numpy dtype": _Dtype,
    "_codecs encode": _encode,
}


def _npy_content(file: BinaryIO, path: Path, size: int) -> object:
    """Returns the one object in a `.npy` file, arrays as `_Array`."""
    head = file.read(12)
    version = head[6:7]
    start, digits = (10, 2) if version == b"\1" else (12, 4)
    length = int.from_bytes(head[8 : 8 + digits], "little")
    if version not in (b"\1", b"\2", b"\3") or length > min(4096, size - start):
        raise damaged(path, "it has no whole .npy header")
    file.seek(start)
    header = b"".join(file.read(length).split())
    if b"'descr':'|O'" not in header or b"'shape':()" not in header:
        raise RunError(
            f"{path}: Expected a dictionary of layers, saved by np.save. Received: an .npy file with the "
            f"header {header[:80].decode('latin-1')!r}. Choose the file with the weights of the whole net."
        )
    names = frozenset({"numpy ndarray"})
    whole = Unpickler(file, path, start + length, size, _NPY_CALLS, names).load()
    if type(whole) is _Array and whole.shape == () and type(whole.data) is list and len(whole.data) == 1:
        return whole.data[0]
    raise damaged(path, "it does not hold one object")


def read_npy(path: Path) -> Iterator[Layer]:
    """Yields the layers of a dictionary saved by `np.save`: name -> [kernel, bias].

    Args:
        path: The `.npy` file, written by Python 2 or 3.

    Raises:
        RunError: If it is not whole, or holds anything but a dictionary of lists of arrays.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        content = _npy_content(file, path, size)
        if type(content) is not dict:
            raise damaged(path, "it does not hold a dictionary of layers")
        budget = size
        for name, arrays in content.items():
            if (
                type(arrays) not in (list, tuple)
                or not 0 < len(arrays) <= MAX_BLOBS
                or any(type(array) is not _Array for array in arrays)
            ):
                raise damaged(path, f"the layer {str(plain_text(name))[:80]!r} is not a list of arrays")
            # No array is smaller in the file than in memory by more than a half; a file that names
            # one array a million times is not a net.
            budget -= sum(math.prod(array.shape) for array in arrays)
            if budget < 0:
                raise damaged(path, "its arrays are larger than the file")
            yield Layer(str(plain_text(name)), "", tuple(array.read(file, path) for array in arrays))
