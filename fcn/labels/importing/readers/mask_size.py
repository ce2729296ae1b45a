"""Compares the size of a mask with that of its image."""

import math
from pathlib import Path

from fcn.errors import DataError
from fcn.labels.importing.source import Keys

_MOST_TIMES_LARGER = 16


class MismatchError(DataError):
    """A mask with another size than its image.

    Attributes:
        keys: Its keys, `int32[H, W]`.
    """

    def __init__(self, path: Path, keys: Keys, size: tuple[int, int]) -> None:
        super().__init__(
            f"{path}: expected the size of its image, {size[0]}x{size[1]} (height x width). Received: "
            f"{keys.shape[0]}x{keys.shape[1]}."
        )
        self.keys = keys


def check_fit(path: Path, keys: Keys, size: tuple[int, int]) -> Keys:
    """Returns the keys of a mask if they have the size of its image.

    Raises:
        MismatchError: If they have another.
    """
    if keys.shape != size:
        raise MismatchError(path, keys, size)
    return keys


def check_area(path: Path, received: tuple[int, int], size: tuple[int, int] | None) -> None:
    """Refuses a mask of far more pixels than its image, before it is decoded.

    Args:
        path: The mask.
        received: Its (height, width).
        size: That of its image, if it is known.

    Raises:
        DataError: If it has.
    """
    if size is not None and math.prod(received) > _MOST_TIMES_LARGER * math.prod(size):
        raise DataError(
            f"{path}: expected the size of its image, {size[0]}x{size[1]} (height x width). Received: "
            f"{received[0]}x{received[1]}. Nothing was decoded. Export it again."
        )
