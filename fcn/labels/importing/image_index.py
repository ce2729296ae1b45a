"""Finds the images that a file of another tool names, among those that a folder holds."""

import unicodedata
from collections import defaultdict
from pathlib import Path

from fcn.errors import DataError
from fcn.labels.importing.folders import find_images
from fcn.labels.importing.split_lists import split_of_folder

_SHOWN = 80


class ImageIndex:
    """The images below a folder, by name.

    A name never becomes a path: it is compared with those of the files that are there. So it leads nowhere
    else, whatever it is: absolute paths of other machines, backslashes, `..`, names without suffix or in
    another case, and accents that another system stores as two characters.

    Args:
        root: The folder that holds all of a source.

    Attributes:
        images: The images, sorted.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.images = find_images(root)
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
            raise DataError(
                f"{source}: names {name[:_SHOWN]!r}, which can be {ranked[0][1]} or {ranked[1][1]}. Move one "
                "of them away."
            )
        return ranked[0][1]


def name_parts(name: str) -> tuple[str, ...]:
    r"""Returns the folders and the last part of a name, without what depends on the machine.

    Example:
        >>> name_parts(r"C:\\data\\..\\a.jpg"), name_parts("./b/c.jpg")
        (('data', 'a.jpg'), ('b', 'c.jpg'))
    """
    parts = unicodedata.normalize("NFC", name).replace("\\", "/").split("/")
    if len(parts[0]) == 2 and parts[0].endswith(":"):
        parts = parts[1:]
    return tuple(part for part in parts if part not in ("", ".", ".."))


def _shared_end(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    count = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        if left != right:
            break
        count += 1
    return count
