"""Finds images and videos in files and folders."""

import errno
import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from fcn.data.image_forms import IMAGE_FORMATS, IMAGE_SUFFIXES, UNREADABLE_SUFFIXES
from fcn.errors import DataError
from fcn.inference.video_reader import VIDEO_FORMATS, is_video
from fcn.jobs.task import Kind
from fcn.system.files import unreadable

FORMATS = f"{IMAGE_FORMATS} ({', '.join(sorted(IMAGE_SUFFIXES))})"
"""Formats and suffixes of images, in words."""

_SHOWN_KINDS = 5
_EXPECTED = f"{FORMATS}; or {VIDEO_FORMATS} videos"


class FoundImage(NamedTuple):
    """An image, or a video, to label.

    Attributes:
        place: An absolute path with links resolved in all but its last part; of a URL what `stable_link`
            returns. It is the same however the image was found.
        path: Its path or URL as the user wrote it; a URL is read from here.
        folder: Its folder relative to the input folder it was found in; empty for an image given as a file.
    """

    place: str
    path: str
    folder: str

    @property
    def kind(self) -> Kind:
        """Its kind, by its name."""
        return "video" if is_video(self.place) else "image"


class Unusable(NamedTuple):
    """An input that cannot be used.

    Attributes:
        path: Its path or URL as the user wrote it.
        reason: Why it cannot be used; does not repeat the path.
    """

    path: str
    reason: str


def find_images(
    inputs: Sequence[Path], output: Path, others: Counter[str] | None = None
) -> Iterator[FoundImage | Unusable]:
    """Finds images and videos in files and folders.

    A folder that can be reached in several ways, through links or because one input contains another, is
    searched once: as part of the outermost input, and by its own name rather than through a link. A file may
    be yielded several times; the first counts. No list of all files is made.

    Args:
        inputs: Files and folders.
        output: A folder that is never searched.
        others: Counts the other files in folders, by suffix.

    Yields:
        The images and videos, and inputs that cannot be used: also pictures in folders that cannot be
        decoded, such as raw files of cameras.

    Raises:
        DataError: If an input is missing, unreadable or inside `output`.
    """
    visited: set[str] = set()
    others = Counter() if others is None else others
    for path in sorted(inputs, key=lambda path: (os.path.realpath(path), str(path))):
        _check_input(path, output)
        yield from search(path, output, visited, others)


def search(
    path: Path, output: Path, visited: set[str], others: Counter[str], folder: str = ""
) -> Iterator[FoundImage | Unusable]:
    """Yields the images and videos of one file or folder.

    Args:
        path: The file or folder.
        output: A folder that is never searched.
        visited: Folders that are not searched again; searched folders are added.
        others: Counts the other files in a folder, by suffix.
        folder: Prefix of the images' folders.

    Raises:
        DataError: If it is a folder that cannot be read.
    """
    if path.is_dir():
        yield from _walk(path, output, visited, others, folder)
    elif _is_wanted(path.name):
        yield _found(path, folder)
    elif reason := undecodable(path.name):
        yield Unusable(str(path), reason)
    else:
        yield Unusable(
            str(path), f"expected {_EXPECTED}, by its suffix. Convert the file or remove it from the inputs."
        )


def find_problem(path: Path, output: Path) -> str | None:
    """Returns why a file or folder cannot be an input; None if it can."""
    try:
        path.stat()
    except OSError as error:
        return unreadable(error)
    if not (path.is_dir() or path.is_file()):
        return "expected a file or a folder. Received: a device or a pipe."
    if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        return unreadable(PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    if _is_inside(os.path.realpath(path), output):
        return (
            f"is inside the output folder {output}, which is never read as input. "
            "Choose another output folder."
        )
    return None


def _check_input(path: Path, output: Path) -> None:
    reason = find_problem(path, output)
    if reason:
        raise DataError(f"{path}: {reason}")


def _found(path: Path, folder: str) -> FoundImage:
    # The last part is not resolved: two links to one file are two images with two names.
    return FoundImage(os.path.join(os.path.realpath(path.parent), path.name), str(path), folder)


def _is_inside(resolved: str, folder: Path) -> bool:
    return PurePath(resolved).is_relative_to(os.path.realpath(folder))


def _walk(
    top: Path, output: Path, visited: set[str], others: Counter[str], prefix: str
) -> Iterator[FoundImage | Unusable]:
    """Yields the images below `top`, and adds the folders it searched to `visited`.

    Raises:
        DataError: If `top` itself cannot be read.
    """
    folders, links = deque([top]), deque[Path]()
    # Links wait until all real folders are done, so that a folder is known by its own name.
    while folders or links:
        folder = folders.popleft() if folders else links.popleft()
        resolved = os.path.realpath(folder)
        if resolved in visited or _is_inside(resolved, output):
            continue
        visited.add(resolved)
        relative = os.path.join(prefix, os.path.relpath(folder, top)) if folder != top else prefix
        below: list[tuple[str, bool]] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if os.path.isdir(entry.path):
                        below.append((entry.name, entry.is_symlink()))
                    elif _may_be_image(entry, output):
                        path = os.path.join(folder, entry.name)
                        if _is_wanted(entry.name):
                            yield FoundImage(os.path.join(resolved, entry.name), path, relative)
                        elif reason := undecodable(entry.name):
                            yield Unusable(path, reason)
                        else:
                            count_other(entry.name, others)
        except OSError as error:
            reason = unreadable(error)
            if folder == top:
                raise DataError(f"{folder}: {reason}") from error
            yield Unusable(str(folder), reason)
        for name, is_link in sorted(below):
            (links if is_link else folders).append(folder / name)


def undecodable(name: str) -> str | None:
    """Returns why a picture cannot be decoded, by its suffix; None for a file that is not such a picture."""
    return UNREADABLE_SUFFIXES.get(os.path.splitext(name)[1].lower())


def count_other(name: str, others: Counter[str]) -> None:
    """Counts a file that is neither an image nor a video."""
    others[os.path.splitext(name)[1].lower() or "without suffix"] += 1


def describe_others(others: Counter[str]) -> str:
    """Returns how many other files there were, by suffix, the most frequent first.

    Example:
        >>> describe_others(Counter({".json": 12, ".txt": 1}))
        '13 other files (12 .json, 1 .txt)'
    """
    total = others.total()
    kinds = [f"{count} {suffix}" for suffix, count in others.most_common(_SHOWN_KINDS)]
    kinds += ["..."] if len(others) > _SHOWN_KINDS else []
    return f"{total} other {'file' if total == 1 else 'files'} ({', '.join(kinds)})"


def has_image_suffix(name: str) -> bool:
    """Returns whether a name has the suffix of an image."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _is_wanted(name: str) -> bool:
    return has_image_suffix(name) or is_video(name)


def _may_be_image(entry: os.DirEntry[str], output: Path) -> bool:
    """Returns whether an entry is a file or a broken link to report, not a pipe or a link into the output."""
    if not entry.is_symlink():
        return entry.is_file()
    resolved = os.path.realpath(entry.path)
    return not _is_inside(resolved, output) and (os.path.isfile(resolved) or not os.path.exists(resolved))
