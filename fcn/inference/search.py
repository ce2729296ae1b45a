"""What there is to label in files and folders, and what each label is called."""

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple, TypeVar

from fcn.data.image_header import IMAGE_FORMATS, IMAGE_SUFFIXES
from fcn.errors import DataError

_FORMATS = f"{IMAGE_FORMATS} ({', '.join(sorted(IMAGE_SUFFIXES))})"
_PERMISSIONS = "Change its permissions, or leave it out."

Failures = list[tuple[Path, str]]
"""Paths that cannot be used, and why; the reason does not repeat the path."""

_Path = TypeVar("_Path", bound=PurePath)


class FoundImage(NamedTuple):
    """An image to label.

    Attributes:
        path: Where it is.
        folder: Its folder relative to the input folder it was found in; `.` for an image given as a file.
    """

    path: Path
    folder: PurePath


def find_images(inputs: Sequence[Path], output: Path) -> tuple[list[FoundImage], Failures]:
    """Finds what there is to label, each file once, in an order that does not depend on that of `inputs`.

    A folder that can be reached in several ways, through links or because one input lies in another, is
    searched once: as part of the outermost input, and by its own name rather than through a link.

    Args:
        inputs: Files and folders.
        output: A folder that is never searched.

    Returns:
        The images, and what else was asked for but cannot be used, with reasons.

    Raises:
        DataError: If an input is missing, unreadable or inside `output`, or if there are no images.
    """
    images: dict[str, FoundImage] = {}
    failed: Failures = []
    visited: set[str] = set()
    for path in sorted(inputs, key=lambda path: (os.path.realpath(path), str(path))):
        _check_input(path, output)
        if path.is_dir():
            found = _walk(path, output, visited, failed)
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            found = iter([FoundImage(path, PurePath())])
        else:
            failed.append((path, f"expected {_FORMATS} by its suffix. Convert the file, or leave it out."))
            continue
        for image in found:
            # The last part is not resolved: two links to one photograph are two images with two names.
            key = os.path.join(os.path.realpath(image.path.parent), image.path.name)
            images.setdefault(key, image)
    if not images:
        reasons = "\n".join(f"{path}: {reason}" for path, reason in dict(failed).items())
        places = ", ".join(str(path) for path in inputs)
        raise DataError(reasons or f"{places}: no images found. Expected {_FORMATS}, at any depth.")
    return sorted(images.values(), key=lambda image: (image.folder, image.path)), list(dict(failed).items())


def name_labels(images: Sequence[FoundImage]) -> list[PurePath]:
    """Chooses the names of the labels: `FOLDER/STEM.png`, and on a clash `FOLDER/NAME.EXT.png` for all in it.

    Neither the order of the images nor what else there is changes the name of one that clashes with nothing.

    Args:
        images: What will be labeled.

    Returns:
        For each image the path of its label, relative to the output folder.

    Raises:
        DataError: If such names cannot all differ, from each other and from the folders.

    Example:
        >>> places = [Path("in/a.jpg"), Path("in/a.png"), Path("in/b.jpg")]
        >>> [str(name) for name in name_labels([FoundImage(path, PurePath("x")) for path in places])]
        ['x/a.jpg.png', 'x/a.png.png', 'x/b.png']
    """
    folders = {parent for image in images for parent in (image.folder, *image.folder.parents)}
    full_names = [image.folder / f"{image.path.name}.png" for image in images]
    names = [image.folder / f"{image.path.stem}.png" for image in images]

    def clashing() -> list[int]:
        counts = Counter(names)
        return [
            index
            for index, name in enumerate(names)
            if counts[name] > 1 or name in folders or overlay_path(name) in folders
        ]

    # The full name of one image can be the short name of another, so again until nothing changes.
    while changed := [index for index in clashing() if names[index] != full_names[index]]:
        for index in changed:
            names[index] = full_names[index]
    for index in clashing():
        paths = sorted(image.path for image, name in zip(images, names, strict=True) if name == names[index])
        places = " and ".join(str(path) for path in paths)
        reason = "" if len(paths) > 1 else ", beside a folder of that name"
        raise DataError(
            f"{places}: would be labeled as {names[index]}{reason}. Label them into separate output folders."
        )
    return names


def overlay_path(label_path: _Path) -> _Path:
    """Returns where the overlay of a label lies: beside it."""
    return label_path.with_suffix(".overlay.jpg")


def _check_input(path: Path, output: Path) -> None:
    if not os.path.exists(path):  # unlike Path.exists, also where the folder above cannot be entered
        raise DataError(f"{path}: no such file or folder can be reached. Check the path and its permissions.")
    if not (path.is_dir() or path.is_file()):
        raise DataError(f"{path}: expected a file or a folder. Received: a device or a pipe.")
    if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        raise DataError(f"{path}: cannot be read (Permission denied). {_PERMISSIONS}")
    if _is_inside(os.path.realpath(path), output):
        raise DataError(
            f"{path}: lies in the output folder {output}, which is never read as input. "
            "Choose an output folder elsewhere."
        )


def _is_inside(resolved: str, folder: Path) -> bool:
    return PurePath(resolved).is_relative_to(os.path.realpath(folder))


def _walk(top: Path, output: Path, visited: set[str], failed: Failures) -> Iterator[FoundImage]:
    """Yields the images below `top`; adds the folders it searched to `visited`, unreadable ones to `failed`.

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
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            reason = f"cannot be read ({error.strerror}). {_PERMISSIONS}"
            if folder == top:
                raise DataError(f"{folder}: {reason}") from error
            failed.append((folder, reason))
            continue
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith("."):
                continue
            if os.path.isdir(path):
                (links if entry.is_symlink() else folders).append(path)
            elif path.suffix.lower() in IMAGE_SUFFIXES and _may_be_image(entry, output):
                yield FoundImage(path, folder.relative_to(top))


def _may_be_image(entry: os.DirEntry[str], output: Path) -> bool:
    """Tells files, and links to nowhere that shall be reported, from pipes and links into the output."""
    if not entry.is_symlink():
        return entry.is_file()
    resolved = os.path.realpath(entry.path)
    return not _is_inside(resolved, output) and (os.path.isfile(resolved) or not os.path.exists(resolved))
