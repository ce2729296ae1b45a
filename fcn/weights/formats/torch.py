"""Reads the state dict in a PyTorch file, `.pth`, without PyTorch and without running anything in it.

Today's files are zip archives: `NAME/data.pkl`, a pickle in which each tensor names its storage, and
`NAME/data/KEY`, the storages. Before version 1.6 a file was a row of pickles (a magic number, the version
of the format, the machine, the object, the keys of the storages) with the storages after it.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.errors import RunError
from fcn.weights.formats.npy import is_shape, plain_text
from fcn.weights.formats.unpickler import Global, Unpickler, store
from fcn.weights.layer import MAX_BLOBS, Layer, damaged, read_values

ZIP_MAGIC = b"PK\x03\x04"
# Published in PyTorch's serialization.py.
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
# The pickle of the magic number ends so in every protocol: LONG1, ten bytes, STOP.
LEGACY_MAGIC = b"\x8a\x0a" + _MAGIC_NUMBER.to_bytes(10, "little") + b"."
_LEGACY_VERSION = 1001

# A net of a thousand tensors needs a tenth of a megabyte each for its pickle and the archive's directory.
_MAX_PART = 16 << 20
# An entry of 47 bytes takes ten times as much memory.
_MAX_DIRECTORY = 4 << 20

# Bytes per value, and NumPy's name of its type; numbers that are not floats are skipped.
_STORAGES: dict[str, tuple[int, str]] = {
    "FloatStorage": (4, "<f4"),
    "DoubleStorage": (8, "<f8"),
    "HalfStorage": (2, "<f2"),
    "LongStorage": (8, ""),
    "IntStorage": (4, ""),
    "ShortStorage": (2, ""),
    "CharStorage": (1, ""),
    "ByteStorage": (1, ""),
    "BoolStorage": (1, ""),
}


class _Storage(NamedTuple):
    key: str
    kind: str
    length: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def is_empty(self) -> bool:
        """Whether it has no values."""
        return 0 in self.shape

    @property
    def span(self) -> int:
        """The number of the storage's values from the tensor's first to its last, both included."""
        if self.is_empty:
            return 0
        return 1 + sum((length - 1) * step for length, step in zip(self.shape, self.strides, strict=True))


class _Place(NamedTuple):
    """Position of a storage in the file; `checksum` is the archive's CRC-32, if it has one."""

    start: int
    length: int
    checksum: int | None


def _storage(identity: object) -> _Storage:
    """Returns the storage that a persistent id of PyTorch names."""
    match identity:
        # Old files have a sixth entry, which is None unless the storage is a part of another.
        case (tag, Global(name=kind), key, _, int(length)) | (
            tag,
            Global(name=kind),
            key,
            _,
            int(length),
            None,
        ):
            key, kind = plain_text(key), kind.removeprefix("torch ")
            if plain_text(tag) == "storage" and type(key) is str and kind in _STORAGES and length >= 0:
                return _Storage(key, kind, length)
    raise ValueError("a storage is named in an unknown way")


def _tensor(arguments: tuple[Any, ...]) -> _Tensor:
    """Returns a tensor, `torch._utils._rebuild_tensor_v2` in the pickle."""
    match arguments[:4]:
        case (_Storage() as storage, int(offset), tuple() as shape, tuple() as strides) if (
            offset >= 0 and is_shape(shape) and is_shape(strides) and len(shape) == len(strides)
        ):
            tensor = _Tensor(storage, offset, shape, strides)
            if offset + tensor.span <= storage.length and math.prod(shape) <= storage.length:
                return tensor
    raise ValueError("a tensor does not fit its storage")


def _parameter(arguments: tuple[Any, ...]) -> _Tensor:
    """Returns the tensor of a parameter, `torch._utils._rebuild_parameter` in the pickle."""
    if arguments and type(arguments[0]) is _Tensor:
        return arguments[0]
    raise ValueError("a parameter is not a tensor")


