"""Downloads published files over connections that break and from servers that send other files."""

import hashlib
import os
import re
import time
from pathlib import Path
from typing import NamedTuple

import requests
import urllib3

from fcn.data.download.catalog import PublishedFile
from fcn.errors import DataError, OutputError
from fcn.system.files import is_there, open_unlinked, remove_link, unreadable
from fcn.system.progress import track_bytes
from fcn.system.text import print_notice

_CHUNK = 1 << 20
# Where no size is published, a server that never ends must not fill the disk.
_LARGEST = 1 << 33
# As many digits as 8 exbibytes have; Python refuses to read numbers of thousands of digits.
_LENGTH = re.compile(r"[0-9]{1,19}")
_RANGE = re.compile(r"bytes ([0-9]{1,19})-[0-9]{1,19}/([0-9]{1,19}|\*)")
# Request Timeout, Too Early, Too Many Requests: the server itself says to try again (RFC 9110, 6585, 8470).
_PASSING = frozenset({408, 425, 429})


class RetryPolicy(NamedTuple):
    """Limits after which a server is given up.

    Attributes:
        failures: Connections in a row that brought nothing new.
        connections: Connections in all.
        pause_seconds: The wait before the next connection; doubled with each failure in a row.
        timeout_seconds: How long a server may send nothing.
    """

    failures: int = 5
    connections: int = 200
    pause_seconds: float = 1.0
    timeout_seconds: float = 30.0


DEFAULT_RETRY = RetryPolicy()


class _BrokenError(Exception):
    """Another connection may bring the rest."""


class _UselessError(Exception):
    """This server will not bring the file."""


def download(file: PublishedFile, folder: Path, retry: RetryPolicy = DEFAULT_RETRY) -> Path:
    """Fetches a file, unless it is there, and checks what came.

    What has come so far lies in `NAME.part`; a later call resumes there, and so does the next server
    if one fails.

    Args:
        file: The file to fetch.
        folder: Where to write it.
        retry: When to give up on a server.

    Returns:
        The path of the file.

    Raises:
        DataError: If no server brings it, or another file of its name is there.
        OutputError: If the place cannot be written to or the disk is full.
    """
    path = folder / file.name
    if is_there(path):
        _check(path, file, "Delete it and run the same command again to download it.")
        return path
    part = path.with_name(f"{file.name}.part")
    problems = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_link(part)
        with requests.Session() as session:
            for url in file.urls:
                try:
                    _fetch(session, url, part, file, retry)
                except (_BrokenError, _UselessError) as error:
                    problems.append(f"  {url}: {error}")
                    print_notice(f"{url}: {error}.")
                else:
                    os.replace(part, path)
                    return path
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}). Free space or choose a folder you may "
            "write to, then run the same command again: it resumes where it stopped."
        ) from error
    raise DataError(
        f"{path}: could not be downloaded.",
        *problems,
        "Run the same command again: it continues where it stopped. Or download the file in another way, and "
        "pass it with --file.",
    )


def check_file(path: Path, file: PublishedFile) -> None:
    """Refuses a file of the user's own that is not the published one.

    Raises:
        DataError: If its size or checksum differs, or it cannot be read.
    """
    _check(path, file, "Give another one with --file, or leave --file out and it is downloaded.")


def _check(path: Path, file: PublishedFile, advice: str) -> None:
    try:
        problem = _difference(path, file)
    except OSError as error:
        raise DataError(f"{path}: {unreadable(error)}") from error
    if problem:
        raise DataError(f"{path}: is not {file.name} as it was published: {problem}. {advice}")


