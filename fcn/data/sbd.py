"""The Semantic Boundaries Dataset's labels, which are MATLAB files.

ROOT/benchmark_RELEASE/dataset/cls/NAME.mat     GTcls.Segmentation: uint8[H, W], ids of VOC's classes, no void
ROOT/benchmark_RELEASE/dataset/{train,val}.txt  the names in a split, one a line

A MATLAB 5 file is a header and elements in elements, each with its type and length. Only those on the way
to the label are looked at. Source: MathWorks, "MAT-File Format", chapter 1.
"""

import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fcn.data.image_io import Pixels
from fcn.errors import DataError
from fcn.system.files import is_there, read_at_most, unreadable
from fcn.system.remedies import as_started

LABELS = "cls"

_HEADER_BYTES = 128
# How numbers are stored, by the last two bytes of the header.
_BYTE_ORDER = {b"IM": "<", b"MI": ">"}
# Types of elements, then of matrices.
_UINT8, _MATRIX, _COMPRESSED = 2, 14, 15
_STRUCT, _UINT8_MATRIX = 2, 9
# SBD's largest label has 500x500 pixels, as many again for borders, and is packed to a few kilobytes. It is
# the only variable of its file; those in front of it are unpacked too, so the limit is that of all together.
_LARGEST_FILE = 1 << 22
_LARGEST_CONTENT = 1 << 24
_MOST_VARIABLES = 64
_MOST_FIELDS = 64
_MOST_AXES = 32
_LONGEST_NAME = 64

_Elements = Iterator[tuple[int, memoryview]]


class _Matrix(NamedTuple):
    """The beginning of a matrix, and the elements that follow."""

    kind: int
    shape: tuple[int, ...]
    name: bytes
    rest: _Elements


def find_sbd(root: Path) -> Path:
    """Returns SBD's folder `dataset`, which `root` is, or holds as the archive does.

    Raises:
        DataError: If there is none.
    """
    for inside in ("", "dataset", "benchmark_RELEASE/dataset"):
        if is_there(root / inside / LABELS):
            return root / inside
    raise DataError(
        f"{root}: holds no folder dataset/{LABELS}, so it is not SBD. Give the folder benchmark_RELEASE that "
        f"`{as_started('python -m fcn')} data download sbd` makes."
    )


def read_sbd_label(path: Path) -> Pixels:
    """Reads a label of SBD.

    Args:
        path: A file of `dataset/cls`.

    Returns:
        `uint8[H, W]`, class ids as in VOC; SBD marks no pixels as void.

    Raises:
        DataError: If the file is damaged or holds something else.
    """
    try:
        with path.open("rb") as file:
            data = read_at_most(file, _LARGEST_FILE, ValueError(f"more than {_LARGEST_FILE} bytes"))
        return _label(data)
    except OSError as error:
        raise DataError(f"{path}: {unreadable(error)}") from error
    except (ValueError, struct.error, zlib.error) as error:
        raise DataError(
            f"{path}: is damaged or not a label of SBD ({error}). Expected a MATLAB 5 file with "
            "GTcls.Segmentation, uint8[H, W]. Unpack the archive again."
        ) from error


def _label(data: bytes) -> Pixels:
    order = _BYTE_ORDER.get(data[_HEADER_BYTES - 2 : _HEADER_BYTES])
    if order is None:
        raise ValueError(f"{len(data)} bytes of another kind")
    labels = _find_variable(memoryview(data)[_HEADER_BYTES:], order, b"GTcls")
    if labels.kind != _STRUCT or labels.shape != (1, 1):
        raise ValueError("GTcls is not one structure")
    (_, length), (_, names) = islice(labels.rest, 2)
    (width,) = struct.unpack(f"{order}i", length)  # of each name, filled up with zeros
    if width < 1:
        raise ValueError("names without length")
    starts = range(0, len(names), width)[:_MOST_FIELDS]
    fields = [bytes(names[start : start + width]).partition(b"\0")[0] for start in starts]
    for field, (kind, content) in zip(fields, labels.rest, strict=False):
        if field == b"Segmentation" and kind == _MATRIX:
            return _pixels(_matrix(content, order))
    raise ValueError("no GTcls.Segmentation")


def _pixels(matrix: _Matrix) -> Pixels:
    if matrix.kind != _UINT8_MATRIX or len(matrix.shape) != 2 or min(matrix.shape) < 1:
        raise ValueError(f"GTcls.Segmentation has type {matrix.kind} and shape {list(matrix.shape)}")
    ((kind, values),) = islice(matrix.rest, 1)
    if kind != _UINT8:
        raise ValueError(f"GTcls.Segmentation is stored as type {kind}")
    # Columns come one after the other. NumPy refuses another number of values.
    return np.ascontiguousarray(np.frombuffer(values, np.uint8).reshape(matrix.shape, order="F"))


def _find_variable(data: memoryview, order: str, name: bytes) -> _Matrix:
    room = _LARGEST_CONTENT
    for kind, content in islice(_elements(data, order), _MOST_VARIABLES):
        if kind == _COMPRESSED:
            inflated = zlib.decompressobj().decompress(content, room + 1)
            room -= len(inflated)
            if room < 0:
                raise ValueError(f"unpacks to more than {_LARGEST_CONTENT} bytes")
            inside = _elements(memoryview(inflated), order)
        else:
            inside = iter([(kind, content)])
        for inner_kind, inner in islice(inside, 1):
            if inner_kind == _MATRIX and (matrix := _matrix(inner, order)).name == name:
                return matrix
    raise ValueError(f"no {name.decode()} among the first {_MOST_VARIABLES} variables")


def _matrix(content: memoryview, order: str) -> _Matrix:
    rest = _elements(content, order)
    (_, flags), (_, shape), (_, name) = islice(rest, 3)
    kind, _ = struct.unpack(f"{order}II", flags)
    if len(shape) > 4 * _MOST_AXES or len(name) > _LONGEST_NAME:
        raise ValueError(f"a variable has more than {_MOST_AXES} axes or a name of {len(name)} bytes")
    sizes = np.frombuffer(shape, f"{order}i4").tolist()
    return _Matrix(kind & 0xFF, tuple(sizes), bytes(name), rest)


def _elements(data: memoryview, order: str) -> _Elements:
    """Yields type and content of each element; those inside of them are not looked at."""
    position = 0
    while position < len(data):
        kind, length = struct.unpack_from(f"{order}II", data, position)
        begin, end = position + 8, position + 8 + length
        if kind >> 16:  # up to four bytes replace the length, which is in the upper half of the type
            kind, length = kind & 0xFFFF, kind >> 16
            begin, end = position + 4, position + 4 + length
            position += 8
        else:
            position = end if kind == _COMPRESSED else end + -length % 8
        if end > len(data) or end > position:
            raise ValueError("an element is cut off")
        yield kind, data[begin:end]
