"""A heatmap: where in an image a converted net sees a class."""

import math
from collections.abc import Callable
from typing import Any

import cv2
import keras
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from fcn.data.image_io import Pixels
from fcn.errors import RunError
from fcn.pages.percent import percent
from fcn.proof.unpadded import Size, find_stride, map_size

COLORS = cv2.COLORMAP_INFERNO
"""A map on which even steps of probability look even, also without colors; dark is low."""

FEWEST_CELLS, MOST_CELLS = 6, 32
"""Number of cells of the map, on its shorter and longer side, that an image is enlarged or reduced for."""

# The image stays visible, but gray, so that its colors are not mistaken for probabilities.
_PHOTOGRAPH_SHARE = 0.45
_STRIP = (38, 38, 42)
_WORDS = (242, 242, 242)
_FRAME = (150, 150, 155)
_SMALLEST_TEXT, _LARGEST_TEXT = 10, 96

_LARGE = (4096, 4096)
"""A size into which every net fits."""

Array = npt.NDArray[np.float32]


def heatmap_image(
    converted: keras.Model,
    image: Pixels,
    class_index: int,
    class_name: str | None = None,
    preprocess: Callable[[Array], Any] | None = None,
) -> Pixels:
    """Draws the probabilities of a class over an image, with a scale below.

    The brightest color is the largest probability in the picture; the scale shows its value.

    Args:
        converted: A net that `convolutionalize` made; from `[B, H, W, C]` to answers `[B, rows, columns,
            num_classes]`, probabilities or scores.
        image: `uint8[H, W, 3]`, RGB, upright, of any size.
        class_index: Index of the class, from 0.
        class_name: Name of the class in the picture; None for its index.
        preprocess: Function from `float32[B, H, W, C]`, 0 to 255, to the input that the net expects; None if
            that is pixels as they are.

    Returns:
        `uint8[H + scale, W, 3]`, RGB.

    Raises:
        RunError: If the class does not exist, or the net does not take images of 1 or 3 channels.

    Example:
        >>> from fcn.models.surgery import convolutionalize
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.MaxPooling2D(4)]
        >>> model = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(2)])
        >>> heatmap_image(convolutionalize(model), np.zeros((60, 90, 3), np.uint8), 1).shape
        (82, 90, 3)
    """
    probabilities = class_probabilities(converted, image, class_index, preprocess)
    largest = max(float(probabilities.max()), float(np.finfo(np.float32).tiny))
    colors = _colors(np.round(255 * probabilities / largest).astype(np.uint8))
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    picture = cv2.addWeighted(gray, _PHOTOGRAPH_SHARE, colors, 1 - _PHOTOGRAPH_SHARE, 0).astype(np.uint8)
    return np.concatenate([picture, _scale(image.shape[:2], class_name or f"class {class_index}", largest)])


def class_probabilities(
    converted: keras.Model,
    image: Pixels,
    class_index: int,
    preprocess: Callable[[Array], Any] | None = None,
) -> Array:
    """Returns the probability of a class at each pixel: `float32[H, W]`, 0 to 1.

    It changes smoothly between the centers of the net's windows. For the arguments and errors see
    `heatmap_image`.

    Example:
        >>> net = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 1)])
        >>> net.layers[0].set_weights([np.zeros((1, 1, 3, 4)), np.zeros(4)])
        >>> round(class_probabilities(net, np.zeros((20, 30, 3), np.uint8), 0).mean().item(), 6)
        0.25
    """
    num_classes = converted.output_shape[-1]
    if not 0 <= class_index < num_classes:
        raise RunError(
            f"Expected a class from 0 to {num_classes - 1}, as {converted.name} has {num_classes}. "
            f"Received: {class_index}."
        )
    channels = converted.input_shape[-1]
    if channels not in (1, 3):
        raise RunError(f"Expected a net of gray or color images. Received: a net of {channels} channels.")
    height, width = image.shape[:2]
    strides = find_stride(converted, _LARGE)
    size = _fitting(converted, (height, width), strides)
    enlarged = size[0] > height
    pixels = cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC if enlarged else cv2.INTER_AREA)
    if channels == 1:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., np.newaxis]
    batch = pixels[np.newaxis].astype(np.float32)
    answers = converted(batch if preprocess is None else preprocess(batch), training=False)
    probabilities = keras.ops.convert_to_numpy(_probabilities(converted, answers))
    cells = probabilities[0, ..., class_index].astype(np.float32)
    rows, columns = (
        _weights(length, count, stride * length / fitted)
        for length, count, stride, fitted in zip((height, width), cells.shape, strides, size, strict=True)
    )
    return np.asarray(rows @ cells @ columns.T, np.float32)


