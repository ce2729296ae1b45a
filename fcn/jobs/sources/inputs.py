"""The inputs of a job: files, folders, URLs, and lists of them."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path, PurePath

from fcn.errors import DataError
from fcn.jobs.sources.links import is_url, path_of_url, shown_place, stable_link
from fcn.jobs.sources.path_list import PathList
from fcn.jobs.sources.remote import find_remote, is_named_as_image, is_single_image
from fcn.jobs.sources.search import (
    FORMATS,
    FoundImage,
    Unusable,
    describe_others,
    find_images,
    find_problem,
    search,
)
from fcn.system.parallel import map_ahead

Input = Path | str | PathList
"""A file or folder, a URL (as `str`), or a list."""


def find_all(
    inputs: Sequence[Input],
    output: Path,
    others: Counter[str] | None = None,
    is_known: Callable[[str], bool] = lambda _: False,
) -> Iterator[FoundImage | Unusable]:
    """Finds the images and videos of all inputs.

    The labels of images in a list go to the images' own folders, relative to the current folder for relative
    paths and to the root for others, so names in a list may repeat.

    Args:
        inputs: What to search.
        output: A folder that is never searched.
        others: Counts the files in folders that are neither images nor videos, by suffix.
        is_known: Returns whether a link in a list is known to be an image, perhaps signed otherwise.

    Yields:
        The images, and entries that cannot be used, including missing files of a list.

    Raises:
        DataError: If an input other than an entry of a list is missing, unreadable or inside `output`, or if
            there are no images.
    """
    unusable: list[Unusable] = []  # the first few, for a message
    any_image = False
    others = Counter() if others is None else others
    for found in _find(inputs, output, others, is_known):
        any_image = any_image or isinstance(found, FoundImage)
        if isinstance(found, Unusable) and len(unusable) < 20:
            unusable.append(found)
        yield found
    if not any_image:
        reasons = [f"{shown_place(path)}: {reason}" for path, reason in dict.fromkeys(unusable)]
        places = ", ".join(
            "the list" if isinstance(given, PathList) else shown_place(str(given)) for given in inputs
        )
        verb = "is" if others.total() == 1 else "are"
        there = f" There {verb} {describe_others(others)}." if others else ""
        nothing = f"{places}: no images found. Expected {FORMATS}, at any depth.{there}"
        raise DataError(*(reasons or [nothing]))


def _find(
    inputs: Sequence[Input], output: Path, others: Counter[str], is_known: Callable[[str], bool]
) -> Iterator[FoundImage | Unusable]:
    yield from find_images([given for given in inputs if isinstance(given, Path)], output, others)
    for url in sorted(given for given in inputs if isinstance(given, str)):
        yield from find_remote(url, others=others)
    visited: set[str] = set()
    for given in inputs:
        if isinstance(given, PathList):
            for entry, judged in _judge(given.entries(), is_known):
                yield from _find_entry(entry, judged, output, visited, others)


def _judge(
    entries: Iterable[str], is_known: Callable[[str], bool]
) -> Iterator[tuple[str, bool | Exception | None]]:
    """Yields each entry of a list, and whether it is a link to a single image.

    Servers are asked about several links at once. None is for what no server is asked about, an exception for
    what cannot be used.
    """
    for is_asked, some in groupby(entries, lambda entry: _is_unclear(entry) and not is_known(entry)):
        if is_asked:
            yield from map_ahead(_ask, some, workers=8, ahead=64)
        else:
            yield from ((entry, True if _is_unclear(entry) else None) for entry in some)


def _is_unclear(entry: str) -> bool:
    try:
        return is_url(entry) and "\0" not in entry and not is_named_as_image(entry)
    except ValueError:  # not a valid URL, which is said later
        return False


def _ask(entry: str) -> tuple[str, bool | Exception | None]:
    try:
        return entry, is_single_image(entry)
    except (DataError, ValueError) as error:
        return entry, error


def _find_entry(
    entry: str, judged: bool | Exception | None, output: Path, visited: set[str], others: Counter[str]
) -> Iterator[FoundImage | Unusable]:
    try:
        if isinstance(judged, Exception):
            raise judged
        if "\0" in entry:
            yield Unusable(entry, "has a NUL in it. If the list has a NUL after each entry, add --null.")
            return
        if is_url(entry):
            folder = os.path.dirname(path_of_url(entry))
            yield from find_remote(entry, folder, others=others, is_image=judged)
            return
        path = Path(entry)
        reason = find_problem(path, output)
        if reason:
            yield Unusable(entry, reason)
            return
        normal = os.path.normpath(entry)
        if normal.startswith(os.pardir):
            normal = os.path.abspath(normal)
        place = os.path.splitdrive(normal)[1].lstrip(os.sep)
        folder = place if path.is_dir() else os.path.dirname(place)
        yield from search(path, output, visited, others, "" if folder == os.curdir else folder)
    except (DataError, ValueError) as error:  # not a valid URL
        yield Unusable(entry, str(error).removeprefix(f"{shown_place(entry)}: "))


def list_folders(inputs: Sequence[Input]) -> list[str]:
    """Returns the folders and folder-like URLs among inputs, resolved and sorted.

    These must not change when a job is resumed; files and lists may.

    Example:
        >>> list_folders([Path("/"), Path("/no/such/file.jpg")])
        ['/']
    """
    folders = [os.path.realpath(given) for given in inputs if isinstance(given, Path) and given.is_dir()]
    urls = [stable_link(given) for given in inputs if isinstance(given, str) and _is_folder_url(given)]
    return sorted({*folders, *urls})


def _is_folder_url(url: str) -> bool:
    return not PurePath(path_of_url(url)).suffix and not is_single_image(url)
