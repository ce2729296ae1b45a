"""Options for how images are read, shared by commands that read images of strangers."""

import argparse
from typing import TYPE_CHECKING

from fcn.cli.arguments import at_least

if TYPE_CHECKING:
    from fcn.jobs.reading import ReadingLimits


def add_reading_limits(parser: argparse.ArgumentParser, default_size: str = "268") -> None:
    """Adds the options that bound the time and the size of an image.

    Args:
        parser: Where to add them.
        default_size: What the help says of the largest image where none is chosen.
    """
    parser.add_argument(
        "--file-timeout",
        type=at_least(1),
        default=120,
        metavar="S",
        help="longest time to decode an image from a URL, or a file that is slow to decode, in seconds; "
        "default: 120",
    )
    parser.add_argument(
        "--max-megapixels",
        type=_megapixels,
        metavar="N",
        help=f"largest image; default: {default_size}. Each megapixel above 108 takes 8 MB on top of "
        "--memory, but not with geotiff",
    )


def read_reading_limits(options: argparse.Namespace, kept: "ReadingLimits") -> "ReadingLimits":
    """Returns the limits that the options choose; `kept` has the size of what they leave open."""
    from fcn.jobs.kept_limits import with_megapixels

    return with_megapixels(kept._replace(seconds=options.file_timeout), options.max_megapixels)


def _megapixels(text: str) -> int:
    """Reads the size of the largest image.

    Example:
        >>> _megapixels("500")
        500
    """
    from fcn.data.image_header import MOST_MEGAPIXELS

    if not text.isdecimal() or not 1 <= int(text) <= MOST_MEGAPIXELS:
        raise argparse.ArgumentTypeError(
            f"expected a whole number of 1 to {MOST_MEGAPIXELS}, received {text!r}; larger TIFFs are "
            "labeled in windows with --outputs geotiff"
        )
    return int(text)
