"""Rare-class sampling: crops that hold rare classes are drawn more often.

Source: Hoyer, Dai and Van Gool, "DAFormer: Improving Network Architectures and Training Strategies for
Domain-Adaptive Semantic Segmentation", CVPR 2022, section 3.3. For each crop, a class is drawn, then an
image that holds it, then a view of the image that shows enough of it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.config.augmentation import AugmentationConfig
from fcn.data.augmentation import Pixels, View, cut_label, random_view

TRIES = 10
"""Views of an image that are drawn at most."""

# DAFormer's code draws again until a crop of 512x512 has 1,500 pixels of the class, at most ten times; here,
# a small object need only be half in view. It leaves out images of 512x1024 with less than 3,000 pixels of
# the class; here they are drawn less often: a class of small objects is not learned from few images alone.
_SHARE_OF_CROP = 1500 / 512**2
_SHARE_OF_IMAGE = 3000 / (512 * 1024)
_SHARE_OF_OBJECT = 0.5


class DrawnClass(NamedTuple):
    """A class that a crop shall hold.

    Attributes:
        class_id: The class.
        pixels: How many pixels the label of the image has of it.
    """

    class_id: int
    pixels: int


class ClassSampler:
    """The odds by which classes are drawn, and the images that hold them.

    Args:
        pixels: `int64[images, classes]`, the pixels of each class in each label, without void.
        temperature: The lower, the more often rare classes are drawn. Above 0.

    Attributes:
        pixels: As above.
        shares: `float64[classes]`, the share of each class of all labeled pixels.
        probabilities: `float64[classes]`, how likely each class is drawn; see `class_probabilities`.

    Raises:
        ValueError: If no image has a labeled pixel.
    """

    def __init__(self, pixels: npt.NDArray[np.int64], temperature: float) -> None:
        own = pixels.sum(axis=0)
        if not own.any():
            raise ValueError(f"Expected labeled pixels. Received: none in {len(pixels)} images.")
        self.pixels = pixels
        self.shares = own / own.sum()
        self.probabilities = class_probabilities(self.shares, temperature)
        enough = _SHARE_OF_IMAGE * pixels.sum(axis=1, keepdims=True)
        self._odds = np.minimum(pixels, enough)
        self._odds /= np.maximum(self._odds.sum(axis=0), 1e-300)

    def draw(self, rng: np.random.Generator) -> tuple[int, int]:
        """Draws a class, and one of the images that hold it.

        An image with less than 0.57% of its labeled pixels in the class is drawn as much less often.

        Args:
            rng: Random generator.

        Returns:
            The id of the class, and the index of the image.
        """
        class_id = int(rng.choice(len(self.probabilities), p=self.probabilities))
        return class_id, int(rng.choice(len(self._odds), p=self._odds[:, class_id]))


def class_probabilities(shares: npt.NDArray[np.float64], temperature: float) -> npt.NDArray[np.float64]:
    """Returns how likely each class is drawn: P(c) is proportional to exp((1 - f(c)) / T).

    Args:
        shares: `float64[classes]`, f: the share of each class of all labeled pixels, above 0 for one of them.
        temperature: T, above 0. Near 0, the rarest class is always drawn; a large one makes all equal.

    Returns:
        `float64[classes]`, with a sum of 1; 0 for a class without a pixel.

    Example:
        >>> class_probabilities(np.array([0.97, 0.03, 0.0]), 1.0).round(3)
        array([0.281, 0.719, 0.   ])
    """
    occurs = shares > 0
    with np.errstate(over="ignore"):  # infinitely less likely than the rarest class
        exponents = (shares[occurs].min() - shares[occurs]) / temperature
    probabilities = np.zeros(len(shares))
    probabilities[occurs] = np.exp(exponents) / np.exp(exponents).sum()
    return probabilities


def view_of_class(
    label: Pixels,
    drawn: DrawnClass,
    crop_size: tuple[int, int],
    settings: AugmentationConfig,
    rng: np.random.Generator,
) -> View:
    """Draws views as `random_view` does until one shows enough of a class.

    Enough are 0.57% of the crop, or half of the pixels that the image has of the class, at the scale of the
    view. If none of `TRIES` views has as many, it is the one with the most.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.
        drawn: The class.
        crop_size: (height, width) of the view, in pixels.
        settings: The ranges to draw from.
        rng: Random generator.
    """
    height, width = label.shape
    of_crop = _SHARE_OF_CROP * crop_size[0] * crop_size[1]
    tried: list[tuple[int, View]] = []
    for _ in range(TRIES):
        view = random_view((height, width), crop_size, settings, rng)
        shown = int(np.count_nonzero(cut_label(label, view, crop_size) == drawn.class_id))
        if shown >= max(1, min(of_crop, _SHARE_OF_OBJECT * drawn.pixels * view.scale**2)):
            return view
        tried.append((shown, view))
    return max(tried, key=lambda one: one[0])[1]
