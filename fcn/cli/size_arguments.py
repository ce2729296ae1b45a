"""Readers of sizes of images, given as HxW."""

import argparse

_LARGEST_SIDE = 100_000


def read_sides(text: str) -> tuple[int, ...]:
    """Reads HxW; one number alone is the length of the input of a one-dimensional net.

    Example:
        >>> read_sides("384x512"), read_sides("200")
        ((384, 512), (200,))
    """
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and 0 < int(part) <= _LARGEST_SIDE for part in parts):
        raise argparse.ArgumentTypeError(
            f"expected HxW in pixels, such as 384x512, each from 1 to {_LARGEST_SIDE}, received {text!r}"
        )
    return tuple(map(int, parts))


def read_size(text: str) -> tuple[int, int]:
    """Reads HxW.

    Example:
        >>> read_size("384x512")
        (384, 512)
    """
    found = read_sides(text)
    if len(found) != 2:
        raise argparse.ArgumentTypeError(f"expected HxW in pixels, such as 384x512, received {text!r}")
    return found[0], found[1]
