"""Reads the weights of a Chainer net, `.npz`: an archive of one `.npy` file for each array.

`chainer.serializers.save_npz` writes it, compressed, with names such as `conv1_1/W` and `conv1_1/b`.
"""

import math
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from fcn.errors import RunError
from fcn.weights.formats.npy import is_shape
from fcn.weights.formats.torch import zip_entries
from fcn.weights.layer import CHUNK, MAX_BLOBS, Layer, damaged

_SUFFIX = ".npy"
_FLOATS = ("f2", "f4", "f8")
# Weights hardly shrink, but kernels that interpolate are nearly all zeros: those of 60 classes have 59 MB.
_MOST_TIMES, _MOST_MORE = 4, 64 << 20
_HEADER = 4096
_PARTS = {"W": 0, "b": 1}


class _Header:
    """The header of an array: its shape, type and order of axes.

    Args:
        file: The array's file, from its start; it is read up to the values.
    """

    def __init__(self, file: BinaryIO) -> None:
        version = np.lib.format.read_magic(file)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in readers:
            raise ValueError(f"version {version} of .npy")
        self.shape, self.fortran, self.dtype = readers[version](file, _HEADER)
        if not is_shape(self.shape):
            raise ValueError("an array has no valid shape")

    @property
    def has_floats(self) -> bool:
        """Whether its values are floats; other arrays are skipped."""
        return self.dtype.str[1:] in _FLOATS


def is_npz(entries: dict[str, zipfile.ZipInfo]) -> bool:
    """Returns whether an archive holds arrays and nothing else."""
    return bool(entries) and all(name.endswith(_SUFFIX) for name in entries)


def read_npz(path: Path) -> Iterator[Layer]:
    """Yields the layers of an archive of arrays: those whose names differ only after the last slash.

    Each layer's blobs are `W`, `b`, then what else it has of floats.

    Args:
        path: The `.npz` file.

    Raises:
        RunError: If it is not whole, or its arrays are far larger than the file.
    """
    entries = zip_entries(path)
    layers: dict[str, dict[str, zipfile.ZipInfo]] = {}
    budget = _MOST_TIMES * path.stat().st_size + _MOST_MORE
    for name, entry in entries.items():
        layer, _, part = name.removesuffix(_SUFFIX).rpartition("/")
        layers.setdefault(layer, {})[part] = entry
        budget -= entry.file_size
        if budget < 0:
            raise damaged(path, "its arrays are far larger than the file")
    try:
        with zipfile.ZipFile(path) as archive:
            for name, parts in layers.items():
                if len(parts) > MAX_BLOBS:
                    raise damaged(path, f"the layer {name[:80]!r} has more than {MAX_BLOBS} arrays")
                order = sorted(parts, key=lambda part: _PARTS.get(part, len(_PARTS)))
                arrays = (_read(archive, path, parts[part]) for part in order)
                blobs = tuple(array for array in arrays if array is not None)
                if blobs:
                    yield Layer(name, "", blobs)
                del blobs
    except RunError:
        raise
    # What zipfile, zlib and NumPy raise for damaged archives and headers has nothing in common.
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise damaged(path, f"an array cannot be read ({str(error)[:100]})") from error


def _read(archive: zipfile.ZipFile, path: Path, entry: zipfile.ZipInfo) -> npt.NDArray[np.float32] | None:
    """Returns the values of an array; None if they are not floats."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise damaged(path, f"the array {entry.filename[:80]!r} is compressed in another way than arrays are")
    with archive.open(entry) as file:
        header = _Header(file)  # type: ignore[arg-type]
        count = math.prod(header.shape)
        if not header.has_floats or count == 0:
            return None
        if count * header.dtype.itemsize > entry.file_size:
            raise damaged(path, f"the array {entry.filename[:80]!r} has not as many values as its shape")
        values = np.empty(count, np.float32)
        for begin in range(0, count, CHUNK):
            part = values[begin : begin + CHUNK]
            data = file.read(len(part) * header.dtype.itemsize)
            with np.errstate(all="ignore"):  # a double may be larger than any float
                part[:] = np.frombuffer(data, header.dtype)
        if file.read(1):
            raise damaged(path, f"the array {entry.filename[:80]!r} has more values than its shape")
    order: Literal["C", "F"] = "F" if header.fortran else "C"
    return values.reshape(header.shape, order=order)
