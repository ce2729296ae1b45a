"""Files of weights from any URL, which are kept only until they were imported."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fcn.system.download.fetch import download
from fcn.system.download.file import PublishedFile
from fcn.system.files import remove
from fcn.system.places import path_below
from fcn.weights.cache import WeightCache
from fcn.weights.catalog import NETS, PublishedNet

_FOLDER = "urls"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_NAME = 100


def fetch_url(url: str, cache: WeightCache, catalog: Mapping[str, PublishedNet] = NETS) -> Path:
    """Returns the file at a URL, and downloads it if it is not there.

    If a net of the catalog is published there, it is the file of that net, with its checksum and license.

    Args:
        url: The URL.
        cache: Where files are kept.
        catalog: The published nets by name.

    Raises:
        DownloadError: If the server does not send it.
        OutputError: If the folder cannot be written to or the disk is full.
    """
    name = name_of_url(url, catalog)
    if name is not None:
        return cache.fetch(name, catalog[name])
    path = _path(url, cache)
    with cache.locked(path):
        return download(PublishedFile(path.name, (url,)), path.parent, cache.retry)


def remove_url_copy(url: str, cache: WeightCache) -> None:
    """Removes what `fetch_url` downloaded, unless it is the file of a net of the catalog."""
    remove(_path(url, cache).parent)


def name_of_url(url: str, catalog: Mapping[str, PublishedNet] = NETS) -> str | None:
    """Returns the name of the net that is published at a URL; None for other URLs.

    Example:
        >>> name_of_url("http://dl.caffe.berkeleyvision.org/fcn8s-heavy-pascal.caffemodel")
        'fcn8s-voc'
    """
    return next((name for name, net in catalog.items() if url in net.file.urls), None)


def _path(url: str, cache: WeightCache) -> Path:
    name = _UNSAFE.sub("_", unquote(urlsplit(url).path.rpartition("/")[2]))[-_LONGEST_NAME:].strip(".")
    key = hashlib.sha256(url.encode()).hexdigest()[:16]
    return path_below(cache.folder / _FOLDER / key, name or "weights", url)
