"""Reads and writes labels with datumaro, which needs an environment of its own.

`python datumaro_program.py TASKS.json` does tasks in one process, since starting takes longest:

- `{"read": FORM, "folder": ..., "output": FILE.npz}` stores `int32[H, W]` for each item, indices of labels
  or -1 where nothing is labeled, and the names of the labels.
- `{"write": FORM, "labels": FILE.npz, "folder": ..., "options": {...}, "polygons": {...}, "left_out": [...]}`
  writes such labels as masks, one for each index that is not left out, or polygons of an item as
  `[label, z_order, [x, y, ...]]`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

NAMES, COLORS = "__names", "__colors"


def read(task: dict[str, Any]) -> None:
    from datumaro import AnnotationType, Dataset

    dataset = Dataset.import_from(task["folder"], task["read"])
    labels = {}
    for item in dataset:
        label = np.full(item.media.size, -1, np.int32)
        for shape in sorted(item.annotations, key=lambda shape: shape.z_order):
            if shape.type == AnnotationType.mask:
                label[shape.image.astype(bool)] = shape.label
            elif shape.type == AnnotationType.polygon:
                label[fill(shape.points, label.shape, task["read"])] = shape.label
        labels[f"{item.subset}/{item.id}"] = label
    names = [one.name for one in dataset.categories()[AnnotationType.label].items]
    np.savez(task["output"], **{NAMES: np.array(names)}, **labels)


def fill(points: list[float], size: tuple[int, int], form: str) -> np.ndarray:
    """Returns the pixels of a polygon, filled as the tool of a form does."""
    if form == "cvat":
        filled = np.zeros(size, np.uint8)
        cv2.fillPoly(filled, [np.rint(np.reshape(points, (-1, 2))).astype(np.int32)], [1])
        return filled.astype(bool)
    from pycocotools import mask

    return mask.decode(mask.frPyObjects([list(points)], *size))[..., 0].astype(bool)


def write(task: dict[str, Any]) -> None:
    from datumaro import (
        AnnotationType,
        Dataset,
        DatasetItem,
        Image,
        LabelCategories,
        Mask,
        MaskCategories,
        Polygon,
    )

    with np.load(task["labels"]) as content:
        labels = dict(content)
    names, colors = labels.pop(NAMES).tolist(), labels.pop(COLORS).tolist()
    items = []
    for number, (place, label) in enumerate(labels.items()):
        subset, _, name = place.partition("/")
        polygons = task.get("polygons", {}).get(place)
        shapes = (
            [
                Mask(label == index, label=index, id=index + 1, group=index + 1)
                for index in np.unique(label).tolist()
                if index not in task.get("left_out", [])
            ]
            if polygons is None
            else [
                Polygon(points, label=index, z_order=layer, id=place, group=place)
                for place, (index, layer, points) in enumerate(polygons, start=1)
            ]
        )
        pixels = np.random.default_rng(number).integers(0, 256, (*label.shape, 3), np.uint8)
        items.append(DatasetItem(name, subset=subset, media=Image.from_numpy(pixels), annotations=shapes))
    categories = {
        AnnotationType.label: LabelCategories.from_iterable(names),
        AnnotationType.mask: MaskCategories({index: tuple(color) for index, color in enumerate(colors)}),
    }
    dataset = Dataset.from_iterable(items, categories=categories, media_type=Image)
    dataset.export(task["folder"], task["write"], save_media=True, **task.get("options", {}))


if __name__ == "__main__":
    for task in json.loads(Path(sys.argv[1]).read_text()):
        if "read" in task:
            read(task)
        else:
            write(task)
