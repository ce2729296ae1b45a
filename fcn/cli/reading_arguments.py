"""Options for how images are read, shared by commands that read images of strangers."""

import argparse
from typing import TYPE_CHECKING

from fcn.cli.arguments import at_least

if TYPE_CHECKING:
    from fcn.jobs.reading import ReadingLimits


def add_reading_limits(
    parser: argparse.ArgumentParser,
    of_jobs: str = "; a continued job keeps its own. Each megapixel above 108 takes 8 MB on top of --memory, "
    "but not with geotiff",
) -> None:
    """Adds the options that bound the time and the size of an image.

    Args:
        parser: The command.
        of_jobs: What the help adds about jobs.
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
        help=f"largest image; default: 268{of_jobs}",
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
