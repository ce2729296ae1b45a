"""Finds where the labels that a user names lie: a folder, files in one, or an archive to unpack."""

import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from fcn.data.download.archive import DEFAULT_LIMITS, Limits, extract_tar
from fcn.data.download.zip_archive import ZIP_STARTS, extract_zip
from fcn.errors import DataError, FcnError
from fcn.labels.importing.folders import MAX_DOCUMENT_BYTES, find_images
from fcn.labels.importing.split_lists import split_of_folder
from fcn.system.atomic_folder import temporary_folder
from fcn.system.files import unreadable, unwritable

_GZIP_START = b"\x1f\x8b"
_OTHER_STARTS = (b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x28\xb5\x2f\xfd")
_TAR_WORD, _TAR_PLACE = b"ustar", 257
# An archive of masks alone, which have one value almost everywhere, is 30 to 100 times smaller.
_MOST_TIMES, _FREE_BYTES = 200, 1 << 28
_MAX_NESTED = 32


class Place(NamedTuple):
    """A place with labels.

    Attributes:
        folder: The folder that holds the images and everything else.
        files: The files to read; empty for all of the folder.
    """

    folder: Path
    files: tuple[Path, ...] = ()


class OpenSources(NamedTuple):
    """Sources that can be read.

    Attributes:
        paths: A folder or file for each.
        archives: The archive of each folder that was unpacked.
    """

    paths: list[Path]
    archives: dict[Path, Path]

    def name(self, text: str) -> str:
        """Returns a text in which files of archives have the names that they have for the user."""
        for folder, archive in self.archives.items():
            text = text.replace(str(folder), str(archive))
        return text


@contextmanager
def open_sources(sources: Sequence[Path], output: Path) -> Iterator[OpenSources]:
    """Unpacks those sources that are archives, beside the output, for as long as the block runs.

    Errors of the block name the archive.

    Args:
        sources: Folders, files and archives.
        output: The folder that will be written.

    Raises:
        DataError: If an archive is damaged, too large, or holds what cannot be unpacked.
        OutputError: If the place cannot be written to or the disk is full.
    """
    opened = OpenSources([], {})
    with ExitStack() as stack:
        for source in sources:
            if not _is_archive(source):
                opened.paths.append(source)
                continue
            folder = stack.enter_context(temporary_folder(output)) / source.name
            opened.archives[folder] = source
            _extract(source, folder)
            opened.paths.append(_without_outer(folder))
        try:
            yield opened
        except FcnError as error:
            error.args = tuple(opened.name(str(line)) for line in error.args)
            raise


def find_places(sources: Sequence[Path]) -> list[Place]:
    """Returns the place of each source; files of one folder are one place.

    The images that a file names are below its folder or, without any image there, below the one above.

    Raises:
        DataError: If there is no such folder or file.
    """
    places: dict[tuple[Path, bool], tuple[Path, ...]] = {}
    for source in sources:
        if source.is_file():
            folder, file = source.parent, source
            above = Path(os.path.abspath(source)).parent.parent
            if above != Path(above.anchor) and not find_images(folder):
                folder, file = above, Path(os.path.abspath(source))
            places[folder, True] = (*places.get((folder, True), ()), file)
        elif source.is_dir():
            places[source, False] = ()
        else:
            raise DataError(f"{source}: expected a folder, a file or an archive with labels.")
    return [Place(folder, files) for (folder, _), files in places.items()]


def _is_archive(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(tarfile.BLOCKSIZE)
    except OSError as error:
        raise DataError(f"{path}: {unreadable(error)}") from error
    if start.startswith(_OTHER_STARTS):
        raise DataError(f"{path}: expected a zip, tar or tar.gz archive. Unpack it, and give the folder.")
    return start.startswith((*ZIP_STARTS, _GZIP_START)) or start[_TAR_PLACE:].startswith(_TAR_WORD)


def _extract(archive: Path, folder: Path) -> None:
    size = archive.stat().st_size
    total = min(DEFAULT_LIMITS.total_bytes, _FREE_BYTES + _MOST_TIMES * size)
    limits = Limits(DEFAULT_LIMITS.members, MAX_DOCUMENT_BYTES, total)
    with archive.open("rb") as file:
        is_zip = file.read(4) in ZIP_STARTS
    try:
        folder.mkdir()
        (extract_zip if is_zip else extract_tar)(archive, folder, limits)
    except OSError as error:
        raise unwritable(folder.parent.parent, error) from error


def _without_outer(folder: Path) -> Path:
    """Returns the folder that holds everything: many archives hold one folder, named as they are."""
    for _ in range(_MAX_NESTED):
        entries = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        if len(entries) != 1 or not entries[0].is_dir() or split_of_folder(f"{entries[0].name}/") is not None:
            break
        folder = entries[0]
    return folder
