"""Finds and reads the files of a source, bounded: names, links, sizes and nesting."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fcn.data.image_forms import FURTHER_SUFFIXES, IMAGE_SUFFIXES
from fcn.errors import DataError
from fcn.system.files import unreadable
from fcn.system.json_files import parse_json

MAX_DOCUMENT_BYTES = 1 << 29
"""Largest JSON, XML or text file of a source: the annotations of the 118,000 images of COCO have 0.45 GB."""

_MAX_FILES = 2_000_000


def find_files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Returns the files below a folder with one of these suffixes, in any case, sorted.

    Hidden files and folders are left out; links to folders are not followed.

    Raises:
        DataError: If a folder cannot be read.
    """
    found: list[Path] = []
    for path in _walk(folder):
        if path.suffix.lower() in suffixes:
            found.append(path)
            if len(found) > _MAX_FILES:
                raise DataError(f"{folder}: holds more than {_MAX_FILES:,} files. Give a folder below it.")
    return sorted(found)


def leave_out_further_forms(paths: Sequence[Path]) -> list[Path]:
    """Returns paths without images such as GIF or HEIC beside a JPEG, PNG or the like of the same name."""
    further = [path for path in paths if path.suffix.lower() in FURTHER_SUFFIXES]
    if not further:
        return [*paths]
    usual = IMAGE_SUFFIXES - FURTHER_SUFFIXES
    first = {path.with_suffix("") for path in paths if path.suffix.lower() in usual}
    others = {path for path in further if path.with_suffix("") in first}
    return [path for path in paths if path not in others]


def find_documents(folder: Path, suffixes: Sequence[str], chosen: Sequence[Path]) -> list[Path]:
    """Returns the files below a folder with one of these suffixes, or those of them that the user chose.

    Raises:
        DataError: If a folder cannot be read.
    """
    if not chosen:
        return find_files(folder, suffixes)
    return [path for path in chosen if path.suffix.lower() in suffixes]


def find_images(folder: Path) -> list[Path]:
    """Returns the image files below a folder, as `find_files`, of several forms of one name the usual one."""
    return leave_out_further_forms(find_files(folder, tuple(IMAGE_SUFFIXES)))


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: {unreadable(error)}") from error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if not name.startswith("."):
                yield Path(parent, name)


def name_below(folder: Path, path: Path) -> str:
    """Returns the path of a file relative to a folder, without its suffix.

    Example:
        >>> name_below(Path("a"), Path("a/b/c.d.jpg"))
        'b/c.d'
    """
    return path.relative_to(folder).with_suffix("").as_posix()


def read_document(path: Path) -> str:
    """Returns the text of a file, without a mark of its encoding.

    Raises:
        DataError: If it cannot be read, is too large, or is not UTF-8.
    """
    try:
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            size = path.stat().st_size
            raise DataError(f"{path}: expected at most {MAX_DOCUMENT_BYTES:,} bytes. Received: {size:,}.")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text. Save it as UTF-8.") from error
    except OSError as error:
        raise DataError(f"{path}: {unreadable(error)}") from error


def read_json(path: Path) -> Any:
    """Returns the content of a JSON file.

    Raises:
        DataError: If it cannot be read or is damaged.
    """
    try:
        return parse_json(read_document(path))
    except ValueError as error:
        raise DataError(f"{path}: is not JSON ({error}). Save it again with its own tool.") from error
