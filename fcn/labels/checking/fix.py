"""Writes a mended copy of a data set: what has one right answer is put right, all else stays."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fcn.classes import VOID, Classes
from fcn.data.class_list import format_class_list, read_class_list
from fcn.data.class_names import CLASS_LIST, find_class_list
from fcn.data.encoded_image import EncodedImage
from fcn.data.image_header import read_image_file
from fcn.data.image_io import Pixels, encode_label, read_label, read_palette
from fcn.data.split_list import IMAGES, LABELS, SPLITS, Example, Finder, read_entries
from fcn.data.voc import check_root, listed, read_classes
from fcn.errors import DataError
from fcn.labels.choices import Palettes
from fcn.system.atomic_folder import atomic_folder
from fcn.system.links import link_or_copy
from fcn.system.parallel import map_on_all_cores
from fcn.system.places import path_below
from fcn.system.progress import track
from fcn.system.text import counted


class Mended(NamedTuple):
    """Differences of a mended copy from the original.

    Attributes:
        changes: How often each kind of mistake was mended.
        linked: Number of files that are hard links, so that they take no further space.
        copied: Number of files that are copies.
    """

    changes: dict[str, int]
    linked: int
    copied: int


class _Written(NamedTuple):
    """A file of the copy: what was mended, and whether it is a hard link."""

    changes: tuple[str, ...]
    is_link: bool


def fix_dataset(
    root: Path, new_root: Path, palettes: Palettes = "keep", configured: str | None = None
) -> Mended:
    """Writes a copy of a data set in which names, lists and palettes are as they should be.

    Mended are: suffixes in capitals; names in lists with a suffix, a folder, backslashes or in another
    spelling than the files; byte order marks and line ends of other systems; `labels.txt` in the form of
    another tool; palettes in which classes cannot be told apart. The folder appears when all of it is
    written. Files that stay the same are hard-linked where the file system can.

    Args:
        root: The data set, which is not changed.
        new_root: The folder to write; may exist if it is empty.
        palettes: "ids": all labels get one palette, and their ids stay. "colors": the ids are those of the
            colors in `labels.txt`, also in labels that store colors. "keep": palettes change only where
            classes cannot be told apart.
        configured: `data.classes` of the configuration: "voc" or None.

    Raises:
        DataError: If the names of the classes are not known, a file is missing or cannot be read, or a label
            has a color that `labels.txt` does not name.
        OutputError: If the folder is in use, cannot be written to or the disk is full.
    """
    check_root(root)
    classes = read_classes(root, configured=configured)
    if palettes == "colors":
        classes = _listed_colors(root, classes)
    finder = Finder(root)
    lists: dict[Path, list[Example]] = {}
    problems = []
    for path in sorted((root / SPLITS).glob("*.txt")):
        lists[path] = []
        for entry in read_entries(path):
            try:
                lists[path].append(finder.find(entry, path))
            except DataError as error:
                problems.append(str(error))
    if problems:
        raise DataError(*listed(problems, "more lines like these"))
    if not lists:
        raise DataError(f"{root / SPLITS}: holds no list of a split, so there is nothing to mend.")
    examples = {example.label_path: example for found in lists.values() for example in found}
    with atomic_folder(new_root.absolute()) as temporary:
        temporary.mkdir()
        changes: Counter[str] = Counter()
        changes.update(_write_lists(root, temporary, lists))
        changes.update(_write_class_list(root, temporary, classes))

        # Several labels in different folders may be of one image.
        images = {example.image_path: example for example in examples.values()}
        tasks = [partial(_write_image, root, temporary, example) for example in images.values()]
        tasks += [
            partial(_write_label, root, temporary, example, classes, palettes)
            for example in examples.values()
        ]
        linked = 0
        written = map_on_all_cores(lambda task: task(), tasks)
        for one in track(written, "writing the data set", len(tasks), lines=True):
            changes.update(one.changes)
            linked += one.is_link
    return Mended(dict(changes), linked, len(tasks) - linked)


def _listed_colors(root: Path, classes: Classes) -> Classes:
    path = find_class_list(root)
    colors = None if path is None else read_class_list(path).colors
    if colors is None:
        raise DataError(
            f"{root / CLASS_LIST}: has no colors, which --palettes colors needs. Write name:r,g,b:: a line."
        )
    if len({*colors}) < len(colors):
        raise DataError(f"{path}: gives two classes the same color. Give each its own.")
    return Classes(classes.names, colors)


def _write_lists(root: Path, new_root: Path, lists: dict[Path, list[Example]]) -> list[str]:
    """Writes the lists in plain form, and returns what was mended."""
    changes = []
    for path, examples in lists.items():
        lines = []
        for example in examples:
            folder = _label_folder(root, example)
            lines.append(example.name if folder == LABELS else f"{example.name}\t{folder}")
        content = "".join(f"{line}\n" for line in lines).encode()
        if content != path.read_bytes():
            changes.append("lists")
        _write(new_root / path.relative_to(root), content)
    return changes


def _label_folder(root: Path, example: Example) -> str:
    depth = len(Path(example.name).parts)
    return Path(*example.label_path.relative_to(root).parts[:-depth]).as_posix()


def _write_class_list(root: Path, new_root: Path, classes: Classes) -> list[str]:
    content = format_class_list(classes.names).encode()
    _write(new_root / CLASS_LIST, content)
    path = find_class_list(root)
    return (
        []
        if path is not None and path.name == CLASS_LIST and path.read_bytes() == content
        else ["labels.txt"]
    )


def _write_image(root: Path, new_root: Path, example: Example) -> _Written:
    suffix = example.image_path.suffix.lower()
    path = path_below(new_root / IMAGES, f"{example.name}{suffix}", str(root))
    changes = ("names of images",) if path.name != example.image_path.name else ()
    path.parent.mkdir(parents=True, exist_ok=True)
    return _Written(changes, link_or_copy(example.image_path, path))


def _write_label(
    root: Path, new_root: Path, example: Example, classes: Classes, palettes: Palettes
) -> _Written:
    folder = path_below(new_root, _label_folder(root, example), str(root))
    path = path_below(folder, f"{example.name}.png", str(root))
    changes = ("names of labels",) if path.name != example.label_path.name else ()
    content = _mended_label(example.label_path, classes, palettes)
    if content is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _Written(changes, link_or_copy(example.label_path, path))
    _write(path, content)
    return _Written((*changes, "palettes"), is_link=False)


def _mended_label(path: Path, classes: Classes, palettes: Palettes) -> bytes | None:
    """Returns the content of a label with another palette or other ids; None if it stays as it is."""
    if palettes == "colors":
        return encode_label(_ids_of_colors(path, classes), classes)
    found = read_palette(path)
    if palettes == "keep" and (found is None or _shows(found, classes)):
        return None
    return encode_label(read_label(path), classes)


def _shows(palette: Pixels, classes: Classes) -> bool:
    """Returns whether a palette is not a ramp of grays, in which each color is only the id."""
    count = min(len(palette), len(classes.names))
    ramp = np.arange(count, dtype=np.uint8)[:, np.newaxis]
    return count > 1 and not bool((palette[:count] == ramp).all())


def _ids_of_colors(path: Path, classes: Classes) -> Pixels:
    """Returns `uint8[H, W]`: the class of each pixel's color; void where a palette has it at 255.

    Raises:
        DataError: If a color is that of no class.
    """
    palette = read_palette(path)
    if palette is not None:
        label = read_label(path)
        rows = np.zeros((256, 3), np.uint8)
        rows[: len(palette)] = palette
        pixels = rows[label]
        void = label == VOID
    else:
        pixels = EncodedImage(read_image_file(path), path).decode_stored()
        void = np.zeros(pixels.shape[:2], bool)
    codes = pixels.astype(np.int64) @ np.array([65536, 256, 1])
    ids = np.full(codes.shape, VOID, np.uint8)
    known = void.copy()
    for class_id, color in enumerate(classes.palette):
        here = codes == color[0] * 65536 + color[1] * 256 + color[2]
        ids[here & ~void] = class_id
        known |= here
    if not known.all():
        red, green, blue = pixels[~known][0].tolist()
        raise DataError(
            f"{path}: {counted(int((~known).sum()), 'pixel has', 'pixels have')} a color that {CLASS_LIST} "
            f"does not name, such as rgb({red}, {green}, {blue}). Add the class, or correct the label."
        )
    return ids


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def describe_mended(mended: Mended) -> Sequence[str]:
    """Returns the lines about what was mended."""
    shown = ", ".join(f"{kind} ({count:,})" for kind, count in sorted(mended.changes.items()))
    return [
        f"Mended: {shown or 'nothing'}. "
        f"{counted(mended.linked, 'file is a hard link', 'files are hard links')} to the original, "
        f"{counted(mended.copied, 'is a copy', 'are copies')}."
    ]
