"""The mirror: a server or folder that has the files of published nets under their names."""

import os
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from fcn.errors import DownloadError
from fcn.system.places import path_below
from fcn.system.remedies import as_started
from fcn.weights.advice import MIRROR

_SCHEMES = ("http", "https")


def find_in_mirror(mirror: str, name: str) -> Path | str:
    """Returns where a mirror has a file: its path in a folder, or its URL on a server.

    Args:
        mirror: A folder, perhaps as a `file:` URL, or a URL.
        name: Name of the file.

    Raises:
        DownloadError: If it is another kind of URL.

    Example:
        >>> find_in_mirror("http://host/weights/", "a b.npz"), str(find_in_mirror("file:///media", "a.npz"))
        ('http://host/weights/a%20b.npz', '/media/a.npz')
    """
    scheme, separator, rest = mirror.partition(":")
    scheme = scheme.lower()
    if not separator or (scheme != "file" and not rest.startswith("//")):
        folder = os.path.expanduser(mirror)
    elif scheme == "file" and urlsplit(mirror).netloc in ("", "localhost"):
        folder = url2pathname(urlsplit(mirror).path)
    elif scheme in _SCHEMES:
        return f"{mirror.rstrip('/')}/{quote(name)}"
    else:
        raise DownloadError(
            f"{mirror}: expected a folder of this machine, or a URL that begins with http:// or https://, as "
            f"the mirror. Change --mirror of {as_started('python -m fcn weights get')}, or {MIRROR}."
        )
    return path_below(Path(folder), name, "the catalog of weights")
