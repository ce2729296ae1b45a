"""Reads arrays of ids, which labelme's export to VOC writes beside PNGs or in place of them."""

import re
from pathlib import Path

import numpy as np

from fcn.data.image_header import MAX_PIXELS, check_file_size
from fcn.data.image_io import read_file
from fcn.errors import DataError
from fcn.labels.importing.readers.mask_size import check_area
from fcn.labels.importing.source import VOID_KEY, Keys
from fcn.system.files import unreadable

ARRAY_SUFFIX = ".npy"
"""Of arrays of ids, which labelme's export to VOC writes."""

MAX_ID = 65_535

# NumPy Enhancement Proposal 1: a magic string, the version, the length of a header and the header.
_NPY_START = re.compile(rb"\x93NUMPY(?:\x01\x00..|[\x02\x03]\x00....)", re.DOTALL)
_NPY_HEADER = re.compile(
    rb"\{'descr': '([<>|][iu][1248])', 'fortran_order': (True|False), "
    rb"'shape': \((\d{1,7}), (\d{1,7})\), \} *\n"
)


def read_array(path: Path, size: tuple[int, int] | None) -> Keys:
    """Reads `int[H, W]` of a .npy file, after its header has shown how much memory that takes.

    Args:
        path: The file.
        size: (height, width) of its image, so that far larger arrays are refused.

    Raises:
        DataError: If it is not an array of ids, which are -1 for void, or from 0 to `MAX_ID`.
    """
    try:
        check_file_size(path.stat().st_size, path)
    except OSError as error:
        raise DataError(f"{path}: {unreadable(error)}") from error
    data = read_file(path)
    start = _NPY_START.match(data)
    found = _NPY_HEADER.match(data, start.end()) if start else None
    if found is None:
        raise DataError(f"{path}: expected an array of ids, int[H, W], as labelme writes. Export it again.")
    height, width = int(found[3]), int(found[4])
    dtype = np.dtype(found[1].decode())
    check_area(path, (height, width), size)
    if not 0 < height * width <= MAX_PIXELS or len(data) - found.end() != height * width * dtype.itemsize:
        raise DataError(f"{path}: its length is not that of {height}x{width} ids. Export it again.")
    values = np.frombuffer(data, dtype, offset=found.end())
    values = values.reshape((width, height)).T if found[2] == b"True" else values.reshape((height, width))
    if not -1 <= int(values.min()) <= int(values.max()) <= MAX_ID:
        raise DataError(
            f"{path}: expected ids of -1 to {MAX_ID:,}. Received: {values.min()} to {values.max()}."
        )
    keys = values.astype(np.int32)
    keys[keys == -1] = VOID_KEY
    return keys
