"""Images on other machines (`s3://`, `gs://`, `http://` and all else that fsspec supports)."""

import posixpath
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from fcn.data.image_header import IMAGE_SUFFIXES, MAX_BYTES, check_file_size
from fcn.errors import DataError, PlaceError
from fcn.jobs.sources.search import FORMATS, FoundImage, Unusable, count_other, undecodable
from fcn.jobs.sources.web import (
    DEFAULT_LIMITS,
    WEB_PROTOCOLS,
    TooLargeError,
    WebError,
    WebLimits,
    web_options,
)
from fcn.system.optional import import_optional, missing_package
from fcn.system.places import path_below

_BLOCK = 1 << 20
_MAX_DEPTH = 32
_TOO_DEEP = (
    f"is more than {_MAX_DEPTH} folders deep. Unless links lead in a circle, give a folder closer to it."
)


def is_url(place: str) -> bool:
    """Returns whether a place is a URL, not a path.

    Example:
        >>> is_url("s3://bucket/a.jpg"), is_url("/data/a.jpg")
        (True, False)
    """
    return "://" in place


def path_of_url(url: str) -> str:
    """Returns the host and path of a URL as a relative path without `..`.

    Example:
        >>> path_of_url("https://host/my%20cats/../a.jpg?size=1")
        'host/a.jpg'
    """
    protocol, _, rest = url.partition("://")
    if protocol in WEB_PROTOCOLS:
        parts = urlsplit(url)
        rest = (parts.hostname or "") + unquote(parts.path).replace("\0", "")
    return posixpath.normpath(f"/{rest}").lstrip("/")


def find_remote(
    url: str, folder: str = "", limits: WebLimits = DEFAULT_LIMITS, others: Counter[str] | None = None
) -> Iterator[FoundImage | Unusable]:
    """Finds the images at a URL.

    A URL with the suffix of an image counts as one without a request; any other is searched at any depth,
    without hidden folders.

    Args:
        url: Where to look.
        folder: Prefix of the images' folders.
        limits: When to give up a web server.
        others: Counts the files that are not images, by suffix.

    Yields:
        The images, pictures that cannot be decoded, and folders below that cannot be listed.

    Raises:
        BackendError: If the package that reads such URLs is not installed.
        DataError: If the URL itself cannot be listed.
    """
    if _is_named_as_image(path_of_url(url)):
        _open(url, {})  # asks for missing packages now, but for no address
        yield FoundImage(url, url, folder)
        return
    system, top = _open(url, web_options(url, limits, MAX_BYTES))
    begin = path_of_url(url)
    prefix = posixpath.join(folder, posixpath.basename(begin)) if folder else ""
    any_found = False
    for found in _walk(system, top):
        if isinstance(found, Unusable):
            any_found = True
            yield found
            continue
        parts = posixpath.relpath(path_of_url(found), begin).split("/")
        if parts[-1].startswith("."):
            continue
        if _is_named_as_image(parts[-1]):
            any_found = True
            yield FoundImage(
                found, found, posixpath.join(prefix, *parts[:-1]) if prefix or parts[:-1] else ""
            )
        elif reason := undecodable(parts[-1]):
            any_found = True
            yield Unusable(found, reason)
        elif others is not None:
            count_other(parts[-1], others)
    if not any_found:
        yield Unusable(url, f"no images found. Expected {FORMATS}, by suffix.")


def _walk(system: Any, top: str) -> Iterator[str | Unusable]:
    """Yields the URLs of the files below a folder, and folders that cannot be listed.

    fsspec's own `walk` skips folders that cannot be listed, with any options.

    Raises:
        DataError: If `top` cannot be listed.
    """
    folders = [top]
    while folders:
        folder = folders.pop()
        try:
            entries = system.ls(folder, detail=True)
        except Exception as error:  # each file system raises its own
            url = system.unstrip_protocol(folder)
            reason = f"cannot be listed {_explain(error)}"
            if folder == top:
                raise DataError(f"{url}: {reason}") from error
            yield Unusable(url, reason)
            continue
        system.dircache.clear()  # it would keep all entries in memory
        below, begin = [], path_of_url(system.unstrip_protocol(folder))
        for entry in entries:
            name = entry["name"].rstrip("/")
            if entry["type"] != "directory":
                yield system.unstrip_protocol(entry["name"])
            elif name != folder.rstrip("/") and not posixpath.basename(name).startswith("."):
                url = system.unstrip_protocol(name)
                try:
                    path_below(Path(begin), posixpath.relpath(path_of_url(url), begin), url)
                except PlaceError as error:  # it would be searched forever if it leads back here
                    yield Unusable(url, str(error).removeprefix(f"{url}: "))
                    continue
                if name.count("/") - top.rstrip("/").count("/") > _MAX_DEPTH:
                    yield Unusable(url, _TOO_DEEP)
                    continue
                below.append(name)
        folders += sorted(below, reverse=True)


def read_remote(url: str, limits: WebLimits = DEFAULT_LIMITS) -> bytes:
    """Returns the bytes of an image at a URL.

    Args:
        url: Where it is.
        limits: When to give up a web server.

    Raises:
        BackendError: If the package that reads such URLs is not installed.
        DataError: If it cannot be read or is too large for an image.
    """
    system, path = _open(url, web_options(url, limits, MAX_BYTES))
    try:
        # A web server may say anything about the size; the session reads no more than that anyway.
        size = 0 if url.partition("://")[0] in WEB_PROTOCOLS else system.info(path).get("size")
        if size is None:
            with system.open(path) as file:
                data = _read_at_most(file, MAX_BYTES + 1)
            size = len(data)
        elif size <= MAX_BYTES:
            data = system.cat_file(path)
    except MemoryError:
        raise
    except TooLargeError as error:
        size = error.size
    except Exception as error:  # each file system raises its own
        raise DataError(f"{url}: cannot be read {_explain(error)}") from error
    check_file_size(size, url)
    return data


def _read_at_most(file: IO[bytes], size: int) -> bytes:
    data = bytearray()
    # Streams may return less than they are asked for.
    while len(data) < size and (block := file.read(min(_BLOCK, size - len(data)))):
        data += block
    return bytes(data)


def _open(url: str, options: dict[str, Any]) -> tuple[Any, str]:
    """Returns the file system of a URL, and its path there."""
    fsspec = import_optional("fsspec.core", url, "remote")
    try:
        system, path = fsspec.url_to_fs(url, **options)
    except ImportError as error:
        raise missing_package(url, "fsspec", "remote", error=error) from error
    except Exception as error:
        raise DataError(f"{url}: cannot be reached {_explain(error)}") from error
    return system, path


def _explain(error: Exception) -> str:
    """Returns why something failed, in parentheses, and what to do."""
    if isinstance(error, WebError):
        return f"({error}). {error.remedy}"
    if isinstance(error, TimeoutError):
        return "(it took too long). Try again, or download it and give the file or folder."
    if isinstance(error, MemoryError):
        return "(there was not enough memory for it). Give the process more memory."
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return f"({reason}). Check the address."


def _is_named_as_image(path: str) -> bool:
    return posixpath.splitext(path)[1].lower() in IMAGE_SUFFIXES
