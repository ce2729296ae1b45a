"""The download of one file from one server, over as many connections as it takes."""

import re
import time
from pathlib import Path
from typing import NamedTuple

import requests
import urllib3

from fcn.system.download.check import find_difference
from fcn.system.download.file import PublishedFile
from fcn.system.download.page import PAGE_BYTES, is_page, read_page
from fcn.system.download.retry import RetryPolicy
from fcn.system.files import open_unlinked, read_unlinked, remove, write_json
from fcn.system.json_files import parse_json
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


class TransientError(Exception):
    """A connection failed; another one may transfer the rest."""


class _MovedError(TransientError):
    """A server has the file at another address, which the next connection uses."""


class PermanentError(Exception):
    """A server does not have the file as it was published."""


class UnreachableError(PermanentError):
    """A server cannot be reached: it has no address, or nothing answers there."""


class _Source(NamedTuple):
    """A place that has a file, and what is known there of its content.

    Attributes:
        url: Where it is.
        version: What the server calls this content, an ETag or a date; "" if that is not known. It is only
            needed where no checksum tells whether two parts belong together.
    """

    url: str
    version: str = ""


class Transfer:
    """A download of one file from one server.

    Args:
        session: Keeps cookies from one request to the next.
        url: Where the file is.
        part: Where to write it.
        file: The file.
        retry: When to give up.
    """

    def __init__(
        self, session: requests.Session, url: str, part: Path, file: PublishedFile, retry: RetryPolicy
    ) -> None:
        self._session, self._url, self._part, self._file, self._retry = session, url, part, file, retry
        self._address = url
        self._answered = False
        # A checksum shows at the end whether parts belong together; without one, the server must tell.
        self._version = "" if file.checksum else _read_version(part, url)

    def run(self) -> None:
        """Downloads what is missing of `part`, over as many connections as it takes.

        Raises:
            TransientError: If too many connections broke.
            PermanentError: If the server has another file, or none.
        """
        file, failures, most = self._file, 0, 0
        problem = TransientError("no connection was tried")
        for _ in range(self._retry.connections):
            had = _size(self._part)
            continues = bool(file.checksum or self._version)
            if (file.size is not None and had > file.size) or not continues:
                self._part.unlink(missing_ok=True)
                had = 0
            try:
                if not had or had != file.size:
                    self._resume(had)
                self._check_part(had)
                return
            except _MovedError:
                continue
            except TransientError as error:
                problem = error
            size = _size(self._part)
            failures = 0 if size > max(had, most) else failures + 1
            most = 0 if continues else max(size, most)
            if failures >= self._retry.failures:
                break
            print_notice(f"{self._url}: {problem}. Trying again.")
            time.sleep(self._retry.pause_seconds * 2 ** max(0, failures - 1))
        raise problem

    def _check_part(self, had: int) -> None:
        size = _size(self._part)
        if self._file.size is not None and size < self._file.size:
            raise TransientError(f"the connection ended after {size} of {self._file.size} bytes")
        problem = find_difference(self._part, self._file)
        if problem is None:
            return
        self._part.unlink()
        # Bytes from before may have been the wrong ones; what came in one piece will come so again.
        kind = TransientError if had else PermanentError
        raise kind(f"sent another file: {problem}")

    def _resume(self, had: int) -> None:
        """Asks for what is missing of `part` and appends it."""
        # A server that compressed the file on its way would make lengths and ranges meaningless.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={had}-"} if had else {})
        if had and self._version:
            headers["If-Range"] = self._version
        try:
            with self._session.get(
                self._address, headers=headers, stream=True, timeout=self._retry.timeout_seconds
            ) as response:
                self._answered = True
                if had and response.status_code == requests.codes.requested_range_not_satisfiable:
                    if self._file.size is not None:
                        raise PermanentError(f"has no more than {had} of {self._file.size} bytes")
                    return  # the size is unknown: this may be all
                begin = self._first_byte(response, had)
                self._append(response, begin)
        except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:
            raise PermanentError("expected a URL that begins with http:// or https://") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            kind = TransientError if self._answered or not _is_unreachable(error) else UnreachableError
            raise kind(f"the connection failed ({_reason(error)})") from error

    def _first_byte(self, response: requests.Response, had: int) -> int:
        """Returns where in the file the answer begins, 0 or `had`, after checking that it is this file."""
        file, status = self._file, response.status_code
        if status in _PASSING or status >= 500:
            raise TransientError(f"answered {status} {response.reason}")
        if status not in (requests.codes.ok, requests.codes.partial_content):
            raise PermanentError(f"answered {status} {response.reason}")
        if response.headers.get("Content-Type", "").startswith("text/html"):
            self._read_page(response.raw.read(PAGE_BYTES, decode_content=True), response.url)
        length = response.headers.get("Content-Length", "*")
        if length != "*" and not _LENGTH.fullmatch(length):
            raise PermanentError(f"sent an invalid length: {length[:40]}")
        begin = 0
        if status == requests.codes.partial_content:
            found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != had:
                raise PermanentError("sent another part of the file than it was asked for")
            begin, length = had, found[2]
        if file.size is not None and length != "*" and int(length) != file.size:
            content = response.raw.read(PAGE_BYTES, decode_content=False)
            if is_page(content):
                self._read_page(content, response.url)
            raise PermanentError(f"has another file: expected {file.size} bytes. Received: {length}")
        if not file.checksum:
            self._note_version(response, begin)
            if length == "*" and "Transfer-Encoding" not in response.headers and file.size is None:
                raise PermanentError("states no length, so that it could not be told whether all of it came")
        return begin

    def _read_page(self, content: bytes, url: str) -> None:
        """Raises an error for a web page; of one that asks whether the file is wanted, notes the address.

        Raises:
            _MovedError: If the next connection is to use that address.
            PermanentError: If not.
        """
        page = read_page(content, url)
        if page.address is not None and self._address == self._url:
            self._address = page.address
            raise _MovedError("asks to confirm the download")
        title = f" ({page.title!r})" if page.title else ""
        raise PermanentError(f"sent a web page in place of the file{title}")

    def _note_version(self, response: requests.Response, begin: int) -> None:
        """Keeps what the server calls the content that it begins to send."""
        tag = response.headers.get("ETag", "")
        # A weak tag does not promise the same bytes.
        version = response.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag
        if begin == 0:
            self._version = version
            remove(version_file(self._part))
            if version:
                write_json(version_file(self._part), _Source(self._url, version)._asdict())

    def _append(self, response: requests.Response, begin: int) -> None:
        file = self._file
        limit = file.size if file.size is not None else _LARGEST
        stated = response.headers.get("Content-Length")
        total = file.size if file.size is not None or stated is None else begin + int(stated)
        with (
            open(self._part, "ab", opener=open_unlinked) as output,
            track_bytes(f"fetching {file.name}", total, begin) as advance,
        ):
            output.truncate(begin)
            size = begin
            # Not iter_content, which unpacks a .tgz that a server calls compressed.
            for chunk in response.raw.stream(_CHUNK, decode_content=False):
                if size == 0 and is_page(chunk[:PAGE_BYTES]):
                    self._read_page(chunk[:PAGE_BYTES], response.url)
                size += len(chunk)
                if size > limit:
                    output.truncate(0)
                    raise PermanentError(f"sends more than {limit} bytes")
                output.write(chunk)
                advance(len(chunk))


def version_file(part: Path) -> Path:
    """Returns where a server's name for the content of `part` is kept."""
    return part.with_name(f"{part.name}.json")


def _read_version(part: Path, url: str) -> str:
    """Returns what a server called the content of which `part` is the beginning; "" if that is not known."""
    try:
        found = parse_json(read_unlinked(version_file(part)))
        source = _Source(str(found["url"]), str(found["version"]))
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    # It is sent in a header.
    return source.version if source.url == url and source.version.isprintable() else ""


def _is_unreachable(error: BaseException) -> bool:
    """Returns whether there is no connection at all, as on a machine without a network."""
    if not isinstance(error, requests.ConnectionError) or not error.args:
        return False
    kinds = urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError
    return isinstance(getattr(error.args[0], "reason", None), kinds)


def _reason(error: BaseException) -> str:
    """Returns the innermost reason of a library's chain of errors, in a few words."""
    while error.__context__ is not None:
        error = error.__context__
    return f"{type(error).__name__}: {error}"[:200]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
