"""Writes the files about all images of a job: `coco.json`, `areas.csv`, `cvat.xml` and lists of labels."""

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from fcn.classes import Classes, ids_to_draw
from fcn.outputs.annotation_options import DEFAULTS, AnnotationOptions
from fcn.outputs.areas import areas_file
from fcn.outputs.coco_document import Categories, coco_file
from fcn.outputs.cvat import cvat_file, cvat_labels, labels_document
from fcn.outputs.labelme import labelme_list, labelme_names
from fcn.outputs.record import Record
from fcn.outputs.render import check_outputs
from fcn.system.files import write_bytes

COCO_NAME = "coco.json"
AREAS_NAME = "areas.csv"
_LABELME_LIST = "labels.txt"
_CVAT_NAME, _CVAT_LABELS = "cvat.xml", "cvat_labels.json"
_NAMES = {
    "rle": (COCO_NAME,),
    "polygons": (COCO_NAME,),
    "areas": (AREAS_NAME,),
    "labelme": (_LABELME_LIST,),
    "cvat": (_CVAT_NAME, _CVAT_LABELS),
}


def summary_paths(kinds: Iterable[str], output: Path) -> tuple[Path, ...]:
    """Returns the files that `write_summaries` writes for some of `OUTPUTS`."""
    wanted = check_outputs(kinds)
    return tuple(output / name for kind in wanted for name in _NAMES.get(kind, ()))


class SummarizedImage(NamedTuple):
    """A labeled image of a job.

    Attributes:
        path: Its path or URL as the user wrote it.
        file_name: Its path relative to the folder in which it was found, with "/".
        number: Its number in the job, which stays.
        record: Its record, from `render`.
        complete: Whether it has all outputs of the job; others are left out of files for which they have
            nothing.
    """

    path: str
    file_name: str
    number: int
    record: Record
    complete: bool = True

    def is_in(self, file_name: str) -> bool:
        """Returns whether it is in a file about all images."""
        needed = {COCO_NAME: "annotations", _CVAT_NAME: "cvat"}.get(file_name)
        return self.complete or needed is None or bool(self.record.get(needed))


class Summaries(NamedTuple):
    """The files about all images of a job.

    Attributes:
        paths: The files.
        left_out: How many regions are too small for an annotation.
    """

    paths: tuple[Path, ...]
    left_out: int


def write_summaries(
    kinds: Collection[str],
    images: Iterable[SummarizedImage],
    output: Path,
    classes: Classes,
    options: AnnotationOptions = DEFAULTS,
) -> Summaries:
    """Writes the summaries of all images of a job; memory does not grow with their number.

    "rle" and "polygons" become `coco.json`: the images in the given order, with their numbers as ids, and the
    annotations of each, with ids from 1. Widths, heights and masks are those of upright images, as in label
    PNGs. "areas" becomes `areas.csv`: one row for each image with its path, width, height, mean confidence
    and the share of each class. "cvat" becomes `cvat.xml`, in the same order, and the labels that a task
    needs, `cvat_labels.json`; "labelme" the list of its labels, `labels.txt`. Each file is written in one
    piece and replaces that of an earlier job.

    Args:
        kinds: Some of `OUTPUTS`; those without a summary are ignored.
        images: The images. Read once, and not at all if there is no summary to write.
        output: The folder to write to; made if it is missing.
        classes: The names of the class ids.
        options: The options with which their records were made.

    Raises:
        OutputError: If a file cannot be written or the disk is full.
        ValueError: If `kinds` are invalid.
    """
    openers = {
        COCO_NAME: _open_coco,
        AREAS_NAME: _open_areas,
        _LABELME_LIST: _write_labelme_list,
        _CVAT_NAME: _open_cvat,
        _CVAT_LABELS: _write_cvat_labels,
    }
    paths = summary_paths(kinds, output)
    left_out = 0
    with ExitStack() as open_files:
        writers = [open_files.enter_context(openers[path.name](path, classes, options)) for path in paths]
        for image in images if writers else ():
            left_out += image.record.get("left_out", 0)
            for path, add in zip(paths, writers, strict=True):
                if image.is_in(path.name):
                    add(image)
    return Summaries(paths, left_out)


_Add = Callable[[SummarizedImage], None]


@contextmanager
def _open_coco(path: Path, classes: Classes, options: AnnotationOptions) -> Iterator[_Add]:
    with coco_file(path, Categories.of(classes, options.background)) as add:
        numbers = itertools.count(1)
        if options.as_before:
            yield lambda image: add(image.path, image.record, next(numbers))
        else:
            yield lambda image: add(image.file_name, image.record, image.number)


@contextmanager
def _open_areas(path: Path, classes: Classes, _: AnnotationOptions) -> Iterator[_Add]:
    with areas_file(path, classes) as add:
        yield lambda image: add(image.path, image.record)


@contextmanager
def _open_cvat(path: Path, classes: Classes, _: AnnotationOptions) -> Iterator[_Add]:
    labels = cvat_labels(classes, ids_to_draw(classes.names, False))
    with cvat_file(path, path.absolute().parent.name, None, labels) as add:

        def add_image(image: SummarizedImage) -> None:
            size = image.record["height"], image.record["width"]
            add(image.file_name, size, None, image.record.get("cvat", ""))

        yield add_image


@contextmanager
def _write_cvat_labels(path: Path, classes: Classes, _: AnnotationOptions) -> Iterator[_Add]:
    labels = cvat_labels(classes, ids_to_draw(classes.names, False))
    write_bytes(path, labels_document(labels).encode())
    yield _ignore


@contextmanager
def _write_labelme_list(path: Path, classes: Classes, _: AnnotationOptions) -> Iterator[_Add]:
    names = labelme_names(classes, ids_to_draw(classes.names, False))
    write_bytes(path, labelme_list(names).encode())
    yield _ignore


def _ignore(_: SummarizedImage) -> None:
    """Takes an image that a list of labels does not need."""
