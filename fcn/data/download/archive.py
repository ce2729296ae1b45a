"""Unpacking archives that may be damaged, or made to do harm."""

import gzip
import os
import shutil
import tarfile
import zlib
from io import BufferedReader
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from fcn.errors import DataError, OutputError, PlaceError
from fcn.system.files import remove, remove_link, unreadable
from fcn.system.places import path_below
from fcn.system.progress import track_bytes

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 16
# A header is 512 bytes; long names, which come in headers of their own, stay far below this.
_HEADER_BYTES = 1 << 17
# Zeros after the end: tar fills up 20 blocks of 512 bytes, some programs more.
_PADDING_BYTES = 1 << 20
# Several times what any data set has; longer paths are made to exhaust whatever walks them.
_MAX_DEPTH = 32
HINT = "Download or export it again."


class Limits(NamedTuple):
    """Limits of an archive: several times the largest of VOC's.

    Attributes:
        members: Number of files and folders, with folders that are only named in paths.
        file_bytes: Length of one file.
        total_bytes: Length of all files together.
    """

    members: int = 200_000
    file_bytes: int = 1 << 28
    total_bytes: int = 1 << 33


DEFAULT_LIMITS = Limits()


def unpack(archive: Path, inside: str, target: Path, limits: Limits = DEFAULT_LIMITS) -> None:
    """Unpacks a tar archive, with or without gzip, and moves one of its folders into place.

    Only files and folders are made, with the user's own permissions, in a temporary folder beside
    `target`; there is either all of `target` in the end or nothing. What an interrupted call left
    behind is removed by the next.

    Args:
        archive: The file.
        inside: The folder in the archive that is wanted, "VOCdevkit/VOC2012" for example.
        target: The path that this folder gets; must not exist.
        limits: Limits of the archive.

    Raises:
        DataError: If the archive is damaged, too large, without the folder, or holds links, devices or
            names that lead out of the folder.
        OutputError: If the place cannot be written to or the disk is full.
    """
    temporary = _temporary(target)
    try:
        remove_link(temporary)
        if temporary.exists():
            shutil.rmtree(temporary)
        temporary.mkdir(parents=True)
        extract_tar(archive, temporary, limits)
        if not (temporary / inside).is_dir():
            raise DataError(f"{archive}: holds no folder {inside}, so it is another archive. {HINT}")
        os.rename(temporary / inside, target)
    except OSError as error:
        raise OutputError(
            f"{target}: cannot be written ({error.strerror or error}). Nothing was unpacked. "
            "Free space or choose a folder you may write to, then run the same command again."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(target: Path) -> None:
    """Removes what an `unpack` left that was killed after `target` got its name, as far as possible."""
    remove(_temporary(target))


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.unpacking")


class _Reader:
    """The bytes of an archive, for tarfile: forward only, and never more than is allowed at a time.

    The archive itself says how long a name or a map of holes is; tarfile would read gigabytes into
    memory, or go back and forth forever.

    Attributes:
        last: The bytes that the last call of `read` returned.
    """

    def __init__(self, archive: Path, raw: BufferedReader | gzip.GzipFile) -> None:
        self._archive = archive
        self._raw = raw
        self._position = 0
        self._allowance = 0
        self.last = b""

    def allow(self, count: int) -> None:
        """Sets how many bytes may be read until it is called again."""
        self._allowance = count

    def read(self, count: int) -> bytes:
        self._allowance -= count
        if count < 0 or self._allowance < 0:
            raise DataError(f"{self._archive}: holds a header of more than {_HEADER_BYTES} bytes. {HINT}")
        self.last = self._take(count)
        return self.last

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        if position < self._position:
            raise DataError(f"{self._archive}: is damaged: a header points backward. {HINT}")
        while position > self._position and self._take(min(_CHUNK, position - self._position)):
            pass
        return self._position

    def _take(self, count: int) -> bytes:
        try:
            data = self._raw.read(count)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{self._archive}: is damaged or truncated ({error}). {HINT}") from error
        self._position += len(data)
        return data


def extract_tar(archive: Path, folder: Path, limits: Limits) -> None:
    """Writes the files of a tar archive, with or without gzip, below an empty folder.

    Raises:
        DataError: As `unpack` does.
        OSError: If the place cannot be written to or the disk is full.
    """
    with _opened(archive) as file, track_bytes("unpacking", archive.stat().st_size) as advance:
        packed = file.peek(2)[:2] == _GZIP_MAGIC
        reader = _Reader(archive, gzip.GzipFile(fileobj=file) if packed else file)
        tar = _open(archive, reader)
        members = total = seen = 0
        while (member := _next_member(archive, tar, reader)) is not None:
            path = _check_member(archive, member, folder, limits)
            implied = missing_folders(path.parent)
            members, total = members + 1 + len(implied), total + member.size
            if members > limits.members or total > limits.total_bytes:
                raise DataError(
                    f"{archive}: expected at most {limits.members} files and {limits.total_bytes} bytes "
                    f"unpacked. It holds more. {HINT}"
                )
            _write_member(archive, tar, member, reader, path, implied)
            advance(file.tell() - seen)
            seen = file.tell()


def _opened(archive: Path) -> BufferedReader:
    try:
        return archive.open("rb")
    except OSError as error:
        raise DataError(f"{archive}: {unreadable(error)}") from error


def _open(archive: Path, reader: _Reader) -> tarfile.TarFile:
    reader.allow(_HEADER_BYTES)
    try:
        return tarfile.open(fileobj=reader, mode="r:")  # type: ignore[call-overload, no-any-return]
    except (tarfile.TarError, ValueError, RecursionError) as error:
        raise DataError(f"{archive}: is damaged or not a tar archive ({error}). {HINT}") from error


def _next_member(archive: Path, tar: tarfile.TarFile, reader: _Reader) -> tarfile.TarInfo | None:
    reader.allow(_HEADER_BYTES)
    # tarfile remembers every member and what headers said for all of them; it is not needed here.
    tar.members = []  # type: ignore[attr-defined]
    tar.pax_headers = {}
    try:
        member = tar.next()
    except (tarfile.TarError, ValueError, RecursionError) as error:
        raise DataError(f"{archive}: is damaged or truncated ({error}). {HINT}") from error
    # tarfile takes a damaged header for the end; a whole archive ends in a block of zeros.
    if member is None and reader.last != bytes(tarfile.BLOCKSIZE):
        raise DataError(f"{archive}: is damaged or truncated (no end). {HINT}")
    if member is None:
        reader.seek(reader.tell() + _PADDING_BYTES)  # where gzip keeps its checksum
    return member


def member_path(archive: Path, member: str, is_folder: bool, folder: Path) -> Path:
    """Returns the path of a file or folder of an archive, by its name there.

    Raises:
        DataError: If it is outside of the folder, or very deep.
    """
    name = PurePosixPath(member)
    outside = DataError(f"{archive}: holds {member!r}, which is outside of the folder. {HINT}")
    # Backslashes and colons lead elsewhere on Windows, and an archive is refused on every system alike.
    if set(member) & set("\\:"):
        raise outside
    try:
        path = folder if is_folder and not name.parts else path_below(folder, member, str(archive))
    except PlaceError as error:
        raise outside from error
    if len(name.parts) > _MAX_DEPTH:
        raise DataError(
            f"{archive}: expected folders at most {_MAX_DEPTH} deep. "
            f"Received: {member[:40]!r}..., {len(name.parts)} deep. {HINT}"
        )
    return path


def _check_member(archive: Path, member: tarfile.TarInfo, folder: Path, limits: Limits) -> Path:
    """Returns the path of a file or folder of an archive, after checking that it may be made.

    Raises:
        DataError: If it may not.
    """
    path = member_path(archive, member.name, member.isdir(), folder)
    if member.sparse is not None or member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
        raise DataError(
            f"{archive}: holds {member.name!r}, which is a link, a device or another special file. "
            "Expected files and folders alone. Nothing was unpacked."
        )
    if not 0 <= member.size <= limits.file_bytes:
        raise DataError(
            f"{archive}: expected files of at most {limits.file_bytes} bytes. "
            f"Received: {member.name!r} of {member.size}. {HINT}"
        )
    return path


def missing_folders(folder: Path) -> list[Path]:
    """Returns the folders that have to be made for `folder` to be there, the outermost first."""
    return list(takewhile(lambda path: not path.is_dir(), (folder, *folder.parents)))[::-1]


def _write_member(
    archive: Path,
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    reader: _Reader,
    path: Path,
    implied: list[Path],
) -> None:
    try:
        for folder in implied:
            folder.mkdir()
        if member.isdir():
            path.mkdir(exist_ok=True)
            return
        source = tar.extractfile(member)
        if source is None:
            raise DataError(f"{archive}: {member.name!r} cannot be read. {HINT}")
        with path.open("xb") as file:
            # Buffering may ask for a little more than there is.
            reader.allow(member.size + _HEADER_BYTES)
            shutil.copyfileobj(source, file, _CHUNK)
            written = file.tell()
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise DataError(f"{archive}: holds {member.name!r} twice. {HINT}") from error
    except (tarfile.TarError, ValueError) as error:
        raise DataError(f"{archive}: is damaged or truncated ({error}). {HINT}") from error
    if written != member.size:
        raise DataError(f"{archive}: is truncated in {member.name!r}. {HINT}")
