"""Writes labels as CVAT's XML, "CVAT for images 1.1".

A region is a polygon if OpenCV's `fillPoly` draws it as exactly these pixels, or else a mask: run lengths of
its box, row by row, beginning with pixels that are not in it. Regions do not overlap, so their order does not
matter.

Source: CVAT's documentation of the format.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

import cv2
import numpy as np

from fcn.classes import VOID, Classes
from fcn.data.class_table import IGNORE
from fcn.data.image_io import Pixels
from fcn.outputs.regions import Mask, Region, box_of_class, find_regions, present_ids
from fcn.system.files import atomic_path

_MAX_SHAPES = 10_000
_FEWEST_POINTS = 3
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class CvatLabel(NamedTuple):
    """A label of CVAT.

    Attributes:
        name: Its name.
        color: (red, green, blue).
    """

    name: str
    color: tuple[int, int, int]

    def hexadecimal(self) -> str:
        """Returns the color as CVAT writes it.

        Example:
            >>> CvatLabel("cat", (255, 128, 0)).hexadecimal()
            '#ff8000'
        """
        return "#{:02x}{:02x}{:02x}".format(*self.color)


def cvat_names(classes: Classes, class_ids: Iterable[int]) -> dict[int, str]:
    """Returns the names of the labels of class ids to draw, and of void.

    Example:
        >>> cvat_names(Classes.named(("background", "cat")), [1])
        {1: 'cat', 255: '__ignore__'}
    """
    return {**{class_id: classes.names[class_id] for class_id in class_ids}, VOID: IGNORE}


def cvat_labels(classes: Classes, class_ids: Iterable[int]) -> list[CvatLabel]:
    """Returns the labels of class ids to draw, and of void, in the colors of the classes."""
    palette = classes.full_palette().tolist()
    return [
        CvatLabel(name, (palette[class_id][0], palette[class_id][1], palette[class_id][2]))
        for class_id, name in cvat_names(classes, class_ids).items()
    ]


def labels_document(labels: Sequence[CvatLabel]) -> str:
    """Returns labels as CVAT takes them under "Raw" when a task is made."""
    constructor = [{"name": label.name, "color": label.hexadecimal(), "attributes": []} for label in labels]
    return f"{json.dumps(constructor, indent=2)}\n"


def cvat_shapes(label: Pixels, names: Mapping[int, str]) -> str:
    """Returns the elements for the shapes of an image, one a line.

    An image of more than 10,000 regions gets one mask for each class.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.
        names: Labels of the class ids to draw.

    Example:
        >>> print(cvat_shapes(np.array([[0, 1, 1], [0, 1, 1]], np.uint8), {1: "cat"}), end="")
        <polygon label="cat" source="manual" occluded="0" points="1,0;1,1;2,1;2,0" z_order="0"></polygon>
    """
    shapes: list[str] = []
    for region in find_regions(label, names, 8):
        shapes.append(_shape(region, names[region.class_id]))
        if len(shapes) > _MAX_SHAPES:
            present = [class_id for class_id in present_ids(label) if class_id in names]
            shapes = [_mask(box_of_class(label, class_id), names[class_id]) for class_id in present]
            break
    return "".join(f"{shape}\n" for shape in shapes)


def _shape(region: Region, name: str) -> str:
    if len(region.outline) < _FEWEST_POINTS:
        return _mask(region, name)
    drawn = np.zeros(region.mask.shape, np.uint8)
    cv2.fillPoly(drawn, [region.outline], [1])
    if not np.array_equal(drawn.view(np.bool_), region.mask):
        return _mask(region, name)
    points = ";".join(f"{x},{y}" for x, y in region.points())
    return (
        f'<polygon label={quoteattr(name)} source="manual" occluded="0" points="{points}" z_order="0">'
        "</polygon>"
    )


def _mask(region: Region, name: str) -> str:
    height, width = region.mask.shape
    runs = ", ".join(map(str, row_runs(region.mask)))
    return (
        f'<mask label={quoteattr(name)} source="manual" occluded="0" rle="{runs}" left="{region.left}" '
        f'top="{region.top}" width="{width}" height="{height}" z_order="0"></mask>'
    )


def row_runs(mask: Mask) -> list[int]:
    """Returns the run lengths of a mask, row by row, beginning with pixels that are not in it.

    Example:
        >>> row_runs(np.array([[True, False], [False, True]]))
        [0, 1, 2, 1]
    """
    flat = mask.reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs: list[int] = np.diff(changes, prepend=0, append=flat.size).tolist()
    return [0, *runs] if flat[0] else runs


@contextmanager
def cvat_file(
    path: Path, name: str, count: int | None, labels: Sequence[CvatLabel], subsets: Sequence[str] = ()
) -> Iterator[Callable[[str, tuple[int, int], str | None, str], None]]:
    """Yields a function that takes the images; the file appears when the block succeeds.

    The function takes the name of an image, its (height, width), its subset if there are any, and its shapes
    (`cvat_shapes`).

    Args:
        path: The file.
        name: Name of the task or project.
        count: Number of images; None if it is not known before.
        labels: Its labels.
        subsets: The subsets of the images. CVAT has them in projects only, so a file with subsets is that of
            a project.

    Raises:
        OutputError: If the file cannot be written or the disk is full.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(_head(name, count, labels, subsets))
        number = 0

        def add(image_name: str, size: tuple[int, int], subset: str | None, shapes: str) -> None:
            nonlocal number
            part = "" if subset is None else f" subset={quoteattr(subset)}"
            file.write(
                f'<image id="{number}" name={quoteattr(_printable(image_name))}{part} width="{size[1]}" '
                f'height="{size[0]}">\n{shapes}</image>\n'
            )
            number += 1

        yield add
        file.write("</annotations>\n")


def _printable(text: str) -> str:
    """Returns a text in which characters that XML cannot hold are escaped as Python does."""
    return _NOT_XML.sub(lambda found: ascii(found[0])[1:-1], text)


def _head(name: str, count: int | None, labels: Sequence[CvatLabel], subsets: Sequence[str]) -> str:
    listed = "".join(
        f"<label><name>{escape(label.name)}</name><color>{label.hexadecimal()}</color><type>any</type>"
        "<attributes></attributes></label>\n"
        for label in labels
    )
    if subsets:
        names = [escape(subset) for subset in subsets]
        tasks = "".join(f"<task><name>{one}</name><subset>{one}</subset></task>\n" for one in names)
        kind = "project"
        described = f"<tasks>\n{tasks}</tasks>\n<subsets>{chr(10).join(names)}</subsets>\n"
    else:
        kind = "task"
        size = "" if count is None else f"<size>{count}</size>\n"
        described = f"{size}<mode>annotation</mode>\n<overlap>0</overlap>\n"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n<meta>\n'
        f"<{kind}>\n<name>{escape(_printable(name))}</name>\n{described}<labels>\n{listed}</labels>\n</{kind}>\n</meta>\n"
    )
