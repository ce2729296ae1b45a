"""Compares files on this machine with what was published."""

import hashlib
from pathlib import Path

from fcn.errors import DownloadError
from fcn.system.download.file import PublishedFile
from fcn.system.files import unreadable
from fcn.system.progress import track_bytes

_CHUNK = 1 << 20


def find_difference(path: Path, file: PublishedFile) -> str | None:
    """Returns how a file differs from the published one, as a clause; None if it does not.

    Raises:
        OSError: If it cannot be read.
    """
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"expected {file.size} bytes. Received: {size}"
    if file.checksum is None:
        return None
    found = digest(path, file.checksum.kind)
    if not found.startswith(file.checksum.digits):
        title = file.checksum.title
        return f"expected the {title}. Received: {found}"
    return None


def digest(path: Path, kind: str) -> str:
    """Returns a checksum of a file, in hexadecimal digits, and shows the progress.

    Args:
        path: The file.
        kind: "md5", "sha1" or "sha256".

    Raises:
        OSError: If it cannot be read.
    """
    computed = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as content, track_bytes("checking", path.stat().st_size) as advance:
        while chunk := content.read(_CHUNK):
            computed.update(chunk)
            advance(len(chunk))
    return computed.hexdigest()


def check_file(path: Path, file: PublishedFile, advice: str) -> None:
    """Refuses a file that is not the published one.

    Args:
        path: The file.
        file: What it should be.
        advice: A sentence on what to do otherwise.

    Raises:
        DownloadError: If its size or checksum differs, or it cannot be read.
    """
    try:
        problem = find_difference(path, file)
    except OSError as error:
        raise DownloadError(f"{path}: {unreadable(error)}") from error
    if problem:
        raise DownloadError(f"{path}: is not {file.name} as it was published: {problem}. {advice}")
