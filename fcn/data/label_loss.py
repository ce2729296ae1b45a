"""Labels that were stored with loss: as a JPEG, or resized with interpolation."""

import cv2
import numpy as np
import numpy.typing as npt

from fcn.classes import VOID, count_ids

LOSSY_FORMATS = ("JPEG", "WEBP", "AVIF", "HEIF", "JPEG2000")
"""Formats, as Pillow names them, that store other values than they are given, or may."""

LOSS_REMEDY = "Make it again as a PNG from the original, without resizing it or with nearest neighbor."
"""What to do with such a label."""

_FEWEST_STRAYS, _SOLID = 8, np.ones((3, 3), np.uint8)


def stray_ids(label: npt.NDArray[np.uint8]) -> list[int]:
    """Returns the ids that are nowhere on 3 x 3 pixels together, as the ids that loss adds at edges.

    Thin objects have such ids too, but few of them are in one image.

    Args:
        label: `uint8[H, W]`, class ids.
    """
    present = set(np.flatnonzero(count_ids(label)).tolist()) - {VOID}
    # Beyond the border is what is at the border, so that a narrow area along it is solid.
    lowest = cv2.erode(label, _SOLID, borderType=cv2.BORDER_REPLICATE)
    highest = cv2.dilate(label, _SOLID, borderType=cv2.BORDER_REPLICATE)
    solid = lowest == highest
    return sorted(present - set(np.unique(label[solid]).tolist()))


def looks_lossy(label: npt.NDArray[np.uint8]) -> bool:
    """Returns whether a label holds so many stray ids that it was probably stored with loss.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.

    Example:
        >>> label = np.zeros((16, 16), np.uint8)
        >>> label[4:12, 4:12] = 15
        >>> looks_lossy(label)
        False
        >>> blurred = cv2.blur(label, (5, 5))
        >>> looks_lossy(blurred)
        True
    """
    strays = stray_ids(label)
    return len(strays) >= _FEWEST_STRAYS and 2 * len(strays) >= int(np.count_nonzero(count_ids(label)))


def describe_lossy(count: int) -> str:
    """Returns a warning about labels for which `looks_lossy` is true.

    Args:
        count: How many there are, at least one.

    Example:
        >>> describe_lossy(1).partition(":")[0]
        '1 label seems to have been stored with loss'
    """
    labels = "1 label seems" if count == 1 else f"{count:,} labels seem"
    return (
        f"{labels} to have been stored with loss: most of the ids are only at edges, as a JPEG or "
        f"interpolation leaves them, so a net would learn wrong classes there. {LOSS_REMEDY}"
    )
