"""Example images for the page: drawn scenes, or the images of a folder."""

import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from fcn.data.generated.dataset import generate_example
from fcn.data.image_io import encode_jpeg
from fcn.errors import ConfigError
from fcn.system.files import read_unlinked, unreadable

MAX_EXAMPLES = 12

# Formats that browsers display; TIFF is not among them.
_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".bmp": "image/bmp",
    ".webp": "image/webp",
}
# The size of images in the quickstart's data set, since objects get their sizes from it; the seed is another
# one, so that the examples are none of its images.
_SIZES = ((128, 176),)
_SEED = 1948
_NUM_DRAWN = 6


class Example(NamedTuple):
    """Example image.

    Attributes:
        name: Its name or description.
        media_type: Media type of its file.
        read: Returns the content of its file.
    """

    name: str
    media_type: str
    read: Callable[[], bytes]


def drawn_examples() -> list[Example]:
    r"""Returns scenes like those of the quickstart's data set; each is drawn when it is first read.

    Example:
        >>> examples = drawn_examples()
        >>> len(examples), examples[0].read()[:3]
        (6, b'\xff\xd8\xff')
    """
    return [
        Example(f"Drawn scene {index + 1}", "image/jpeg", partial(_draw, index))
        for index in range(_NUM_DRAWN)
    ]


@cache
def _draw(index: int) -> bytes:
    image, _ = generate_example("val", index, _SEED, _SIZES)
    return encode_jpeg(image)


def folder_examples(folder: Path) -> list[Example]:
    """Returns the first images of a folder, sorted by name.

    Args:
        folder: The folder; its subfolders and links are ignored.

    Raises:
        ConfigError: If it cannot be read, or holds no images that browsers display.
    """
    try:
        paths = sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in _TYPES and path.is_file() and not path.is_symlink()
        )
    except OSError as error:
        raise ConfigError(f"--examples {folder}: {unreadable(error)}") from error
    if not paths:
        raise ConfigError(f"--examples {folder}: expected images ({', '.join(_TYPES)}). Received: none.")
    return [
        Example(_readable(path.stem), _TYPES[path.suffix.lower()], partial(read_unlinked, path))
        for path in paths[:MAX_EXAMPLES]
    ]


def _readable(name: str) -> str:
    """Returns a file name as valid Unicode, whatever bytes it has."""
    return os.fsencode(name).decode("utf-8", "replace")