def _fitting(converted: keras.Model, size: Size, strides: Size) -> Size:
    """Returns the (height, width) at which the map of an image is neither too coarse nor too large."""
    # The window of one cell, and the rest that the borders of a large image leave over.
    rows, columns = map_size(converted, _LARGE)
    window = _LARGE[0] - (rows - 1) * strides[0], _LARGE[1] - (columns - 1) * strides[1]
    fewest, most = (
        [w + (count - 1) * stride for w, stride in zip(window, strides, strict=True)]
        for count in (FEWEST_CELLS, MOST_CELLS)
    )
    reduced = min(1.0, *(side / length for side, length in zip(most, size, strict=True)))
    factor = max(reduced, *(side / length for side, length in zip(fewest, size, strict=True)))
    return math.ceil(size[0] * factor), math.ceil(size[1] * factor)


def _probabilities(converted: keras.Model, answers: Any) -> Any:
    last = converted.layers[-1]
    activation = getattr(last, "activation", None)
    ready = (keras.activations.softmax, keras.activations.sigmoid)
    if isinstance(last, keras.layers.Softmax) or activation in ready:
        return answers
    return keras.ops.sigmoid(answers) if answers.shape[-1] == 1 else keras.ops.softmax(answers)


def _weights(length: int, count: int, stride: float) -> Array:
    """Returns the weight of each of `count` cells, `stride` pixels apart, in each of `length` pixels.

    The cells lie around the middle. Weights change smoothly between two cells, so that no false edges are
    visible; beyond the outermost cell only that one counts.
    """
    first = (length - (count - 1) * stride) / 2
    places = np.clip((np.arange(length) + 0.5 - first) / stride, 0, count - 1)
    before = np.minimum(places.astype(int), max(count - 2, 0))
    between = places - before
    smooth = before + between**2 * (3 - 2 * between)
    weights = np.maximum(0, 1 - np.abs(smooth[:, np.newaxis] - np.arange(count)))
    return np.asarray(weights, np.float32)


def _colors(values: Pixels) -> Pixels:
    return cv2.cvtColor(cv2.applyColorMap(values, COLORS), cv2.COLOR_BGR2RGB).astype(np.uint8)


def _scale(size: Size, name: str, largest: float) -> Pixels:
    """Returns the strip below the picture: the class, and the colors from 0 to the largest probability."""
    height, width = size
    unit = round(min(max(min(0.028 * (height * width) ** 0.5, width / 16), _SMALLEST_TEXT), _LARGEST_TEXT))
    font = ImageFont.load_default(size=unit)
    margin, line = round(0.6 * unit), round(1.6 * unit)
    strip = Image.new("RGB", (width, line + margin // 2 * 2), _STRIP)
    draw = ImageDraw.Draw(strip)
    middle = strip.height // 2
    end = percent(largest, digits=1)
    right = width - margin - math.ceil(font.getlength(end))
    bar = min(12 * unit, max(2 * unit, width // 3))
    left = right - margin - bar
    if left > margin:
        ramp = np.linspace(0, 255, bar).astype(np.uint8)[np.newaxis].repeat(unit, axis=0)
        strip.paste(Image.fromarray(_colors(ramp)), (left, middle - unit // 2))
        box = (left - 1, middle - unit // 2 - 1, left + bar, middle - unit // 2 + unit)
        draw.rectangle(box, outline=_FRAME)
        draw.text((right, middle), end, _WORDS, font, anchor="lm")
    zero = left - margin - math.ceil(font.getlength("0"))
    if zero > margin:
        draw.text((zero, middle), "0", _WORDS, font, anchor="lm")
    room = zero - 2 * margin
    shown = name
    while shown and font.getlength(shown if shown == name else f"{shown}…") > room:
        shown = shown[:-1]
    if shown:
        draw.text((margin, middle), shown if shown == name else f"{shown}…", _WORDS, font, anchor="lm")
    return np.array(strip)
