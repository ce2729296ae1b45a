"""Writes the files about all images of a job: `coco.json` and `areas.csv`."""

from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack
from pathlib import Path

from fcn.classes import Classes
from fcn.outputs.areas import areas_file
from fcn.outputs.coco import coco_file
from fcn.outputs.record import Record
from fcn.outputs.render import check_outputs

COCO_NAME = "coco.json"
AREAS_NAME = "areas.csv"


def summary_paths(kinds: Iterable[str], output: Path) -> tuple[Path, ...]:
    """Returns the files that `write_summaries` writes for some of `OUTPUTS`."""
    wanted = check_outputs(kinds)
    names = {"rle": COCO_NAME, "polygons": COCO_NAME, "areas": AREAS_NAME}
    return tuple(output / names[kind] for kind in wanted if kind in names)


def write_summaries(
    kinds: Collection[str], records: Iterable[tuple[str, Record]], output: Path, classes: Classes
) -> tuple[Path, ...]:
    """Writes the summaries of all images of a job; memory does not grow with their number.

    "rle" and "polygons" become `coco.json`: the images in the order of `records`, with ids from 1, and the
    annotations of each, with ids from 1. The ids of categories are class ids. Widths, heights and masks are
    those of upright images, as in label PNGs. "areas" becomes `areas.csv`: one row for each image with its
    path, width, height, mean confidence and the share of each class. Each file is written in one
    piece and replaces that of an earlier job.

    Args:
        kinds: Some of `OUTPUTS`; those without a summary are ignored.
        records: For each image its name, usually a path, and its record from `render`. Read once, and not at
            all if there is no summary to write.
        output: The folder to write to; made if it is missing.
        classes: The names of the class ids.

    Returns:
        The files that were written.

    Raises:
        OutputError: If a file cannot be written or the disk is full.
        ValueError: If `kinds` are invalid.
    """
    files = {COCO_NAME: coco_file, AREAS_NAME: areas_file}
    paths = summary_paths(kinds, output)
    with ExitStack() as open_files:
        writers: list[Callable[[str, Record], None]] = [
            open_files.enter_context(files[path.name](path, classes)) for path in paths
        ]
        for name, record in records if writers else ():
            for add in writers:
                add(name, record)
    return paths