def _ordered(arguments: tuple[Any, ...]) -> dict[object, object]:
    """Returns a dictionary, `collections.OrderedDict` in the pickle; Python 2 gave its items at once."""
    content: dict[object, object] = {}
    for item in arguments[0] if arguments and type(arguments[0]) is list else ():
        if type(item) not in (list, tuple) or len(item) != 2:
            raise ValueError("an item of a dictionary is not a key and a value")
        store(content, list(item))
    return content


_CALLS = {
    "collections OrderedDict": _ordered,
    "torch._utils _rebuild_tensor": _tensor,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
}
_NAMES = frozenset(f"torch {kind}" for kind in _STORAGES)


class _Directory(io.FileIO):
    """A file of which `zipfile` cannot read more than a directory needs."""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = _MAX_DIRECTORY + 1 if size is None or size < 0 else size
        data = super().read(min(wanted, _MAX_DIRECTORY + 1)) or b""
        if len(data) > _MAX_DIRECTORY:
            raise zipfile.BadZipFile("the directory is too large")
        return data


def zip_entries(path: Path) -> dict[str, zipfile.ZipInfo]:
    """Returns what lies in a zip archive, by name.

    Raises:
        RunError: If its directory cannot be read.
    """
    try:
        with _Directory(str(path)) as file, zipfile.ZipFile(file) as archive:
            return {entry.filename: entry for entry in archive.infolist()}
    # The module raises these, and nothing in common, for a damaged directory.
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OverflowError, OSError) as error:
        raise damaged(path, f"its zip directory cannot be read ({error})") from error


def torch_folder(entries: dict[str, zipfile.ZipInfo]) -> str | None:
    """Returns the folder of an archive in which PyTorch's pickle lies, or None if there is none."""
    pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    return pickles[0].removesuffix("data.pkl") if len(pickles) == 1 else None


def _place(file: BinaryIO, path: Path, entry: zipfile.ZipInfo, size: int) -> _Place:
    """Returns where the content of an archive's entry lies."""
    if not 0 <= entry.header_offset <= size:
        raise damaged(path, f"its entry {entry.filename[:80]!r} lies outside of it")
    file.seek(entry.header_offset)
    header = file.read(30)
    start = entry.header_offset + 30 + int.from_bytes(header[26:28], "little")
    start += int.from_bytes(header[28:30], "little")
    stored = entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size
    if not stored or header[:4] != ZIP_MAGIC or start + entry.file_size > size:
        raise damaged(path, f"its entry {entry.filename[:80]!r} is compressed or not whole")
    return _Place(start, entry.file_size, entry.CRC)


def _zip_content(file: BinaryIO, path: Path, size: int) -> tuple[object, dict[str, _Place]]:
    """Returns the object in an archive, and where its storages lie."""
    entries = zip_entries(path)
    folder = torch_folder(entries)
    if folder is None:
        raise damaged(path, "it has no data.pkl, which every PyTorch file has")
    order = entries.get(f"{folder}byteorder")
    if order and file.seek(_place(file, path, order, size).start) and file.read(6) != b"little":
        raise RunError(f"{path}: its numbers are big-endian. Save it again on a little-endian machine.")
    pickle = _place(file, path, entries[f"{folder}data.pkl"], size)
    end = pickle.start + min(pickle.length, _MAX_PART)
    content = Unpickler(file, path, pickle.start, end, _CALLS, _NAMES, _storage).load()
    prefix = f"{folder}data/"
    return content, {
        name.removeprefix(prefix): _place(file, path, entry, size)
        for name, entry in entries.items()
        if name.startswith(prefix)
    }


