"""Changes of which parts of an example are seen: pasting classes of another one, and cutting out a box."""

import math

import numpy as np
import numpy.typing as npt

from fcn.classes import VOID, count_ids
from fcn.data.augmentation import BORDER_COLOR, Pixels

_BOX_SHARE, _BOX_ASPECT = (0.02, 0.2), (0.5, 2.0)
Box = tuple[slice, slice]


def choose_classes(label: Pixels, num_classes: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Returns where a label has half of its classes, rounded down; which, is drawn.

    Source: ClassMix (Olsson, Tranheden, Pinto & Svensson, WACV 2021), on labels in place of predictions.

    Args:
        label: `uint8[H, W]`, class ids; what is not below `num_classes` is no class.
        num_classes: How many classes there are.
        rng: Random generator.

    Returns:
        `bool[H, W]`.
    """
    present = np.flatnonzero(count_ids(label)[:num_classes])
    chosen = np.zeros(256, bool)
    chosen[rng.permutation(present)[: len(present) // 2]] = True
    return chosen[label]


def draw_box(size: tuple[int, int], rng: np.random.Generator) -> Box:
    """Draws a rectangle inside of an image, of 2 to 20 percent of it; sides differ by a factor of 2 at most.

    Source: cutout (DeVries & Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout",
    2017), with sizes and sides drawn as in random erasing (Zhong, Zheng, Kang, Li & Yang, AAAI 2020).

    Args:
        size: (height, width), in pixels.
        rng: Random generator.
    """
    height, width = size
    area = rng.uniform(*_BOX_SHARE) * height * width
    aspect = math.exp(rng.uniform(*np.log(_BOX_ASPECT)))
    rows = min(height, max(1, round(math.sqrt(area * aspect))))
    columns = min(width, max(1, round(math.sqrt(area / aspect))))
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    return slice(top, top + rows), slice(left, left + columns)


def cut_out(image: Pixels | None, label: Pixels, box: Box) -> tuple[Pixels | None, Pixels]:
    """Returns an example of which a box is void and of the color of a border.

    Args:
        image: `uint8[H, W, 3]`, RGB; None if only the label is wanted.
        label: `uint8[H, W]`, class ids, 255 = void.
        box: The rows and columns.
    """
    label = label.copy()
    label[box] = VOID
    if image is not None:
        image = image.copy()
        image[box] = BORDER_COLOR
    return image, label
