"""Counts the bits that the values of 16-bit images use, and whether a data set has to state them."""

from collections.abc import Sequence
from pathlib import Path

from fcn.data.image_header import reading_header
from fcn.data.image_io import Pixels
from fcn.data.pillow_decoding import MOST_BITS, needed_bits, stored_bits


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
