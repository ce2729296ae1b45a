"""Images on other machines (`s3://`, `gs://`, `http://` and all else that fsspec supports)."""

import posixpath
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from fcn.data.image_forms import START_BYTES, WEB_PAGE, find_form
from fcn.data.image_header import MAX_BYTES, check_file_size
from fcn.errors import DataError, FcnError, PlaceError
from fcn.jobs.sources.links import WEB_PROTOCOLS, path_of_url, stable_link, without_signatures
from fcn.jobs.sources.search import (
    FORMATS,
    FoundImage,
    Unusable,
    count_other,
    has_image_suffix,
    undecodable,
)
from fcn.jobs.sources.web import DEFAULT_LIMITS, TooLargeError, WebError, WebLimits, web_options
from fcn.system.optional import import_optional, missing_package
from fcn.system.places import path_below

_BLOCK = 1 << 20
_MAX_DEPTH = 32
_TOO_DEEP = (
    f"is more than {_MAX_DEPTH} folders deep. Unless links lead in a circle, give a folder closer to it."
)


def is_named_as_image(url: str) -> bool:
    """Returns whether a URL has the suffix of an image."""
    return has_image_suffix(path_of_url(url))


@lru_cache(maxsize=256)
def is_single_image(url: str, limits: WebLimits = DEFAULT_LIMITS) -> bool:
    """Returns whether a URL is an image, not a folder or a page with links to images.

    It is one if it has the suffix of an image. Otherwise the first bytes of what a web server answers decide.

    Args:
        url: The URL.
        limits: When to give up a web server.

    Raises:
        BackendError: If the package that reads such URLs is not installed.
        DataError: If it cannot be read, or is a file of another form, such as a video.
    """
    if is_named_as_image(url):
        _open(url, {})  # asks for missing packages now, but for no address
        return True
    if url.partition("://")[0] not in WEB_PROTOCOLS:
        return False
    system, path = _open(url, web_options(url, limits, MAX_BYTES))
    try:
        with system.open(path, block_size=0, size=1) as file:  # as a stream, whose size is not asked for
            form = find_form(_read_at_most(file, START_BYTES))
    except Exception as error:  # each file system raises its own
        raise DataError(f"{stable_link(url)}: cannot be read {_explain(error)}") from error
    if form is None or form is WEB_PAGE:
        return False
    if form.open is None:
        raise DataError(f"{stable_link(url)}: is {form.name}, not an image. Download it, and give the file.")
    return True


def find_remote(
    url: str,
    folder: str = "",
    limits: WebLimits = DEFAULT_LIMITS,
    others: Counter[str] | None = None,
    is_image: bool | None = None,
) -> Iterator[FoundImage | Unusable]:
    """Finds the images at a URL.

    What is not an image itself is searched at any depth, without hidden folders, for files with the suffix of
    one.

    Args:
        url: Where to look.
        folder: Prefix of the images' folders.
        limits: When to give up a web server.
        others: Counts the files that are not images, by suffix.
        is_image: Whether it is an image; None if that is not known yet.

    Yields:
        The images, pictures that cannot be decoded, and folders below that cannot be listed.

    Raises:
        BackendError: If the package that reads such URLs is not installed.
        DataError: If the URL itself cannot be read or listed.
    """
    if is_single_image(url, limits) if is_image is None else is_image:
        yield FoundImage(stable_link(url), url, folder)
        return
    system, top = _open(url, web_options(url, limits, MAX_BYTES))
    begin = path_of_url(url)
    prefix = posixpath.join(folder, posixpath.basename(begin)) if folder else ""
    any_found = is_file = False
    for found in _walk(system, top):
        if isinstance(found, Unusable):
            any_found = True
            yield found
            continue
        parts = posixpath.relpath(path_of_url(found), begin).split("/")
        is_file = is_file or (parts == ["."] and not found.endswith("/"))
        if parts[-1].startswith("."):
            continue
        if has_image_suffix(parts[-1]):
            any_found = True
            inside = posixpath.join(prefix, *parts[:-1]) if prefix or parts[:-1] else ""
            yield FoundImage(stable_link(found), found, inside)
        elif reason := undecodable(parts[-1]):
            any_found = True
            yield Unusable(found, reason)
        elif others is not None:
            count_other(parts[-1], others)
    if is_file and not any_found and url.partition("://")[0] not in WEB_PROTOCOLS:
        yield FoundImage(stable_link(url), url, folder)  # a store of objects lists a file as itself
    elif not any_found:
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
                raise DataError(f"{stable_link(url)}: {reason}") from error
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
        raise DataError(f"{stable_link(url)}: cannot be read {_explain(error)}") from error
    check_file_size(size, stable_link(url))
    return data


def _read_at_most(file: IO[bytes], size: int) -> bytes:
    data = bytearray()
    # Streams may return less than they are asked for.
    while len(data) < size and (block := file.read(min(_BLOCK, size - len(data)))):
        data += block
    return bytes(data)


def _open(url: str, options: dict[str, Any]) -> tuple[Any, str]:
    """Returns the file system of a URL, and its path there."""
    fsspec = import_optional("fsspec.core", stable_link(url), "remote")
    try:
        system, path = fsspec.url_to_fs(url, **options)
    except ImportError as error:
        raise missing_package(stable_link(url), "fsspec", "remote", error=error) from error
    except Exception as error:
        raise DataError(f"{stable_link(url)}: cannot be reached {_explain(error)}") from error
    return system, path


def _explain(error: Exception) -> str:
    """Returns why something failed, in parentheses, and what to do."""
    if isinstance(error, FcnError):  # the environment is wrong
        return f"({error})"
    if isinstance(error, WebError):
        return f"({error}). {error.remedy}"
    if isinstance(error, TimeoutError):
        return "(it took too long). Try again, or download it and give the file or folder."
    if isinstance(error, MemoryError):
        return "(there was not enough memory for it). Give the process more memory."
    reason = without_signatures(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
    return f"({reason}). Check the address."
