"""Pictures to try the page on: scenes that are drawn, or the photographs of a folder."""

import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from fcn.data.generated.dataset import generate_example
from fcn.data.image_io import encode_jpeg
from fcn.errors import ConfigError

MAX_EXAMPLES = 12

# What browsers show; of a TIFF nobody would see anything.
_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".bmp": "image/bmp",
    ".webp": "image/webp",
}
# As large as in the quickstart's data set, where objects are as large as there, and never among its images.
_SIZES = ((128, 176),)
_SEED = 1948
_NUM_DRAWN = 6


class Example(NamedTuple):
    """A picture to try the model on.

    Attributes:
        name: What it is called, or what can be seen.
        media_type: Of its file.
        read: Returns the content of its file.
    """

    name: str
    media_type: str
    read: Callable[[], bytes]


def drawn_examples() -> list[Example]:
    r"""Returns scenes as the quickstart's data set has them; each is drawn when it is first asked for.

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
    """Returns the first photographs of a folder, in the order of their names.

    Args:
        folder: What is below it does not count.

    Raises:
        ConfigError: If it cannot be read or holds none that a browser shows.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _TYPES and path.is_file())
    except OSError as error:
        raise ConfigError(f"--examples {folder}: cannot be read ({error.strerror}).") from error
    if not paths:
        raise ConfigError(f"--examples {folder}: expected photographs ({', '.join(_TYPES)}). Received: none.")
    return [
        Example(_readable(path.stem), _TYPES[path.suffix.lower()], path.read_bytes)
        for path in paths[:MAX_EXAMPLES]
    ]


def _readable(name: str) -> str:
    """Returns a name that can be sent, whatever bytes it has in its folder."""
    return os.fsencode(name).decode("utf-8", "replace")
