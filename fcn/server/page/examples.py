"""Example images for the page: drawn scenes, or the images of a folder.

A folder may hold anything, such as a web page with the name of an image. So no file of it is sent: each is
decoded as the images of requests are, and encoded again.
"""

import asyncio
import math
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from starlette.concurrency import run_in_threadpool

from fcn.data.generated.dataset import CLASS_NAMES, generate_example
from fcn.data.image_io import Pixels, encode_jpeg
from fcn.errors import ConfigError
from fcn.server.interface import ErrorKind, ServerError
from fcn.system.files import open_unlinked, unreadable

MAX_EXAMPLES = 12

# Formats that browsers display; TIFF is not among them.
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
# The size of images in the quickstart's data set, since objects get their sizes from it; the seed is another
# one, so that the examples are none of its images.
_SIZES = ((128, 176),)
_SEED = 1948
_NUM_DRAWN = 6

_SENT_PIXELS, _SENT_SIDE = 1 << 22, 1 << 13
"""Size of an example at most; a larger image is shrunk. JPEG has no sides of more than 65,535."""
_CACHED_BYTES = 1 << 25

Decode = Callable[[bytes, str], AbstractAsyncContextManager[Pixels]]


class Examples(Protocol):
    """Example images.

    Attributes:
        names: Their names or descriptions.
        classes: Names of the classes that are in them; empty if unknown.
    """

    names: Sequence[str]
    classes: Sequence[str]

    async def read(self, number: int) -> bytes:
        """Returns an image as JPEG.

        Args:
            number: Its position in `names`.

        Raises:
            OSError: If its file is not there, or is a link.
            ServerError: If its file is not an image, or cannot be decoded now.
        """


class DrawnExamples:
    r"""Scenes like those of the quickstart's data set; each is drawn when it is first read.

    Example:
        >>> examples = DrawnExamples()
        >>> len(examples.names), asyncio.run(examples.read(0))[:3]
        (6, b'\xff\xd8\xff')
    """

    names: Sequence[str] = [f"Drawn scene {index + 1}" for index in range(_NUM_DRAWN)]
    classes: Sequence[str] = CLASS_NAMES

    async def read(self, number: int) -> bytes:
        """Returns a scene as JPEG."""
        return await run_in_threadpool(_draw, number)


@cache
def _draw(index: int) -> bytes:
    image, _ = generate_example("val", index, _SEED, _SIZES)
    return encode_jpeg(image)


class FolderExamples:
    """The first images of a folder, sorted by name.

    Each is decoded again only if its file changes, and one at a time, so that they take little from requests.

    Args:
        folder: The folder; its subfolders and links are ignored.
        decode: Yields the pixels of an image file's content, which has a name in errors. Raises
            `ServerError` if it is not an image.
        most_bytes: A larger file is not read.

    Attributes:
        names: The names of the files without suffixes.
        classes: Empty.

    Raises:
        ConfigError: If it cannot be read, or holds no images that browsers display.
    """

    classes: Sequence[str] = ()

    def __init__(self, folder: Path, decode: Decode, most_bytes: int) -> None:
        try:
            paths = sorted(
                path
                for path in folder.iterdir()
                if path.suffix.lower() in _SUFFIXES and path.is_file() and not path.is_symlink()
            )
        except OSError as error:
            raise ConfigError(f"--examples {folder}: {unreadable(error)}") from error
        if not paths:
            raise ConfigError(
                f"--examples {folder}: expected images ({', '.join(_SUFFIXES)}). Received: none."
            )
        self._paths = paths[:MAX_EXAMPLES]
        self.names: Sequence[str] = [_readable(path.stem) for path in self._paths]
        self._decode, self._most_bytes = decode, most_bytes
        self._turn = asyncio.Lock()
        self._cached: dict[int, _Cached] = {}

    async def read(self, number: int) -> bytes:
        """Returns an image as JPEG.

        Raises:
            OSError: If its file is not there any more, or is a link.
            ServerError: If its file is not an image, or cannot be decoded now.
        """
        path = self._paths[number]
        async with self._turn:
            known = self._cached.get(number)
            version, data = await run_in_threadpool(_read, path, known and known.version, self._most_bytes)
            if known is None or data is not None:
                known = _Cached(version, await self._encode(data or b""))
                self._keep(number, known)
        if known.jpeg is None:
            raise ServerError(
                ErrorKind.UNSUPPORTED_MEDIA_TYPE, f"Example {number}: its file is not an image that is shown."
            )
        return known.jpeg

    async def _encode(self, data: bytes) -> bytes | None:
        """Returns an image file as JPEG; None if it is not one.

        Raises:
            ServerError: If it cannot be decoded now.
        """
        try:
            async with self._decode(data, "image") as pixels:
                return await run_in_threadpool(_encode, pixels)
        except ServerError as error:
            if error.kind in (ErrorKind.BAD_REQUEST, ErrorKind.TOO_LARGE):
                return None
            raise

    def _keep(self, number: int, cached: "_Cached") -> None:
        self._cached.pop(number, None)
        self._cached[number] = cached
        while sum(len(other.jpeg or b"") for other in self._cached.values()) > _CACHED_BYTES:
            del self._cached[next(iter(self._cached))]


class _Cached(NamedTuple):
    """What became of a file.

    Attributes:
        version: Which file it was, and when it was written.
        jpeg: The image; None if it is not one.
    """

    version: tuple[int, ...]
    jpeg: bytes | None


def _read(path: Path, known: tuple[int, ...] | None, most_bytes: int) -> tuple[tuple[int, ...], bytes | None]:
    """Returns the version of a file, and its content; None for a version that is known.

    Args:
        path: The file.
        known: The version that is known.
        most_bytes: Of a larger file nothing is read, as if it were empty.

    Raises:
        OSError: If it is not there, is a link or not a regular file.
    """

    # Without waiting, or what takes the place of a file, such as a pipe, would hold up a thread.
    def open_at_once(name: str, flags: int) -> int:
        return open_unlinked(name, flags | getattr(os, "O_NONBLOCK", 0))

    with open(path, "rb", opener=open_at_once) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError("not a file")
        version = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        if version == known:
            return version, None
        data = file.read(most_bytes + 1)
        return version, data if len(data) <= most_bytes else b""


def _encode(pixels: Pixels) -> bytes:
    height, width = pixels.shape[:2]
    scale = min(1.0, math.sqrt(_SENT_PIXELS / (height * width)), _SENT_SIDE / max(height, width))
    if scale < 1:
        size = max(1, int(width * scale)), max(1, int(height * scale))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return encode_jpeg(pixels)


def _readable(name: str) -> str:
    """Returns a file name as valid Unicode, whatever bytes it has."""
    return os.fsencode(name).decode("utf-8", "replace")
