"""The inputs of a job: files, folders, URLs, and lists of them."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import BinaryIO, NamedTuple

from fcn.errors import DataError
from fcn.jobs.sources.remote import find_remote, is_url, path_of_url
from fcn.jobs.sources.search import (
    FORMATS,
    FoundImage,
    Unusable,
    describe_others,
    find_images,
    find_problem,
    search,
)

_BLOCK = 1 << 16


class PathList(NamedTuple):
    """A list of files, folders and URLs, read once, a part at a time.

    Attributes:
        stream: The file to read.
        separator: Separates two entries: a newline, or a NUL if names may contain newlines.
    """

    stream: BinaryIO
    separator: bytes = b"\n"

    def entries(self) -> Iterator[str]:
        """Yields the entries that are not empty."""
        rest = b""
        while block := self.stream.read(_BLOCK):
            *parts, rest = (rest + block).split(self.separator)
            yield from (os.fsdecode(part) for part in parts if part)
        if rest:
            yield os.fsdecode(rest)


Input = Path | str | PathList
"""A file or folder, a URL (as `str`), or a list."""


def find_all(
    inputs: Sequence[Input], output: Path, others: Counter[str] | None = None
) -> Iterator[FoundImage | Unusable]:
    """Finds the images and videos of all inputs.

    The labels of images in a list go to the images' own folders, relative to the current folder for relative
    paths and to the root for others, so names in a list may repeat.

    Args:
        inputs: What to search.
        output: A folder that is never searched.
        others: Counts the files in folders that are neither images nor videos, by suffix.

    Yields:
        The images, and entries that cannot be used, including missing files of a list.

    Raises:
        DataError: If an input other than an entry of a list is missing, unreadable or inside `output`, or if
            there are no images.
    """
    unusable: list[Unusable] = []  # the first few, for a message
    any_image = False
    others = Counter() if others is None else others
    for found in _find(inputs, output, others):
        any_image = any_image or isinstance(found, FoundImage)
        if isinstance(found, Unusable) and len(unusable) < 20:
            unusable.append(found)
        yield found
    if not any_image:
        reasons = [f"{path}: {reason}" for path, reason in dict.fromkeys(unusable)]
        places = ", ".join("the list" if isinstance(given, PathList) else str(given) for given in inputs)
        there = f" There are {describe_others(others)}." if others else ""
        nothing = f"{places}: no images found. Expected {FORMATS}, at any depth.{there}"
        raise DataError(*(reasons or [nothing]))


def _find(inputs: Sequence[Input], output: Path, others: Counter[str]) -> Iterator[FoundImage | Unusable]:
    yield from find_images([given for given in inputs if isinstance(given, Path)], output, others)
    for url in sorted(given for given in inputs if isinstance(given, str)):
        yield from find_remote(url, others=others)
    visited: set[str] = set()
    for given in inputs:
        if isinstance(given, PathList):
            for entry in given.entries():
                yield from _find_entry(entry, output, visited, others)


def _find_entry(
    entry: str, output: Path, visited: set[str], others: Counter[str]
) -> Iterator[FoundImage | Unusable]:
    try:
        if is_url(entry):
            yield from find_remote(entry, os.path.dirname(path_of_url(entry)), others=others)
            return
        path = Path(entry)
        reason = find_problem(path, output)
        if reason:
            yield Unusable(entry, reason)
            return
        normal = os.path.normpath(entry)
        if normal.startswith(os.pardir):
            normal = os.path.abspath(normal)
        place = normal.lstrip(os.sep)
        folder = place if path.is_dir() else os.path.dirname(place)
        yield from search(path, output, visited, others, "" if folder == os.curdir else folder)
    except (DataError, ValueError) as error:  # a NUL in a path
        yield Unusable(entry, str(error).removeprefix(f"{entry}: "))


def list_folders(inputs: Sequence[Input]) -> list[str]:
    """Returns the folders and folder-like URLs among inputs, resolved and sorted.

    These must not change when a job is resumed; files and lists may.

    Example:
        >>> list_folders([Path("/"), Path("/no/such/file.jpg")])
        ['/']
    """
    folders = [os.path.realpath(given) for given in inputs if isinstance(given, Path) and given.is_dir()]
    urls = [given for given in inputs if isinstance(given, str) and not _is_file_url(given)]
    return sorted({*folders, *urls})


def _is_file_url(url: str) -> bool:
    return bool(PurePath(path_of_url(url)).suffix)
