"""The pictures of a report: which images to show, and how to show where a net is wrong."""

import base64
import math
from collections.abc import Sequence
from html import escape
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

from fcn.classes import VOID
from fcn.data.image_io import (
    Pixels,
    encode_jpeg,
    encode_label,
    exif_orientation,
    read_file,
    upright,
)
from fcn.data.voc import read_example
from fcn.evaluation import ImageScore
from fcn.inference.predictor import Predictor

WRONG_COLOR = (235, 45, 45)
VOID_COLORS = ((255, 255, 255), (200, 200, 175))
"""The two colors of the stripes that mark void in a difference."""

_LONGER_SIDE = 320
_STRIPE = 3
_DIMMED = 0.45
"""Brightness of a right pixel in a difference: dark enough for red and white to stand out."""


def choose(images: Sequence[ImageScore], count: int) -> tuple[list[ImageScore], list[ImageScore]]:
    """Returns the images with the highest mean IoU, best first, and the lowest, worst first.

    Args:
        images: All that were scored; those without a score (NaN) are left out.
        count: How many of each. Where there are fewer than twice as many, none comes in both lists.

    Example:
        >>> from fcn.data.voc import Example
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
    """Shows where a prediction is right (dimmed and grey), wrong (red) and not scored (striped).

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
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    picture = np.repeat((grey * _DIMMED).astype(np.uint8)[..., np.newaxis], 3, axis=-1)
    rows, columns = np.indices(label.shape)
    stripes = np.array(VOID_COLORS, np.uint8)[(rows + columns) // _STRIPE % 2]
    picture[label != prediction] = WRONG_COLOR
    void = label == VOID
    picture[void] = stripes[void]
    return picture


def pictures_row(predictor: Predictor, score: ImageScore) -> str:
    """Returns HTML that shows an image, its label, its prediction and their difference, upright.

    Raises:
        DataError: If the image or label cannot be used any more.
    """
    example, classes = score.example, predictor.classes
    image, label = read_example(example, len(classes.names))
    prediction = predictor.predict(image).label
    orientation = exif_orientation(read_file(example.image_path))
    height, width = image.shape[:2]
    scale = min(1.0, _LONGER_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    # Nearest takes the same pixels of label and prediction, so these differ where the full ones do.
    image = upright(cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8), orientation)
    label, prediction = (
        upright(cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8), orientation)
        for ids in (label, prediction)
    )
    wrong = difference(image, label, prediction)
    name = escape(example.image_path.name)
    figures = (
        _figure("image", f"Photograph {name}", "jpeg", encode_jpeg(image), image),
        _figure("label", f"True classes of {name}", "png", encode_label(label, classes), image),
        _figure("prediction", f"Prediction for {name}", "png", encode_label(prediction, classes), image),
        _figure("difference", f"Wrong pixels of {name}", "png", _encode_png(wrong), image),
    )
    return (
        f'<article><h4>{name} <span class="iou">mean IoU <b>{score.mean_iou:.3f}</b></span></h4>\n'
        f'<div class="pictures">{"".join(figures)}</div></article>\n'
    )


def _figure(caption: str, alt: str, kind: str, data: bytes, like: Pixels) -> str:
    height, width = like.shape[:2]
    content = base64.b64encode(data).decode()
    return (
        f'<figure><img class="{kind}" src="data:image/{kind};base64,{content}" alt="{alt}" '
        f'width="{width}" height="{height}"><figcaption>{caption}</figcaption></figure>\n'
    )


def _encode_png(picture: Pixels) -> bytes:
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
