"""Reads YOLO's `data.yaml`: the names of classes, and the folders or lists of the splits."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fcn.config.bounded_yaml import MAX_BYTES, parse_yaml
from fcn.errors import DataError
from fcn.labels.importing.folders import find_documents, find_files, read_document
from fcn.labels.importing.image_index import ImageIndex
from fcn.labels.importing.split_lists import split_of_folder
from fcn.system.files import unreadable
from fcn.system.places import name_parts
from fcn.system.text import counted

_MOST_FILES = 32
_MAX_NUMBER = 65_536
_SHOWN = 80

Parts = tuple[str, ...]


class DataFile(NamedTuple):
    """Content of `data.yaml`.

    Attributes:
        names: Name of each class, by number; empty without a file.
        splits: Split of the images that the file puts in one; None of those that it puts in several.
        notes: Sentences for people.
    """

    names: dict[int, str]
    splits: dict[Path, str | None]
    notes: tuple[str, ...]


def read_data_file(folder: Path, index: ImageIndex, chosen: Sequence[Path] = ()) -> DataFile:
    """Returns what the file `data.yaml`, or another YAML with names of classes, says of a folder.

    Args:
        folder: The folder.
        index: The images below it.
        chosen: The file, if the user gave one.

    Raises:
        DataError: If it is damaged.
    """
    texts = find_documents(folder, (".yaml", ".yml"), chosen)
    texts.sort(key=lambda path: (len(path.parts), path.name != "data.yaml"))
    for path in texts[:_MOST_FILES]:
        document = _parse(path)
        if isinstance(document, dict) and "names" in document:
            splits, notes = _read_splits(folder, path, document, index)
            return DataFile(_read_names(path, document["names"]), splits, tuple(notes))
    return DataFile({}, {}, ())


def _parse(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        return parse_yaml(data) if b"names" in data else None
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: {unreadable(error)}") from error


def _read_names(path: Path, names: object) -> dict[int, str]:
    listed = names if isinstance(names, list) else []
    pairs: Iterable[tuple[Any, Any]] = names.items() if isinstance(names, dict) else enumerate(listed)
    found: dict[int, str] = {}
    for key, name in pairs:
        text = str(key)
        if not (text.isascii() and text.isdecimal() and len(text) < 8 and int(text) < _MAX_NUMBER):
            raise DataError(f"{path}: names: expected numbers of classes. Received: {ascii(key)[:_SHOWN]}.")
        if not isinstance(name, str | int | float) or not str(name).strip():
            raise DataError(f"{path}: names: expected a name for class {text}. Write it in quotes.")
        found[int(text)] = str(name).strip()
    if not found:
        raise DataError(f"{path}: names: expected a list of the names of classes.")
    return found


def _read_splits(
    folder: Path, path: Path, document: Mapping[Any, Any], index: ImageIndex
) -> tuple[dict[Path, str | None], list[str]]:
    base = document.get("path")
    base_parts = name_parts(base) if isinstance(base, str) else ()
    here = name_parts(path.parent.relative_to(folder).as_posix())
    folders = _images_by_folder(folder, index)
    lists = {name_parts(one.relative_to(folder).as_posix()): one for one in find_files(folder, (".txt",))}
    found: dict[Path, list[str]] = defaultdict(list)
    notes: list[str] = []
    for key, value in document.items():
        split = split_of_folder(f"{key}/") if isinstance(key, str) else None
        if split is None or not value:
            continue
        for entry in value if isinstance(value, list) else [value]:
            if not isinstance(entry, str):
                raise DataError(f"{path}: {key}: expected folders or lists of images.")
            candidates = _candidates(entry, base_parts, here, split)
            place = next((one for one in candidates if one in folders or one in lists), None)
            if place is None:
                notes.append(f"{path.name} names {entry[:_SHOWN]!r} for {split}, which is not below {folder}")
                continue
            images = folders[place] if place in folders else _read_list(lists[place], index, split, notes)
            for image in images:
                found[image].append(split)
    several = {image for image, splits in found.items() if "train" in splits and len(set(splits)) > 1}
    if several:
        notes.append(
            f"{path.name} uses {counted(len(several), 'image')} both to train and to validate or test"
        )
    return {image: None if image in several else splits[0] for image, splits in found.items()}, notes


def _candidates(entry: str, base: Parts, here: Parts, split: str) -> list[Parts]:
    """Returns where an entry may be, the likeliest first: paths of other machines are cut from the left.

    Example:
        >>> _candidates("/content/rooms/train/images", (), (), "train")[1:]
        [('rooms', 'train', 'images'), ('train', 'images')]
    """
    parts = name_parts(entry)
    whole = base + parts
    ends = [whole[start:] for start in range(len(base) + 1)]
    ends += [
        parts[start:]
        for start in range(1, len(parts))
        if len(parts) - start > 1 or split_of_folder(f"{Path(parts[-1]).stem}/") == split
    ]
    return [here + end for end in ends] + (ends if here else [])


def _images_by_folder(folder: Path, index: ImageIndex) -> dict[Parts, list[Path]]:
    found: dict[Parts, list[Path]] = defaultdict(list)
    for image in index.images:
        parts = name_parts(image.relative_to(folder).as_posix())
        for length in range(len(parts)):
            found[parts[:length]].append(image)
    return dict(found)


def _read_list(path: Path, index: ImageIndex, split: str, notes: list[str]) -> list[Path]:
    lines = [line.strip() for line in read_document(path).splitlines() if line.strip()]
    images = [index.find(line, path, split) for line in lines]
    missing = [line for line, image in zip(lines, images, strict=True) if image is None]
    if missing:
        notes.append(
            f"{path.name} names {counted(len(missing), 'image that is', 'images that are')} not there, such "
            f"as {missing[0][:_SHOWN]!r}"
        )
    return [image for image in images if image is not None]
