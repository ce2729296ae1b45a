"""Recognizes the form of labels by content."""

from collections.abc import Callable, Sequence
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
        recognizes: Returns whether a folder holds it, or files do, if it has files.
        read: Reads a folder, or files in it.
        files: Suffixes of single files that hold it.
    """

    title: str
    recognizes: Callable[..., bool]
    read: Callable[..., Source]
    files: tuple[str, ...] = ()


READERS = {
    cityscapes.NAME: Reader("Cityscapes", cityscapes.recognizes, cityscapes.read),
    mapillary.NAME: Reader("Mapillary Vistas", mapillary.recognizes, mapillary.read),
    ade20k.NAME: Reader("ADE20K", ade20k.recognizes, ade20k.read),
    supervisely.NAME: Reader("Supervisely", supervisely.recognizes, supervisely.read),
    coco.NAME: Reader("COCO JSON", coco.recognizes, coco.read, (".json",)),
    cvat_xml.NAME: Reader("CVAT for images XML", cvat_xml.recognizes, cvat_xml.read, (".xml",)),
    labelme.NAME: Reader("labelme JSON", labelme.recognizes, labelme.read, (".json",)),
    yolo.NAME: Reader("YOLO segmentation", yolo.recognizes, yolo.read, (".yaml", ".yml")),
    masks.NAME: Reader("images and masks", masks.recognizes, masks.read),
}
"""Forms by name, in the order in which they are tried."""


def reads(form: str, files: Sequence[Path]) -> bool:
    """Returns whether a form can have files with these suffixes that are read alone.

    Example:
        >>> reads("coco", [Path("a.json")]), reads("masks", [Path("a.png")])
        (True, False)
    """
    return all(path.suffix.lower() in READERS[form].files for path in files)


def recognize(folder: Path, files: Sequence[Path] = ()) -> str:
    """Returns the name of the form in a folder.

    Args:
        folder: The folder.
        files: Files below it, if only these are to be read.

    Raises:
        DataError: If there is no folder, or nothing in it is known.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: expected a folder of images and labels.")
    for name, reader in READERS.items():
        if not files and reader.recognizes(folder):
            return name
        if files and reads(name, files) and reader.recognizes(folder, files):
            return name
    if files:
        raise DataError(
            f"{files[0]}: is not a file of labels that is known. Expected JSON of labelme or COCO, XML of "
            "CVAT, data.yaml of YOLO, a zip or tar archive, or a folder."
        )
    raise DataError(
        f"{folder}: holds no labels in a known form. Name it with --format: {', '.join(READERS)}."
    )