def _difference(path: Path, file: PublishedFile) -> str | None:
    """Returns how a file differs from the published one; None if it does not."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"expected {file.size} bytes. Received: {size}"
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as content, track_bytes("checking", size) as advance:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            advance(len(chunk))
    if digest.hexdigest() != file.md5:
        return f"expected the MD5 {file.md5}. Received: {digest.hexdigest()}"
    return None


def _fetch(session: requests.Session, url: str, part: Path, file: PublishedFile, retry: RetryPolicy) -> None:
    """Brings `part` to its end from one server, over as many connections as it takes.

    Raises:
        _BrokenError: If too many connections broke.
        _UselessError: If the server has another file, or none.
    """
    failures = 0
    problem = _BrokenError("no connection was tried")
    for _ in range(retry.connections):
        had = _size(part)
        if file.size is not None and had > file.size:
            part.unlink()
            had = 0
        try:
            if not had or had != file.size:
                _go_on(session, url, part, file, had, retry.timeout_seconds)
            _check_part(part, file, had)
            return
        except _BrokenError as error:
            problem = error
        failures = 0 if _size(part) > had else failures + 1
        if failures >= retry.failures:
            break
        print_notice(f"{url}: {problem}. Trying again.")
        time.sleep(retry.pause_seconds * 2 ** max(0, failures - 1))
    raise problem


def _check_part(part: Path, file: PublishedFile, had: int) -> None:
    size = _size(part)
    if file.size is not None and size < file.size:
        raise _BrokenError(f"the connection ended after {size} of {file.size} bytes")
    problem = _difference(part, file)
    if problem is None:
        return
    part.unlink()
    # Bytes from before may have been the wrong ones; what came in one piece will come so again.
    kind = _BrokenError if had else _UselessError
    raise kind(f"sent another file: {problem}")


def _go_on(
    session: requests.Session, url: str, part: Path, file: PublishedFile, had: int, timeout: float
) -> None:
    """Asks for what is missing of `part` and appends it."""
    # A server that compressed the file on its way would make lengths and ranges meaningless.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={had}-"} if had else {})
    try:
        with session.get(url, headers=headers, stream=True, timeout=timeout) as response:
            if had and response.status_code == requests.codes.requested_range_not_satisfiable:
                if file.size is not None:
                    raise _UselessError(f"has no more than {had} of {file.size} bytes")
                return  # the size is unknown: this may be all
            begin = _first_byte(response, file, had)
            _append(response, part, file, begin)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _BrokenError(f"the connection failed ({_reason(error)})") from error


def _first_byte(response: requests.Response, file: PublishedFile, had: int) -> int:
    """Returns where in the file the answer begins, 0 or `had`, after checking that it is this file."""
    status = response.status_code
    if status in _PASSING or status >= 500:
        raise _BrokenError(f"answered {status} {response.reason}")
    if status not in (requests.codes.ok, requests.codes.partial_content):
        raise _UselessError(f"answered {status} {response.reason}")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise _UselessError("sent a web page in place of the file")
    length = response.headers.get("Content-Length", "*")
    if length != "*" and not _LENGTH.fullmatch(length):
        raise _UselessError(f"sent an invalid length: {length[:40]}")
    begin = 0
    if status == requests.codes.partial_content:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != had:
            raise _UselessError("sent another part of the file than it was asked for")
        begin, length = had, found[2]
    if file.size is not None and length != "*" and int(length) != file.size:
        raise _UselessError(f"has another file: expected {file.size} bytes. Received: {length}")
    return begin


def _append(response: requests.Response, part: Path, file: PublishedFile, begin: int) -> None:
    limit = file.size if file.size is not None else _LARGEST
    with (
        open(part, "ab", opener=open_unlinked) as output,
        track_bytes(f"fetching {file.name}", file.size, begin) as advance,
    ):
        output.truncate(begin)
        size = begin
        # Not iter_content, which unpacks a .tgz that a server calls compressed.
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            size += len(chunk)
            if size > limit:
                output.truncate(0)
                raise _UselessError(f"sends more than {limit} bytes")
            output.write(chunk)
            advance(len(chunk))


def _reason(error: BaseException) -> str:
    """Returns the innermost reason of a library's chain of errors, in a few words."""
    while error.__context__ is not None:
        error = error.__context__
    return f"{type(error).__name__}: {error}"[:200]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
