"""Writes COCO documents: their categories, images and annotations.

Ids of categories begin with 1, without the background, which is what nothing covers: CVAT refuses a category
with the id 0. Class 0 is one of them unless it is called background. With the background, and in jobs that
older versions started, ids of categories are class ids.

Source: the format described at https://cocodataset.org/#format-data (object detection).
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fcn.classes import VOID, Classes, ids_to_draw
from fcn.data.image_io import Pixels
from fcn.outputs.annotation_options import AnnotationOptions
from fcn.outputs.coco import Traced, rle_annotations, trace_regions
from fcn.outputs.record import Annotation, Record
from fcn.system.files import atomic_path, temporary_beside


class Categories(NamedTuple):
    """The categories of a document.

    Attributes:
        classes: The classes.
        annotated: The class ids that are annotated, sorted.
        first: What is added to a class id.
    """

    classes: Classes
    annotated: tuple[int, ...]
    first: int

    @classmethod
    def of(cls, classes: Classes, background: bool = False) -> "Categories":
        """Returns the categories of classes.

        Args:
            classes: The classes.
            background: Whether the background is one, and ids are class ids.

        Example:
            >>> classes = Classes.named(("background", "cat"))
            >>> Categories.of(classes).listed(), Categories.of(Classes.named(("sky", "sea"))).first
            ([{'id': 1, 'name': 'cat', 'supercategory': ''}], 1)
        """
        annotated = ids_to_draw(classes.names, background)
        return cls(classes, annotated, 0 if background or 0 not in annotated else 1)

    def listed(self) -> list[dict[str, Any]]:
        """Returns the categories as the document lists them."""
        return [
            {"id": class_id + self.first, "name": self.classes.names[class_id], "supercategory": ""}
            for class_id in self.annotated
        ]

    def annotated_label(self, label: Pixels) -> Pixels:
        """Returns a label with void in place of classes that are not annotated."""
        table = np.full(256, VOID, np.uint8)
        table[list(self.annotated)] = self.annotated
        return np.asarray(table[label])

    def numbered(self, annotations: list[Annotation]) -> list[Annotation]:
        """Returns annotations with ids of categories in place of class ids."""
        return [one | {"category_id": one["category_id"] + self.first} for one in annotations]


def annotate(
    label: Pixels, classes: Classes, kind: str, options: AnnotationOptions, most_corners: int | None = None
) -> Traced:
    """Returns the annotations of an image in a document.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.
        classes: The classes.
        kind: "rle", one for each class, whatever the options leave out; or "polygons", one for each region.
        options: The options.
        most_corners: As of `trace_regions`.

    Raises:
        TooManyCornersError: If polygons have more.

    Example:
        >>> label, classes = np.array([[0, 1, 1]], np.uint8), Classes.named(("sky", "sea"))
        >>> [one["category_id"] for one in annotate(label, classes, "rle", AnnotationOptions()).annotations]
        [1, 2]
    """
    categories = Categories.of(classes, options.background)
    drawn = categories.annotated_label(label)
    if kind == "rle":
        return Traced(categories.numbered(rle_annotations(drawn)), 0)
    height, width = label.shape
    least = options.min_area.pixels((height, width))
    traced = trace_regions(drawn, least, most_corners, options.simplify)
    return traced._replace(annotations=categories.numbered(traced.annotations))


@contextmanager
def coco_file(path: Path, categories: Categories) -> Iterator[Callable[[str, Record, int], None]]:
    """Yields a function that takes an image's name, record and id; the file appears when the block succeeds.

    Args:
        path: The file.
        categories: Its categories.

    Raises:
        OutputError: If the file cannot be written or the disk is full.
    """
    # Images come before annotations in the file, so annotations wait in a file of their own.
    with (
        atomic_path(path) as temporary,
        temporary_beside(path, ".annotations") as waiting,
        temporary.open("w", encoding="ascii") as images,
        waiting.open("w+", encoding="ascii") as annotations,
    ):
        first, annotation_id = True, 0
        head = {
            # Categories need not be all classes, which `data export` looks for here.
            "info": {"description": "Labels of images", "classes": categories.classes.names},
            "categories": categories.listed(),
        }
        images.write(f'{json.dumps(head)[:-1]}, "images": [')

        def add(name: str, record: Record, image_id: int) -> None:
            nonlocal first, annotation_id
            image = {"id": image_id, "file_name": name, "width": record["width"], "height": record["height"]}
            images.write(f"{'' if first else ','}\n{json.dumps(image)}")
            first = False
            for annotation in record["annotations"]:
                annotation_id += 1
                line = json.dumps({"id": annotation_id, "image_id": image_id, **annotation})
                annotations.write(f"{',' if annotation_id > 1 else ''}\n{line}")

        yield add
        images.write('\n], "annotations": [')
        annotations.seek(0)
        shutil.copyfileobj(annotations, images)
        images.write("\n]}\n")
