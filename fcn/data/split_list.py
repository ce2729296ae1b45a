"""Lists of a split: the names in them, and the image and label that each name means.

A name is taken as it is if there are such files. Only if not, it is read as other systems and tools spell
it: with a suffix, a folder or backslashes, in other letter case, or with other code points for the same
letters.
"""

import bisect
import difflib
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fcn.config.sections import LabelOrientation
from fcn.data.image_forms import FURTHER_SUFFIXES, IMAGE_SUFFIXES
from fcn.data.image_io import read_file
from fcn.data.pillow_decoding import MOST_BITS
from fcn.errors import DataError
from fcn.system.files import is_there
from fcn.system.places import path_below

IMAGES = "JPEGImages"
LABELS = "SegmentationClass"
SPLITS = "ImageSets/Segmentation"

# VOC's own first, then any other a camera may write. Further ones come last: a data set may hold such files
# beside the images that its lists mean.
_FIRST_SUFFIXES = IMAGE_SUFFIXES - FURTHER_SUFFIXES
_SUFFIXES = (
    *(".jpg", *sorted(_FIRST_SUFFIXES - {".jpg"}), *sorted(suffix.upper() for suffix in _FIRST_SUFFIXES)),
)
_LAST_SUFFIXES = (*sorted(FURTHER_SUFFIXES), *sorted(suffix.upper() for suffix in FURTHER_SUFFIXES))
# "/JPEGImages/a.jpg /SegmentationClass/a.png", as in the lists of several published nets.
_PAIR = re.compile(rf"/?(?:\S*/)?{IMAGES}/(?P<image>\S+)\s+/?(?P<labels>\S+)/(?P<label>[^/\s]+)")
_IN_IMAGES = re.compile(rf"/?(?:.*/)?{IMAGES}/(?P<name>.+)")
_VOC_NAME = re.compile(r"(2005|2006|2007|2008|2009|2010|2011|2012)_00\d{4}")
_CLASS_LIST_LINE = re.compile(r"(?P<name>.*\S)\s+(-1|0|1)")
# Closeness of names, as difflib measures it.
_SIMILAR = 0.8
_MOST_HINTS, _COMPARED = 20, 1000


class Entry(NamedTuple):
    """A line of a list.

    Attributes:
        name: Name of the image.
        labels: Folder of its label.
    """

    name: str
    labels: str


class Example(NamedTuple):
    """An image and its label, by path.

    Attributes:
        name: Its name in the list of the split.
        image_path: The image.
        label_path: The label.
        label_orientation: Whether the label is of the upright image, or of its pixels as they are stored.
        bits: How many bits the values of the image use, if it has 16 bits a channel.
    """

    name: str
    image_path: Path
    label_path: Path
    label_orientation: LabelOrientation = "upright"
    bits: int = MOST_BITS


