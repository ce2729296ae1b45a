"""Images on other machines (`s3://`, `gs://`, `http://` and what else fsspec knows)."""

import posixpath
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from fcn.data.image_header import IMAGE_SUFFIXES
from fcn.errors import BackendError, DataError
from fcn.inference.search import FORMATS, FoundImage, Unusable

_WEB = ("http", "https")


def is_url(place: str) -> bool:
    """Tells URLs from paths.

    Example:
        >>> is_url("s3://bucket/a.jpg"), is_url("/data/a.jpg")
        (True, False)
    """
    return "://" in place


def path_of_url(url: str) -> str:
    """Returns the host and path of a URL as a relative path that leads nowhere else.

    Example:
        >>> path_of_url("https://host/my%20cats/../a.jpg?size=1")
        'host/a.jpg'
    """
    protocol, _, rest = url.partition("://")
    if protocol in _WEB:
        parts = urlsplit(url)
        rest = (parts.hostname or "") + unquote(parts.path).replace("\0", "")
    return posixpath.normpath(f"/{rest}").lstrip("/")


def find_remote(url: str, folder: str = "") -> Iterator[FoundImage | Unusable]:
    """Finds what there is to label at a URL.

    A URL that is named as an image is taken for one and not looked at; any other is searched in all depths.

    Args:
        url: Where to look.
        folder: What the folders of the images begin with.

    Raises:
        BackendError: If what reads such URLs is not installed.
        DataError: If the place cannot be listed.
    """
    system, top = _open(url)
    if _is_named_as_image(path_of_url(url)):
        yield FoundImage(url, url, folder)
        return
    begin = path_of_url(url)
    prefix = posixpath.join(folder, posixpath.basename(begin)) if folder else ""
    any_image = False
    try:
        for _, _, files in system.walk(top, detail=True):
            for entry in files.values():
                found = system.unstrip_protocol(entry["name"])
                place = path_of_url(found)
                parts = posixpath.relpath(place, begin).split("/")
                if _is_named_as_image(place) and not any(part.startswith(".") for part in parts):
                    any_image = True
                    yield FoundImage(
                        found, found, posixpath.join(prefix, *parts[:-1]) if prefix or parts[:-1] else ""
                    )
    except Exception as error:  # each file system raises its own
        raise DataError(f"{url}: cannot be listed ({_reason(error)}). Check the address.") from error
    if not any_image:
        yield Unusable(url, f"no images found. Expected {FORMATS}, by the end of the name.")


def read_remote(url: str) -> bytes:
    """Returns what a URL holds.

    Raises:
        BackendError: If what reads such URLs is not installed.
        DataError: If it cannot be read.
    """
    system, path = _open(url)
    try:
        data: bytes = system.cat_file(path)
    except Exception as error:  # each file system raises its own
        raise DataError(f"{url}: cannot be read ({_reason(error)}). Check the address.") from error
    return data


def _open(url: str) -> tuple[Any, str]:
    """Returns the file system of a URL, and what the place is called there."""
    try:
        from fsspec.core import url_to_fs

        system, path = url_to_fs(url)
    except ImportError as error:
        raise BackendError(
            f"{url}: what reads such places is not installed ({error}). Install it: "
            "pip install 'fcn[remote]'."
        ) from error
    except Exception as error:
        raise DataError(f"{url}: cannot be reached ({_reason(error)}). Check the address.") from error
    return system, path


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _is_named_as_image(path: str) -> bool:
    return posixpath.splitext(path)[1].lower() in IMAGE_SUFFIXES
