"""Unpacking zip archives that may be damaged, or made to do harm."""

import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fcn.data.download.archive import HINT, Limits, member_path, missing_folders
from fcn.errors import DataError
from fcn.system.files import unreadable
from fcn.system.progress import track

ZIP_STARTS = (b"PK\3\4", b"PK\5\6")
"""First bytes of a zip archive, and of one without files."""

# 200,000 names of 80 characters; zipfile makes objects of some ten times this.
_DIRECTORY_BYTES = 1 << 24
_CHUNK = 1 << 16
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_UNIX = 16
"""By so many bits the mode of a file is shifted where a zip archive has one."""

# zipfile raises these, and nothing in common, for a damaged archive.
_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, OSError, EOFError),
    *(ValueError, NotImplementedError, OverflowError, RuntimeError),
)


class _Bounded(io.FileIO):
    """A file of which `zipfile` cannot read more at a time than a directory needs."""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = _DIRECTORY_BYTES + 1 if size is None or size < 0 else size
        data = super().read(min(wanted, _DIRECTORY_BYTES + 1)) or b""
        if len(data) > _DIRECTORY_BYTES:
            raise zipfile.BadZipFile("the directory is too large")
        return data


def extract_zip(archive: Path, folder: Path, limits: Limits) -> None:
    """Writes the files of a zip archive below an empty folder.

    Raises:
        DataError: If the archive is damaged, encrypted, too large, or holds links, other special files, or
            names that lead out of the folder.
        OSError: If the place cannot be written to or the disk is full.
    """
    try:
        file = _Bounded(str(archive))
    except OSError as error:
        raise DataError(f"{archive}: {unreadable(error)}") from error
    with file:
        with _reading(archive):
            opened = zipfile.ZipFile(file)
        entries = opened.infolist()
        members = total = 0
        for entry in track(entries, "unpacking", total=len(entries)):
            path = _check_entry(archive, entry, folder, limits)
            implied = missing_folders(path.parent)
            members, total = members + 1 + len(implied), total + entry.file_size
            if members > limits.members or total > limits.total_bytes:
                raise DataError(
                    f"{archive}: expected at most {limits.members} files and {limits.total_bytes} bytes "
                    f"unpacked. It holds more. {HINT}"
                )
            _write_entry(archive, opened, entry, path, implied)


def _write_entry(
    archive: Path, opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, implied: list[Path]
) -> None:
    try:
        for folder in implied:
            folder.mkdir()
        if entry.is_dir():
            path.mkdir(exist_ok=True)
            return
        target = path.open("xb")
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise DataError(f"{archive}: holds {entry.filename!r} twice. {HINT}") from error
    with target:
        with _reading(archive):
            source = opened.open(entry)
        with source:
            while True:
                with _reading(archive):
                    chunk = source.read(_CHUNK)
                if not chunk:
                    return
                target.write(chunk)


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    try:
        yield
    except _ERRORS as error:
        raise DataError(f"{archive}: is damaged or truncated ({error}). {HINT}") from error


def _check_entry(archive: Path, entry: zipfile.ZipInfo, folder: Path, limits: Limits) -> Path:
    """Returns the path of a file or folder of an archive, after checking that it may be made.

    Raises:
        DataError: If it may not.
    """
    name = entry.filename
    path = member_path(archive, name, name.endswith("/"), folder)
    kind = stat.S_IFMT(entry.external_attr >> _UNIX)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(
            f"{archive}: holds {name!r}, which is a link, a device or another special file. Expected files "
            "and folders alone. Nothing was unpacked."
        )
    if entry.flag_bits & _ENCRYPTED:
        raise DataError(f"{archive}: is encrypted. Unpack it with its password, and give the folder.")
    if entry.compress_type not in _METHODS:
        raise DataError(
            f"{archive}: {name!r} is compressed in an unknown way (method {entry.compress_type}). Unpack it, "
            "and give the folder."
        )
    if entry.file_size > limits.file_bytes:
        raise DataError(
            f"{archive}: expected files of at most {limits.file_bytes} bytes. Received: {name!r} of "
            f"{entry.file_size}. {HINT}"
        )
    return path
