"""Recognizes the form of labels by content."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fcn.errors import DataError
from fcn.labels.importing.readers import (
    ade20k,
    cityscapes,
    coco,
    cvat_xml,
    labelme,
    mapillary,
    masks,
    supervisely,
    yolo,
)
from fcn.labels.importing.source import Source


class Reader(NamedTuple):
    """A form of labels.

    Attributes:
        title: Its name for people.
        recognizes: Returns whether a folder holds it.
        read: Reads a folder.
    """

    title: str
    recognizes: Callable[[Path], bool]
    read: Callable[[Path], Source]


READERS = {
    cityscapes.NAME: Reader("Cityscapes", cityscapes.recognizes, cityscapes.read),
    mapillary.NAME: Reader("Mapillary Vistas", mapillary.recognizes, mapillary.read),
    ade20k.NAME: Reader("ADE20K", ade20k.recognizes, ade20k.read),
    supervisely.NAME: Reader("Supervisely", supervisely.recognizes, supervisely.read),
    coco.NAME: Reader("COCO JSON", coco.recognizes, coco.read),
    cvat_xml.NAME: Reader("CVAT for images XML", cvat_xml.recognizes, cvat_xml.read),
    labelme.NAME: Reader("labelme JSON", labelme.recognizes, labelme.read),
    yolo.NAME: Reader("YOLO segmentation", yolo.recognizes, yolo.read),
    masks.NAME: Reader("images and masks", masks.recognizes, masks.read),
}
"""Forms by name, in the order in which they are tried."""


def recognize(folder: Path) -> str:
    """Returns the name of the form in a folder.

    Raises:
        DataError: If there is no folder, or nothing in it is known.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: expected a folder of images and labels.")
    for name, reader in READERS.items():
        if reader.recognizes(folder):
            return name
    raise DataError(
        f"{folder}: holds no labels in a known form. Name it with --format: {', '.join(READERS)}."
    )