def _legacy_content(file: BinaryIO, path: Path, size: int) -> tuple[object, dict[str, _Place]]:
    """Returns the object in a file of the old kind, and where its storages lie."""
    sizes: dict[str, int] = {}

    def persistent(identity: object) -> _Storage:
        storage = _storage(identity)
        sizes[storage.key] = _STORAGES[storage.kind][0]
        return storage

    unpickler = Unpickler(file, path, 0, size, _CALLS, _NAMES, persistent)
    head = (unpickler.load(), unpickler.load())
    machine, content, keys = unpickler.load(), unpickler.load(), unpickler.load()
    little = type(machine) is dict and True in (machine.get("little_endian"), machine.get(b"little_endian"))
    if head != (_MAGIC_NUMBER, _LEGACY_VERSION) or not little or type(keys) is not list:
        raise damaged(path, "it is not a PyTorch file of the old format, version 1001, little-endian")
    places: dict[str, _Place] = {}
    start = unpickler.position
    for key in map(plain_text, keys):
        file.seek(start)
        start += 8
        count = int.from_bytes(file.read(8), "little")
        if type(key) is not str or key not in sizes or start + count * sizes[key] > size:
            raise damaged(path, f"the storage at byte {start} is unknown or not whole")
        places[key] = _Place(start, count * sizes[key], None)
        start += places[key].length
    return content, places


def _read(file: BinaryIO, path: Path, tensor: _Tensor, place: _Place) -> npt.NDArray[np.float32]:
    """Returns the values of a tensor."""
    width, dtype = _STORAGES[tensor.storage.kind]
    values = read_values(file, path, place.start + tensor.offset * width, tensor.span, dtype)
    if place.checksum is not None and tensor.span * width == place.length:
        file.seek(place.start)
        checksum = 0
        for begin in range(0, place.length, _MAX_PART):
            checksum = zlib.crc32(file.read(min(_MAX_PART, place.length - begin)), checksum)
        if checksum != place.checksum:
            raise damaged(path, f"the checksum of storage {tensor.storage.key[:80]!r} differs")
    view = np.lib.stride_tricks.as_strided(values, tensor.shape, [4 * step for step in tensor.strides])
    return np.ascontiguousarray(view).reshape(tensor.shape)


def _state_dict(content: dict[object, object]) -> dict[object, object]:
    """Returns the dictionary of tensors, which a checkpoint of a training holds beside other things."""
    inner = [value for value in content.values() if type(value) is dict]
    with_tensors = [one for one in (content, *inner) if any(type(value) is _Tensor for value in one.values())]
    return with_tensors[0] if len(with_tensors) == 1 else content


def read_torch(path: Path) -> Iterator[Layer]:
    """Yields the layers of a state dict: tensors whose names differ only after the last dot.

    The state dict may be alone in the file, or in a dictionary with what else a training keeps.

    Each layer's blobs are `weight`, `bias`, then what else it has of floats, in the order of the file.

    Args:
        path: The `.pth` file, of either format.

    Raises:
        RunError: If it is not whole, or holds anything but a dictionary of tensors.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        zipped = file.read(4) == ZIP_MAGIC
        content, places = (_zip_content if zipped else _legacy_content)(file, path, size)
        if type(content) is not dict:
            raise damaged(path, "it does not hold a dictionary of tensors")
        layers: dict[str, dict[str, _Tensor]] = {}
        budget = size
        for key, tensor in _state_dict(content).items():
            name, _, part = str(plain_text(key)).rpartition(".")
            if type(tensor) is not _Tensor or not _STORAGES[tensor.storage.kind][1] or tensor.is_empty:
                continue
            width = _STORAGES[tensor.storage.kind][0]
            place = places.get(tensor.storage.key)
            # A tensor whose steps are zero has more values than it spans.
            budget -= max(tensor.span, math.prod(tensor.shape)) * width
            if place is None or tensor.storage.length * width > place.length or budget < 0:
                raise damaged(path, f"the values of {str(key)[:80]!r} are not in it")
            layers.setdefault(name, {})[part] = tensor
        for name, parts in layers.items():
            if len(parts) > MAX_BLOBS:
                raise damaged(path, f"the layer {name[:80]!r} has more than {MAX_BLOBS} tensors")
            # False sorts before True: weight, bias, then the others as they came.
            order = sorted(parts, key=lambda part: (part != "weight", part != "bias"))
            blobs = (_read(file, path, parts[part], places[parts[part].storage.key]) for part in order)
            yield Layer(name, "", tuple(blobs))
