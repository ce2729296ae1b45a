"""The option that says what the labels of a data set are of, shared by commands that compare with labels."""

import argparse

from fcn.config.sections import LabelOrientation
from fcn.system.text import print_notice


def add_label_orientation(parser: argparse.ArgumentParser) -> None:
    """Adds `--label-orientation`."""
    parser.add_argument(
        "--label-orientation",
        choices=("upright", "stored"),
        help="whether labels are of upright images, or of the pixels as they are stored, before EXIF "
        "orientation; default: as the run was trained, if this is its data set, else upright",
    )


def read_label_orientation(options: argparse.Namespace) -> LabelOrientation:
    """Returns what the labels are of: as the option says, or by the run's configuration for its own data set.

    If it is another one, or was moved, that its labels are taken as upright is said.
    """
    from fcn.runs.lineage import find_run

    if options.label_orientation is not None:
        chosen: LabelOrientation = options.label_orientation
        return chosen
    run = find_run(options.model)
    data = None if run is None else run.load_config().data
    if data is None or data.label_orientation == "upright":
        return "upright"
    if data.root.resolve() == options.data.resolve():
        return data.label_orientation
    print_notice(
        f"{options.model} was trained with data.label_orientation: stored on {data.root}. The labels of "
        f"{options.data} are taken as upright; if they are of stored pixels, add --label-orientation stored."
    )
    return "upright"
