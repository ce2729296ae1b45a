"""Counts the bits that the values of 16-bit images use, and whether a data set has to state them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fcn.classes import count_ids
from fcn.data.image_header import reading_header
from fcn.data.image_io import Pixels
from fcn.data.pillow_decoding import FEWEST_BITS, MOST_BITS, needed_bits, stored_bits

DARK_BITS = 2
"""So many bits unused are an image that is nearly black: of a photo, the upper quarter is somewhere."""

# The share of values that is common, and the bits below which an image of 16 bits is nearly black.
_COMMON, _DARK = 0.99, 12


def used_bits(path: Path, image: Pixels, bits: int = MOST_BITS) -> int | None:
    """Returns how many bits the values of an image use, 8 to 16; None without 16 bits a channel.

    Args:
        path: The image; only its header is read.
        image: Its pixels.
        bits: How many bits the values were taken to use when it was read.

    Raises:
        DataError: If it cannot be read.
    """
    with reading_header(path) as header:
        is_deep = stored_bits(header) == MOST_BITS
    return needed_bits(image, bits) if is_deep else None


def common_bits(image: Pixels, bits: int = MOST_BITS) -> int:
    """Returns how many bits are enough for 99% of the values of an image of 16 bits.

    Args:
        image: Its pixels.
        bits: How many bits the values were taken to use when it was read.

    Example:
        >>> image = np.full((20, 20, 3), 15, np.uint8)
        >>> image[0, 0] = 255
        >>> common_bits(image)
        12
    """
    counts = np.cumsum(count_ids(image))
    value = int(np.searchsorted(counts, _COMMON * counts[-1]))
    return max(FEWEST_BITS, bits - 8 + value.bit_length())


def describe_nearly_black(name: object, most: str, used: int, bits: int) -> str:
    """Returns a warning of an image of 16 bits that uses fewer, without the period at its end.

    Args:
        name: The image's name, usually its path.
        most: What the greatest value with `used` bits is, in words.
        used: How many bits its values use.
        bits: How many bits the net was trained for.
    """
    return (
        f"Warning: {name}: has 16 bits a channel, but {most} {(1 << used) - 1} ({used} bits), and this "
        f"model was trained for {bits} bits, so it sees a nearly black image. If such images are "
        f"what it shall label, train it with data.bits: {used}"
    )


def describe_rarely_used(common: Sequence[int | None]) -> str | None:
    """Returns a warning if only few values of most images of 16 bits need more than 12; None otherwise.

    Args:
        common: What `common_bits` returned for each image, read with 16 bits; None for those of 8 bits.

    Example:
        >>> describe_rarely_used([None, 16, 12]) is None
        True
        >>> describe_rarely_used([None, 12, 10]).partition(",")[0]
        'In 2 of 2 images of 16 bits a channel'
    """
    known = [bits for bits in common if bits is not None]
    dark = [bits for bits in known if bits <= _DARK]
    if 2 * len(dark) <= len(known):
        return None
    used = max(dark)
    most = (1 << used) - 1
    return (
        f"In {len(dark)} of {len(known)} images of 16 bits a channel, 99% of the values are at most {most}, "
        f"which is {used} bits, so the net would see values up to {most >> 8} of 255 there. If larger ones "
        "mark pixels without data, such as 65535, write another value there and set "
        f"data.bits: {used}; if they are right, set data.bits: 16."
    )


def describe_unused(found: Sequence[int | None]) -> str | None:
    """Returns why a data set is refused if its images of 16 bits all use fewer; None if one uses them all.

    Most of what is in them would be lost without a word.

    Args:
        found: What `used_bits` returned for each image, read with 16 bits.

    Example:
        >>> describe_unused([None, 12, 16]) is None
        True
        >>> describe_unused([None, 12, 9]).partition(",")[0]
        '2 images have 16 bits a channel'
    """
    known = [bits for bits in found if bits is not None]
    used = max(known, default=MOST_BITS)
    if used == MOST_BITS:
        return None
    return (
        f"{len(known)} {'image has' if len(known) == 1 else 'images have'} 16 bits a channel, but no "
        f"value above {(1 << used) - 1}, which is {used} bits. Of 16 bits the upper 8 are kept, so the "
        f"net would see values up to {((1 << used) - 1) >> 8} of 255. Set data.bits: {used} "
        "to use this range, or data.bits: 16 to keep the upper 8 of 16 bits."
    )
