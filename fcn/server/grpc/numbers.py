"""Packed lists of numbers of Protocol Buffers, converted by NumPy."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from fcn.server.validation import invalid

_BLOCK = 2**20
"""Number of values that are written at once; a block needs some MB more than its values."""


def read_uint8(packed: Iterable[bytes], what: str) -> npt.NDArray[np.uint8]:
    r"""Reads a packed list of integers 0 to 255.

    Each is a byte below 128, or its low seven bits with bit 7 set and a byte with its highest bit.

    Args:
        packed: The list, in one or more parts.
        what: Its name in error messages.

    Returns:
        `uint8[N]`.

    Raises:
        ServerError: If they are other numbers.

    Example:
        >>> read_uint8([b"\x07\xc8\x01"], "int_val").tolist()
        [7, 200]
    """
    data = np.frombuffer(b"".join(packed), np.uint8)
    is_second = np.zeros(data.shape, bool)
    np.greater_equal(data[:-1], 128, out=is_second[1:])
    if data.size and (data[-1] >= 128 or (is_second & (data > 1)).any()):
        raise invalid(f"integers 0 to 255 in `{what}`", "others")
    if not is_second.any():
        return data
    values = data.copy()
    values[:-1] &= (data[1:] << 7) | 127  # bit 7 of a first byte becomes that of its value
    return values[~is_second]


def write_uint8(values: npt.NDArray[np.uint8]) -> bytes:
    r"""Returns integers 0 to 255 as a packed list.

    Example:
        >>> write_uint8(np.array([[7, 200]], np.uint8))
        b'\x07\xc8\x01'
    """
    return b"".join(_write_blocks(values.reshape(-1)))


def _write_blocks(values: npt.NDArray[np.uint8]) -> Iterator[bytes]:
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        is_long = block >= 128
        if not is_long.any():
            yield block.tobytes()
            continue
        written = np.repeat(block, 1 + is_long.astype(np.intp))
        firsts = np.flatnonzero(is_long) + np.arange(np.count_nonzero(is_long))
        written[firsts + 1] = 1
        yield written.tobytes()
