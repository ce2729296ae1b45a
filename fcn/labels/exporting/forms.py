"""The forms that labels are exported in: what each one holds, and where its files lie."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from fcn.classes import Classes
from fcn.data.image_io import Pixels
from fcn.labels.exporting.labeled import Labeled
from fcn.outputs import cvat, labelme, yolo
from fcn.outputs.coco import polygon_annotations, rle_annotations
from fcn.outputs.coco_document import Categories, coco_file
from fcn.outputs.record import Record

_MAX_POLYGONS = 10_000
_NO_SPLIT = "default"
_IGNORED = "is labeled __ignore__"


class Job(NamedTuple):
    """Labels to export, and how.

    Attributes:
        title: What the tool may call it.
        classes: The classes.
        annotated: The class ids that are drawn, sorted; without the background, as a rule.
        splits: The splits, in the order of training; empty if there are none.
        num_images: Number of images.
        run_lengths: Whether COCO gets run lengths and not polygons.
    """

    title: str
    classes: Classes
    annotated: tuple[int, ...]
    splits: tuple[str, ...]
    num_images: int
    run_lengths: bool = False

    def names(self) -> dict[int, str]:
        """Returns the names of the classes that are drawn."""
        return {class_id: self.classes.names[class_id] for class_id in self.annotated}


class Rendered(NamedTuple):
    """The labels of an image in a form.

    Attributes:
        size: (height, width).
        content: What `Writer.add` takes.
        changed: How many pixels besides void the form cannot give back.
    """

    size: tuple[int, int]
    content: Any
    changed: int = 0


class Writer(NamedTuple):
    """An open export.

    Attributes:
        image_path: Returns the path of an image, without its suffix, relative to the folder.
        render: Returns the labels of an image, from its label; in any thread.
        add: Writes them, with the path of the image and its suffix; in the order of the images.
    """

    image_path: Callable[[Labeled], str]
    render: Callable[[Pixels], Rendered]
    add: Callable[[Labeled, str, Rendered], None]


class Form(NamedTuple):
    """A form.

    Attributes:
        title: What people call it.
        void: Says what becomes of void.
        keeps_void: Whether an import gives it back.
        open: Opens an export into a folder.
        opens_with: Says how people open what was written to a folder.
    """

    title: str
    void: str
    keeps_void: bool
    open: Callable[[Path, Job], AbstractContextManager[Writer]]
    opens_with: Callable[[Path], str]


@contextmanager
def _labelme(folder: Path, job: Job) -> Iterator[Writer]:
    names = labelme.labelme_names(job.classes, job.annotated)
    _write(folder / "labels.txt", labelme.labelme_list(names))

    def render(label: Pixels) -> Rendered:
        return Rendered(label.shape, labelme.labelme_shapes(label, names))

    def add(_: Labeled, path: str, rendered: Rendered) -> None:
        document = labelme.labelme_document(rendered.content, path.rpartition("/")[2], rendered.size)
        _write((folder / path).with_suffix(".json"), f"{json.dumps(document, indent=2)}\n")

    yield Writer(lambda one: f"{_part(job, one)}{one.name}", render, add)


@contextmanager
def _coco(folder: Path, job: Job) -> Iterator[Writer]:
    categories = Categories(job.classes, job.annotated, 1 if 0 in job.annotated else 0)

    def render(label: Pixels) -> Rendered:
        drawn = categories.annotated_label(label)
        annotations = rle_annotations(drawn) if job.run_lengths else polygon_annotations(drawn)
        if len(annotations) > _MAX_POLYGONS:
            annotations = rle_annotations(drawn)
        height, width = label.shape
        record: Record = {
            "height": height,
            "width": width,
            "mean_confidence": 1.0,
            "areas": {},
            "annotations": categories.numbered(annotations),
        }
        return Rendered(label.shape, record)

    with ExitStack() as files:
        adders = {
            split: files.enter_context(
                coco_file(folder / "annotations" / f"instances_{split}.json", categories)
            )
            for split in job.splits or (_NO_SPLIT,)
        }
        numbers = {split: itertools.count(1) for split in adders}

        def add(one: Labeled, path: str, rendered: Rendered) -> None:
            split = one.split or _NO_SPLIT
            adders[split](path.removeprefix("images/"), rendered.content, next(numbers[split]))

        yield Writer(lambda one: f"images/{one.name}", render, add)


@contextmanager
def _cvat(folder: Path, job: Job) -> Iterator[Writer]:
    names = cvat.cvat_names(job.classes, job.annotated)
    labels = cvat.cvat_labels(job.classes, job.annotated)
    _write(folder / "labels.json", cvat.labels_document(labels))

    def render(label: Pixels) -> Rendered:
        return Rendered(label.shape, cvat.cvat_shapes(label, names))

    subsets = job.splits if len(job.splits) > 1 else ()
    with cvat.cvat_file(folder / "annotations.xml", job.title, job.num_images, labels, subsets) as write:

        def add(one: Labeled, path: str, rendered: Rendered) -> None:
            subset = one.split if subsets else None
            write(path.removeprefix("images/"), rendered.size, subset, rendered.content)

        yield Writer(lambda one: f"images/{one.name}", render, add)


@contextmanager
def _yolo(folder: Path, job: Job) -> Iterator[Writer]:
    numbers = {class_id: number for number, class_id in enumerate(job.annotated)}
    splits = job.splits or ("train",)
    folders = {split: f"images/{split}" for split in splits}
    # A training needs both; of an export without splits people make their own.
    folders |= {split: folders[splits[0]] for split in ("train", "val") if split not in folders}
    _write(folder / "data.yaml", yolo.yolo_data_file(list(job.names().values()), folders))

    def render(label: Pixels) -> Rendered:
        lines, changed = yolo.yolo_lines(label, numbers)
        return Rendered(label.shape, lines, changed)

    def add(_: Labeled, path: str, rendered: Rendered) -> None:
        _write((folder / "labels" / path.removeprefix("images/")).with_suffix(".txt"), rendered.content)

    yield Writer(lambda one: f"images/{one.split or splits[0]}/{one.name}", render, add)


FORMS: Mapping[str, Form] = {
    "coco": Form(
        "COCO JSON",
        "is left out, which means background: COCO has no void",
        False,
        _coco,
        lambda folder: f"The annotations are in {folder}/annotations/, the images in {folder}/images/.",
    ),
    "labelme": Form(
        "labelme JSON",
        _IGNORED,
        True,
        _labelme,
        lambda folder: f"Open it: labelme {folder} --labels {folder}/labels.txt --nodata",
    ),
    "cvat": Form(
        "CVAT for images 1.1",
        _IGNORED,
        True,
        _cvat,
        lambda folder: (
            f"In CVAT, make a task: paste {folder}/labels.json under Raw, and add the files in "
            f'{folder}/images/. Then upload {folder}/annotations.xml as "CVAT 1.1".'
        ),
    ),
    "yolo": Form(
        "YOLO segmentation",
        "is left out, which means background or the object around it: YOLO has no void",
        False,
        _yolo,
        lambda folder: f"Train on it: yolo segment train data={folder}/data.yaml",
    ),
}
"""Forms by name."""


def _part(job: Job, one: Labeled) -> str:
    """Returns the folder of a split where there are several."""
    return f"{one.split}/" if len(job.splits) > 1 else ""


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