def read_lines(path: Path) -> list[str]:
    """Returns the lines of a list that any editor may have written, without empty ones.

    Raises:
        DataError: If the file cannot be read or is not text.
    """
    try:
        text = read_file(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text. Save it as UTF-8.") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_entries(path: Path) -> list[Entry]:
    """Returns an entry for each line of a list.

    Raises:
        DataError: If the file cannot be read or is not text.
    """
    entries = []
    for line in read_lines(path):
        name, _, labels = line.partition("\t")
        if _suffix(labels.strip()) in IMAGE_SUFFIXES:  # a label, not its folder
            name, labels = f"{name} {labels}", ""
        entries.append(Entry(name.strip(), labels.strip() or LABELS))
    return entries


def is_voc_name(name: str) -> bool:
    """Returns whether an image is named as those of Pascal VOC are.

    Example:
        >>> is_voc_name("2007_000032"), is_voc_name("2022_1089"), is_voc_name("2022_000001")
        (True, False, False)
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    return _VOC_NAME.fullmatch(_without_suffix(last)) is not None


class Finder:
    """The images and labels of a data set, found by the names in its lists.

    Args:
        root: The folder that holds `JPEGImages`.
        label_orientation: What the labels are of.
    """

    def __init__(self, root: Path, label_orientation: LabelOrientation = "upright") -> None:
        self.root, self._label_orientation = root, label_orientation
        self._folders: dict[Path, dict[str, list[str]]] = {}
        self._hints = _MOST_HINTS

    def find(self, entry: Entry, list_path: Path) -> Example:
        """Returns the image and the label that a line of a list means.

        Args:
            entry: The line.
            list_path: The list, for the error.

        Raises:
            DataError: If one is missing, or several files fit.
            PlaceError: If the name leads out of the data set.
        """
        forms = list(_forms(entry))
        image = next((found for form in forms if (found := self._find_image(form, list_path))), None)
        if image is None:
            raise self._missing_image(entry, forms[-1], list_path)
        form, image_path = image
        for stem in dict.fromkeys((form.name, _relative_stem(self.root / IMAGES, image_path))):
            if label_path := self._find_label(Entry(stem, form.labels), list_path):
                is_exact = image_path.stem == form.name.rpartition("/")[2]
                name = form.name if is_exact else _relative_stem(self.root / IMAGES, image_path)
                return Example(name, image_path, label_path, self._label_orientation)
        raise self._missing_label(form, list_path)

    def _find_image(self, entry: Entry, list_path: Path) -> tuple[Entry, Path] | None:
        """Returns the image of a name, and the name as it fits it."""
        bare = Entry(_without_suffix(entry.name), entry.labels)
        for suffixes in (_SUFFIXES, _LAST_SUFFIXES):
            for suffix in suffixes:
                path = path_below(self.root / IMAGES, f"{entry.name}{suffix}", str(list_path))
                if is_there(path):
                    return entry, path
            path = path_below(self.root / IMAGES, entry.name, str(list_path))
            if _suffix(path.name) in IMAGE_SUFFIXES and is_there(path):
                return bare, path
            for one in (entry, bare) if bare != entry else (entry,):
                path = path_below(self.root / IMAGES, one.name, str(list_path))
                spellings = self._spellings(path.parent, path.name)
                names = [name for name in spellings if _suffix(name) in suffixes]
                if names:
                    return one, _only(path.parent, names, entry.name, list_path)
        return None

    def _find_label(self, entry: Entry, list_path: Path) -> Path | None:
        folder = path_below(self.root, entry.labels, str(list_path))
        path = path_below(folder, f"{entry.name}.png", str(list_path))
        if is_there(path):
            return path
        spellings = self._spellings(path.parent, path.stem)
        names = [name for name in spellings if name.lower().endswith(".png")]
        return _only(path.parent, names, entry.name, list_path) if names else None

    def _spellings(self, folder: Path, stem: str) -> list[str]:
        """Returns the files in a folder whose names without suffix are spelled like `stem` elsewhere."""
        return self._names(folder).get(_key(stem), [])

    def _names(self, folder: Path) -> dict[str, list[str]]:
        """Returns the files in a folder by their names without suffix, in the spelling that all share."""
        if folder not in self._folders:
            found: dict[str, list[str]] = defaultdict(list)
            try:
                with os.scandir(folder) as entries:
                    for name in sorted(entry.name for entry in entries):
                        found[_key(os.path.splitext(name)[0])].append(name)
            except OSError:  # it is not there, or cannot be one
                pass
            self._folders[folder] = dict(found)
        return self._folders[folder]

    def _missing_image(self, entry: Entry, form: Entry, list_path: Path) -> DataError:
        expected = f"{self.root / IMAGES / form.name}.jpg"
        if (column := _CLASS_LIST_LINE.fullmatch(entry.name)) and self._find_image(
            Entry(column["name"], entry.labels), list_path
        ):
            return DataError(
                f"{list_path}: names {entry.name!r}, a line of VOC's lists of a class. Expected the name "
                f"alone: {column['name']!r}. Leave out the number, and the images that you do not want."
            )
        hint = self._nearest(self.root / IMAGES / form.name)
        return DataError(
            f"{expected}: is missing, but {list_path} names it. "
            f"{hint}Restore the image or take it out of the list."
        )

    def _missing_label(self, entry: Entry, list_path: Path) -> DataError:
        folder = self.root / entry.labels
        expected = folder / f"{entry.name}.png"
        hint = self._nearest(folder / entry.name)
        if not is_there(folder):
            others = (path for path in sorted(self.root.glob(f"{LABELS}*")) if path.is_dir())
            near = next((path for path in others if is_there(path / f"{entry.name}.png")), None)
            hint = f"{near} has it: rename that folder to {entry.labels}. " if near else hint
        return DataError(
            f"{expected}: is missing, but {list_path} names it. "
            f"{hint}Restore the label or take it out of the list."
        )

    def _nearest(self, path: Path) -> str:
        """Returns a sentence about the file that is named most like a missing one, or about any; or nothing.

        Only the first missing files get one, and names that begin alike are compared: else a long list with
        wrong names would take minutes.
        """
        self._hints -= 1
        if self._hints < 0:
            return ""
        known = sorted(
            (os.path.splitext(name)[0], name) for names in self._names(path.parent).values() for name in names
        )
        place = bisect.bisect(known, (path.name,))
        stems = dict(known[max(0, place - _COMPARED) : place + _COMPARED])
        close = difflib.get_close_matches(path.name, stems, n=1, cutoff=_SIMILAR)
        if close:
            return f"The nearest file there is {stems[close[0]]!r}. "
        return f"Expected a name such as {known[0][0]!r}. " if known else ""


def _forms(entry: Entry) -> Iterator[Entry]:
    """Yields the entry as it is, then without what other tools write into their lists.

    A place in `JPEGImages` may begin with a slash, which means the data set there. It is never an absolute
    path.
    """
    name = entry.name
    slashed = name.replace("\\", "/")
    inside = _IN_IMAGES.fullmatch(slashed)
    if not (inside and name.startswith("/")):
        yield entry
    if pair := _PAIR.fullmatch(slashed):
        image, label = _without_suffix(pair["image"]), _without_suffix(pair["label"])
        if image.rpartition("/")[2] == label:
            yield Entry(image, pair["labels"].rpartition("/")[2])
    if inside:
        yield Entry(inside["name"], entry.labels)
    elif slashed != name:
        yield Entry(slashed, entry.labels)


def _without_suffix(name: str) -> str:
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in IMAGE_SUFFIXES else name


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _key(stem: str) -> str:
    """Returns what all spellings of a name have in common: case, composition of letters, spaces around."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", stem).casefold()).strip()


def _only(folder: Path, names: list[str], name: str, list_path: Path) -> Path:
    if len(names) > 1:
        shown = ", ".join(map(repr, names[:5]))
        raise DataError(
            f"{folder}: several files fit {name!r} of {list_path}: {shown}. Write the name in the list as "
            "that of one of these, or remove the others."
        )
    return folder / names[0]


def _relative_stem(folder: Path, path: Path) -> str:
    return os.path.splitext(path.relative_to(folder).as_posix())[0]
