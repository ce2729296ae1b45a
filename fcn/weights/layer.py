"""One layer's weights as a published file holds them, and functions that read values from such a file."""

from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.errors import RunError

# Caffe's own limit; NumPy allows twice as many.
MAX_AXES = 32
# Far more than any layer has, and few enough that a file of nothing but blobs stays small in memory.
MAX_BLOBS = 64
# Of all layers together, for a file can name one small array in many layers. Large nets have thousands.
MAX_ARRAYS = 20_000
# Values that are converted at once, so that a double or a strided layer is never held twice.
CHUNK = 1 << 20


class Layer(NamedTuple):
    """The weights of one layer, in the shape and order of the file they come from.

    Attributes:
        name: The layer's name in the file.
        kind: The format's own name of the layer's type, such as "Convolution"; "" where it has none.
        blobs: `float32[...]` each, as stored: nothing is transposed.
        net: How the file calls the net inside of the net that holds the layer; "" for others.
    """

    name: str
    kind: str
    blobs: tuple[npt.NDArray[np.float32], ...]
    net: str = ""


def damaged(path: Path, reason: str) -> RunError:
    """Returns the error for a file that does not follow its format.

    Args:
        path: The file.
        reason: The defect, as a clause.
    """
    return RunError(f"{path}: {reason}. The file is damaged or incomplete: download or copy it again.")


def fill_values(
    file: BinaryIO, path: Path, start: int, values: npt.NDArray[np.float32], dtype: str = "<f4", gap: int = 0
) -> None:
    """Reads as many numbers as `values` has room for.

    Args:
        file: The open file.
        path: Its name, for the error.
        start: Where the first number begins, in bytes.
        values: `float32[N]`, filled in place.
        dtype: NumPy's name of the numbers' type in the file.
        gap: Bytes between one number and the next.

    Raises:
        RunError: If the file ends before the last number.
    """
    record = np.dtype([("number", dtype), ("gap", f"V{gap}")] if gap else [("number", dtype)])
    file.seek(start)
    for begin in range(0, len(values), CHUNK):
        part = values[begin : begin + CHUNK]
        size = len(part) * record.itemsize
        data = file.read(size)
        if len(data) < size - gap:
            raise damaged(path, f"it ends inside the numbers that begin at byte {start}")
        # Nothing follows the last number: its gap may lie beyond the end of the file.
        numbers = np.frombuffer(data.ljust(size, b"\0"), record)["number"]
        # A double may be larger than any float; the reader of the weights sees the infinity.
        with np.errstate(all="ignore"):
            part[:] = numbers


def read_values(
    file: BinaryIO, path: Path, start: int, count: int, dtype: str = "<f4"
) -> npt.NDArray[np.float32]:
    """Reads numbers that lie side by side.

    Args:
        file: The open file.
        path: Its name, for the error.
        start: Where the first number begins, in bytes.
        count: How many; the caller has checked it against the size of the file.
        dtype: NumPy's name of the numbers' type in the file.

    Returns:
        `float32[count]`.

    Raises:
        RunError: If the file ends before the last number.
    """
    values = np.empty(count, np.float32)
    fill_values(file, path, start, values, dtype)
    return values
