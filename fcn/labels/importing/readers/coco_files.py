"""Finds the files of COCO with segmentations, and tells them from the other forms of COCO."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fcn.errors import DataError
from fcn.labels.importing.folders import find_documents, read_json
from fcn.labels.importing.split_lists import split_of_folder
from fcn.system.files import unreadable

_LISTS = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[')
_LOOKED_AT = 1 << 16
_MOST_LOOKED_AT = 64

_REFUSALS = {
    "panoptic": "is COCO's panoptic form, with labels in PNGs. Export instances: JSON with segmentation.",
    "keypoints": "has keypoints and no segmentation. Points have no area. Export polygons or masks.",
    "captions": "has captions and no segmentation. Expected instances, such as instances_train2017.json.",
    "boxes": "has boxes and no segmentation. A box is not the area of an object. Export polygons or masks.",
    "images": "has images and no annotations. Expected instances, such as instances_train2017.json.",
    "": "has no lists of images, annotations and categories, as COCO has.",
}


class CocoFile(NamedTuple):
    """A file of COCO.

    Attributes:
        path: Where it is.
        document: What it holds.
        split: The split that its name gives; None if it gives none.
    """

    path: Path
    document: dict[str, Any]
    split: str | None


def recognizes(folder: Path, chosen: Sequence[Path] = ()) -> bool:
    """Returns whether a folder holds JSON of COCO; the beginning and the end of files decide."""
    return any(_looks_right(path) for path in find_documents(folder, (".json",), chosen)[:_MOST_LOOKED_AT])


def _looks_right(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(_LOOKED_AT)
            file.seek(max(len(start), path.stat().st_size - _LOOKED_AT))
            return len(set(_LISTS.findall(start + b" " + file.read(_LOOKED_AT)))) > 1
    except OSError as error:
        raise DataError(f"{path}: {unreadable(error)}") from error


def find_files(folder: Path, chosen: Sequence[Path]) -> tuple[list[CocoFile], list[str]]:
    """Returns the files with segmentations below a folder, and sentences about others.

    Raises:
        DataError: If there are none.
    """
    files: list[CocoFile] = []
    others: list[tuple[Path, str]] = []
    for path in find_documents(folder, (".json",), chosen):
        if not _looks_right(path):
            continue
        document = read_json(path)
        kind = _kind(document)
        if kind == "instances":
            files.append(CocoFile(path, document, _split(folder, path)))
        else:
            others.append((path, kind))
    if not files:
        path, kind = others[0] if others else (folder, "")
        raise DataError(f"{path}: {_REFUSALS[kind]}")
    plain = [file for file in files if not _has_keypoints(file.document)]
    if plain:
        others += [(file.path, "keypoints") for file in files if _has_keypoints(file.document)]
        files = plain
    shown = [f"{path} has {kind} and was left out" for path, kind in others if kind]
    return files, shown


def _kind(document: object) -> str:
    """Returns the kind of a file: "instances", or a key of `_REFUSALS`."""
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        return ""
    annotations = document.get("annotations")
    if annotations is None:
        return "images"
    if not isinstance(annotations, list):
        return ""
    keys = {key for one in annotations if isinstance(one, dict) for key in one}
    if "segments_info" in keys:
        return "panoptic"
    if "caption" in keys:
        return "captions"
    if not isinstance(document.get("categories"), list):
        return ""
    if not annotations or any(
        isinstance(one, dict) and has_shape(one.get("segmentation")) for one in annotations
    ):
        return "instances"
    return "keypoints" if "keypoints" in keys else "boxes"


def has_shape(segmentation: object) -> bool:
    """Returns whether an annotation has a segmentation that is not empty."""
    return isinstance(segmentation, dict) or (isinstance(segmentation, list) and any(segmentation))


def _has_keypoints(document: Mapping[str, Any]) -> bool:
    return any(isinstance(one, dict) and "keypoints" in one for one in document["categories"])


def _split(folder: Path, path: Path) -> str | None:
    """Returns the split that the name of a file, or else its folder, gives."""
    for word in re.split(r"[^a-z0-9]+", path.stem.lower()):
        found = split_of_folder(f"{word}/")
        if found is not None:
            return found
    return split_of_folder(path.relative_to(folder).as_posix())
