"""Arguments of the overlays that a command writes."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fcn.outputs.overlay_style import OverlayStyle


def add_overlays(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    command.add_argument(
        "--overlay", action="store_true", help="also write each image with its label laid over it"
    )
    command.add_argument(
        "--overlay-opacity",
        type=_read_opacity,
        metavar="O",
        help="how much colors cover the image in overlays and videos, from 0 to 1; default: 0.6",
    )
    command.add_argument(
        "--palette",
        metavar="P",
        help="colors there: bright; voc, those of the label PNGs; or a file of lines NAME:R,G,B, for some "
        "classes or all; default: bright",
    )


def read_overlay_style(options: argparse.Namespace) -> "OverlayStyle | None":
    """Returns the style that the arguments choose; None if they choose none.

    Raises:
        DataError: If the list of colors cannot be used.
    """
    from fcn.outputs.overlay_style import make_style

    if options.palette is None and options.overlay_opacity is None:
        return None
    return make_style(options.palette, options.overlay_opacity)


def _read_opacity(text: str) -> float:
    try:
        opacity = float(text)
    except ValueError:
        opacity = -1
    if not 0 <= opacity <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, such as 0.5, received {text!r}")
    return opacity
