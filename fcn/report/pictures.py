"""The pictures of a report: the images to show, and the pixels where a net is wrong."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import cv2
import numpy as np

from fcn.classes import VOID, Classes
from fcn.data.image_io import (
    Pixels,
    colorize,
    encode_jpeg,
    encode_label,
    encode_png,
)
from fcn.data.voc import Example, read_example
from fcn.outputs.overlay import LegendEntry, legend_strip
from fcn.pages.picture import Picture, embed
from fcn.pages.swatch import class_swatches

if TYPE_CHECKING:  # these import a backend; a page needs none
    from fcn.evaluation.evaluation import ImageScore
    from fcn.inference.predictor import Predictor

T = TypeVar("T")

# style.css has the same colors, for the legend.
WRONG_COLOR = (235, 45, 45)
VOID_COLORS = ((255, 255, 255), (200, 200, 175))
"""The two colors of the stripes that mark void in a difference."""

_LONGER_SIDE = 320
_GAP = 4
_STRIPE = 3
_DIMMED = 0.45
"""Brightness of a right pixel in a difference: dark enough that red and white are conspicuous."""


def choose(images: Sequence["ImageScore"], count: int) -> tuple[list["ImageScore"], list["ImageScore"]]:
    """Returns the images with the highest mean IoU, best first, and the lowest, worst first.

    Args:
        images: All that were scored; those without a score (NaN) are left out.
        count: How many of each. If there are fewer than twice as many, no image is in both lists.

    Example:
        >>> from fcn.evaluation.evaluation import ImageScore
        >>> images = [ImageScore(Example(name, None, None), iou) for name, iou in [("a", 0.2), ("b", 0.9)]]
        >>> [[image.example.name for image in chosen] for chosen in choose(images, count=4)]
        [['b'], ['a']]
    """
    known = [image for image in images if not math.isnan(image.mean_iou)]
    ranked = sorted(known, key=lambda image: image.mean_iou, reverse=True)
    num_best = min(count, (len(ranked) + 1) // 2)
    num_worst = min(count, len(ranked) - num_best)
    return ranked[:num_best], ranked[::-1][:num_worst]


def difference(image: Pixels, label: Pixels, prediction: Pixels) -> Pixels:
    """Returns a picture of where a prediction is right (dimmed, gray), wrong (red) and not scored (striped).

    Args:
        image: `uint8[H, W, 3]`, RGB.
        label: `uint8[H, W]`, true class ids, 255 = void.
        prediction: `uint8[H, W]`, predicted class ids.

    Returns:
        `uint8[H, W, 3]`, RGB. Wrong pixels are `WRONG_COLOR`, void ones one of `VOID_COLORS`.

    Example:
        >>> image = np.full((1, 2, 3), 200, np.uint8)
        >>> difference(image, np.array([[1, 1]], np.uint8), np.array([[1, 0]], np.uint8)).tolist()
        [[[90, 90, 90], [235, 45, 45]]]
    """
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    picture = np.repeat((gray * _DIMMED).astype(np.uint8)[..., np.newaxis], 3, axis=-1)
    rows, columns = np.indices(label.shape)
    stripes = np.array(VOID_COLORS, np.uint8)[(rows + columns) // _STRIPE % 2]
    picture[label != prediction] = WRONG_COLOR
    void = label == VOID
    picture[void] = stripes[void]
    return picture


class LabeledPicture(NamedTuple):
    """An image with its true and its predicted label, small, to show to people.

    Attributes:
        image: `uint8[h, w, 3]`, RGB.
        label: `uint8[h, w]`, true class ids, 255 = void.
        prediction: `uint8[h, w]`, predicted class ids.
    """

    image: Pixels
    label: Pixels
    prediction: Pixels


def label_picture(predictor: "Predictor", example: Example) -> LabeledPicture:
    """Labels an image, and returns it, its label and its prediction, small.

    Raises:
        DataError: If the image or label can no longer be used.
    """
    image, label = read_example(example._replace(bits=predictor.bits), len(predictor.classes.names))
    prediction = predictor.predict(image).label
    height, width = image.shape[:2]
    scale = min(1.0, _LONGER_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))

    def small(pixels: Pixels, interpolation: int) -> Pixels:
        return cv2.resize(pixels, size, interpolation=interpolation).astype(np.uint8)

    # Nearest neighbor takes the same pixels of label and prediction, so the small ones differ where these do.
    nearest = cv2.INTER_NEAREST_EXACT
    return LabeledPicture(small(image, cv2.INTER_AREA), small(label, nearest), small(prediction, nearest))


def side_by_side(picture: LabeledPicture, classes: Classes) -> Pixels:
    """Returns an image, its label and its prediction beside each other, with a legend below.

    Args:
        picture: The image and its labels.
        classes: The names and colors of the ids. The legend lists those that occur.

    Returns:
        `uint8[h + legend, 3 * w + 8, 3]`, RGB: parts are 4 pixels apart; void is shown in its own color.

    Example:
        >>> image = np.zeros((40, 60, 3), np.uint8)
        >>> picture = LabeledPicture(image, image[..., 0], image[..., 0])
        >>> side_by_side(picture, Classes.named(("sky", "sea"))).shape[1]
        188
    """
    gap = np.full((len(picture.image), _GAP, 3), 255, np.uint8)
    label, prediction = colorize(picture.label, classes), colorize(picture.prediction, classes)
    row = np.concatenate([picture.image, gap, label, gap, prediction], axis=1)
    present = class_swatches(classes, np.union1d(picture.label, picture.prediction).tolist())
    entries = [LegendEntry(name, "", color) for name, color in present]
    return np.concatenate([row, legend_strip(entries, row.shape[:2])])


def spread(items: Sequence[T], count: int) -> list[T]:
    """Returns a few items of a split at equal distances, always the same ones.

    Args:
        items: Those of the split, such as its examples or their indices.
        count: Number of items to choose; all if there are fewer.

    Example:
        >>> spread("abcdef", count=3), spread(range(2), count=3)
        (['a', 'c', 'e'], [0, 1])
    """
    count = min(count, len(items))
    return [items[index * len(items) // count] for index in range(count)]


class ShownImage(NamedTuple):
    """An image on a page.

    Attributes:
        name: Of its file.
        mean_iou: Of this image alone, from 0 to 1.
        pictures: The image, its label, its prediction and their difference.
    """

    name: str
    mean_iou: float
    pictures: tuple[Picture, ...]


def show_image(predictor: "Predictor", score: "ImageScore") -> ShownImage:
    """Labels an image, and returns it as a page shows it.

    Raises:
        DataError: If the image or label can no longer be used.
    """
    classes, name = predictor.classes, score.example.image_path.name
    image, label, prediction = label_picture(predictor, score.example)
    wrong, size = difference(image, label, prediction), image.shape
    pictures = (
        embed("image", f"Image {name}", "jpeg", encode_jpeg(image), size),
        embed("label", f"True classes of {name}", "png", encode_label(label, classes), size),
        embed("prediction", f"Predicted classes of {name}", "png", encode_label(prediction, classes), size),
        embed("difference", f"Wrong pixels of {name}", "png", encode_png(wrong), size),
    )
    return ShownImage(name, score.mean_iou, pictures)
