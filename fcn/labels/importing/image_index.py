"""Finds the images that a file of another tool names, among those that a folder holds."""

import posixpath
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from fcn.data.image_forms import IMAGE_SUFFIXES
from fcn.errors import DataError, PlaceError
from fcn.labels.importing.folders import find_files, leave_out_further_forms
from fcn.labels.importing.split_lists import split_of_folder
from fcn.system.files import is_there
from fcn.system.places import name_parts, path_below

_SHOWN = 80


class ImageIndex:
    """The images below a folder, by name.

    Names are compared with those of the files that are there, so they lead nowhere else, whatever they are:
    absolute paths of other machines, backslashes, `..`, names without suffix or in another case, and accents
    that another system stores as two characters. Only a name that leads to a file below the root is a path.

    Args:
        root: The folder that holds all of a source.

    Attributes:
        images: The images, sorted, of several forms of one name the usual one.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        files = find_files(root, tuple(IMAGE_SUFFIXES))
        self.images = leave_out_further_forms(files)
        self._by_place: dict[tuple[str, ...], list[Path]] = defaultdict(list)
        for path in files:
            self._by_place[_spelling(path.relative_to(root).as_posix())].append(path)
        self._by_name: dict[str, list[tuple[tuple[str, ...], Path]]] = defaultdict(list)
        self._by_stem: dict[str, list[tuple[tuple[str, ...], Path]]] = defaultdict(list)
        for path in self.images:
            entry = name_parts(path.relative_to(root).as_posix()), path
            last = entry[0][-1].lower()
            self._by_name[last].append(entry)
            self._by_stem[Path(last).stem].append(entry)

    def find(self, name: str, source: Path, split: str | None = None) -> Path | None:
        """Returns the image that a file names; None if there is none.

        Of several with this name, it is the one that shares most folders with the name, then the one beside
        the file, at the top, or in `images` of these, then one below the file, then one in a folder of the
        split.

        Args:
            name: The name.
            source: The file that holds it, below the root.
            split: The split that the file is for.

        Raises:
            DataError: If several images are as good.
        """
        parts = name_parts(name)
        if not parts:
            return None
        last = parts[-1].lower()
        found = self._by_name.get(last) or self._by_stem.get(last, [])
        if len(found) < 2:
            return found[0][1] if found else None
        folder = name_parts(source.parent.relative_to(self._root).as_posix())
        starts: tuple[tuple[str, ...], ...] = (folder, (*folder, "images"), (), ("images",))

        def likeness(entry: tuple[tuple[str, ...], Path]) -> tuple[int, bool, bool, bool]:
            is_near = entry[0][: len(folder)] == folder
            exact = any(entry[0] == start + parts for start in starts)
            fits = split is not None and split_of_folder("/".join(entry[0])) == split
            return _shared_end(entry[0], parts), exact, is_near, fits

        ranked = sorted(found, key=likeness, reverse=True)
        if likeness(ranked[0]) == likeness(ranked[1]):
            raise _several(source, name, [ranked[0][1], ranked[1][1]])
        return ranked[0][1]

    def find_near(self, name: str, folder: Path, source: Path) -> Path | None:
        """Returns the image that a name means in a folder, there or by its last part; None if there is none.

        This is for tools that keep labels beside their images, where an image of the same name elsewhere is
        another one. An absolute path is that of another machine, so its last part counts.

        Args:
            name: The name, relative to the folder.
            folder: A folder in the root.
            source: The file that holds the name.

        Raises:
            DataError: If several images differ from the name in letter case only.
            PlaceError: If the name leads out of the root, and there is no image of its last part.
        """
        name = name.replace("\\", "/")
        last = posixpath.basename(name)
        if name.startswith("/") or name[1:3] == ":/":
            name = last
        here = folder.relative_to(self._root).as_posix()
        leads_out = False
        for end in (name, last):
            place = posixpath.normpath(posixpath.join(here, end))
            try:
                exact = path_below(self._root, place, str(source))
            except PlaceError:
                leads_out = True
                continue
            if is_there(exact) and exact.is_file():  # no name is too long for the first
                return exact
            found = self._by_place.get(_spelling(place), [])
            if len(found) > 1:
                raise _several(source, name, found)
            if found:
                return found[0]
        if leads_out:
            raise PlaceError(
                f"{source}: names {name[:_SHOWN]!r}, which is outside of the folder {self._root}. Give the "
                "folder that holds both, the labels and the images, or put the image beside this file."
            )
        return None


def _spelling(place: str) -> tuple[str, ...]:
    """Returns what all spellings of a place have in common."""
    return tuple(part.casefold() for part in name_parts(place))


def _several(source: Path, name: str, found: Sequence[Path]) -> DataError:
    return DataError(
        f"{source}: names {name[:_SHOWN]!r}, which can be {found[0]} or {found[1]}. Move one of them away."
    )


def _shared_end(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    count = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        if left != right:
            break
        count += 1
    return count
