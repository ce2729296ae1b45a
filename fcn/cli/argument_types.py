"""What reads the text of an argument, and says what was expected where it does not fit."""

import argparse
from collections.abc import Callable

_LARGEST_SIDE = 100_000


def at_least(lowest: int) -> Callable[[str], int]:
    """Returns what reads a whole number that may not be smaller.

    Example:
        >>> at_least(1)("20")
        20
    """

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of {lowest} or more, received {text!r}"
            )
        return int(text)

    return read


def sides(text: str) -> tuple[int, ...]:
    """Reads HxW; one number alone is the length of what a one-dimensional net takes.

    Example:
        >>> sides("384x512"), sides("200")
        ((384, 512), (200,))
    """
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and 0 < int(part) <= _LARGEST_SIDE for part in parts):
        raise argparse.ArgumentTypeError(
            f"expected HxW in pixels, such as 384x512, each from 1 to {_LARGEST_SIDE}, received {text!r}"
        )
    return tuple(map(int, parts))


def image_size(text: str) -> tuple[int, int]:
    """Reads HxW.

    Example:
        >>> image_size("384x512")
        (384, 512)
    """
    found = sides(text)
    if len(found) != 2:
        raise argparse.ArgumentTypeError(f"expected HxW in pixels, such as 384x512, received {text!r}")
    return found[0], found[1]
