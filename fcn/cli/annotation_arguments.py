"""Options of annotations on the command line."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fcn.errors import ConfigError

if TYPE_CHECKING:
    from fcn.outputs.annotation_options import AnnotationOptions, AreaLimit

_NEEDED = {
    "min_area": ("polygons", "labelme", "cvat"),
    "simplify": ("polygons",),
    "coco_background": ("rle", "polygons"),
}


def add_annotations(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "--min-area",
        type=_area,
        metavar="N|P%",
        help="smallest region of polygons, labelme and cvat: N pixels, or P%% of the image; default: 0.01%%",
    )
    parser.add_argument(
        "--simplify", action="store_true", help="polygons with fewer corners, within half a pixel"
    )
    parser.add_argument(
        "--coco-background",
        action="store_true",
        help="coco.json with the background as category 0, and class ids as category ids",
    )


def _area(text: str) -> "AreaLimit":
    from fcn.outputs.annotation_options import AreaLimit

    try:
        return AreaLimit.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def annotation_options(options: argparse.Namespace, kinds: Sequence[str]) -> "AnnotationOptions | None":
    """Returns the options of annotations; None if there are none, so that a job keeps its own.

    Raises:
        ConfigError: If one of them is for an output that is not written.
    """
    from fcn.outputs.annotation_options import DEFAULTS, AnnotationOptions

    given = [name for name in _NEEDED if getattr(options, name)]
    for name in given:
        needed = _NEEDED[name]
        if not set(needed) & set(kinds):
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{option}: needs --outputs {' or '.join(needed)}. Add that, or leave it out.")
    if not given:
        return None
    least = options.min_area or DEFAULTS.min_area
    return AnnotationOptions(options.coco_background, least, options.simplify)
