"""Draws an image: cluttered ground, objects and their shadows, light and a camera.

Everything is painted back to front at the image's own size with antialiased edges; the label is drawn
in the same order, so that it shows what is visible.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from fcn.classes import VOID
from fcn.data.generated.shapes import SHAPES, Array, dots, fractal_noise, random_color, random_colors

Bytes = npt.NDArray[np.uint8]

SMALLEST_RADIUS = 13.0
LARGEST_HIDDEN_PART = 0.4
"""An object that would hide more than this of what is visible of another one is left out."""

SUBPIXEL_BITS = 4
"""OpenCV draws corners at sixteenths of a pixel."""


def draw_scene(
    rng: np.random.Generator, size: tuple[int, int], classes: Sequence[int]
) -> tuple[Bytes, Bytes]:
    """Returns a drawn image and its label.

    Args:
        rng: Where the randomness comes from.
        size: (height, width) in pixels.
        classes: Class ids, from 1, of the objects from back to front. The first one is always drawn; a
            further one is left out if it would hide too much of another.

    Returns:
        Image `uint8[H, W, 3]`, RGB, and label `uint8[H, W]`: class ids, 255 in a border two pixels wide
        between objects and between objects and the background.

    Example:
        >>> image, label = draw_scene(np.random.default_rng(0), (64, 80), [1])
        >>> image.shape, np.unique(label).tolist()
        ((64, 80, 3), [0, 1, 255])
    """
    angle = rng.uniform(0, 2 * np.pi)
    light = np.array([np.cos(angle), np.sin(angle), rng.uniform(0.6, 1.1)], np.float32)
    light /= np.linalg.norm(light)
    canvas = _draw_litter(rng, _ground(rng, size), light)
    numbers = np.zeros(size, np.uint8)
    ids = [0]
    placed: list[tuple[float, float, float]] = []
    for class_id in classes:
        spot = _place(rng, size, len(classes), placed)
        if _draw_object(rng, canvas, numbers, len(ids), list(SHAPES)[class_id - 1], spot, light):
            ids.append(class_id)
            placed.append(spot)
    label = np.array(ids, np.uint8)[numbers]
    around = np.ones((3, 3), np.uint8)
    label[cv2.dilate(numbers, around) != cv2.erode(numbers, around)] = VOID
    return _photograph(rng, canvas, light), label


def _fixed_point(corners: Array) -> npt.NDArray[np.int32]:
    rounded: npt.NDArray[np.int32] = np.round(corners * 2**SUBPIXEL_BITS).astype(np.int32)
    return rounded


def _ground(rng: np.random.Generator, size: tuple[int, int]) -> Array:
    """Returns `float32[H, W, 3]`, 0 to 1: blotches of three colors, grain and a faint pattern."""
    height, width = size
    first, second = random_colors(rng)
    third, _ = random_colors(rng)
    blotch = fractal_noise(rng, size, rng.uniform(25, 90))
    contrast = rng.uniform(0.25, 1.0)
    mix = np.clip(0.5 + contrast * blotch, 0, 1)[..., None]
    canvas = first + mix * (second - first)
    stain = np.clip(fractal_noise(rng, size, rng.uniform(30, 60)) - 0.3, 0, 1)[..., None]
    canvas += stain * (third - canvas)

    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)
    angle = rng.uniform(0, np.pi)
    along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle)) + 3 * blotch
    across = y * np.float32(np.cos(angle)) - x * np.float32(np.sin(angle)) + 3 * blotch
    period = rng.uniform(5, 14)
    kind = rng.integers(5)
    if kind == 0:
        pattern = np.sin(along * np.float32(2 * np.pi / period))
    elif kind == 1:
        pattern = dots(along / np.float32(period), across / np.float32(period), rng.uniform(0.2, 0.35), 0.2)
    elif kind == 2:
        streak = fractal_noise(rng, (height, width * 2), 6.0)
        pattern = cv2.remap(streak, along % width * 2, np.abs(across * 0.3) % height, cv2.INTER_LINEAR)
    else:
        pattern = np.zeros(size, np.float32)
    where = np.clip(0.5 + 1.2 * fractal_noise(rng, size, 50.0), 0, 1)
    grain = cv2.GaussianBlur(rng.standard_normal(size, np.float32), (0, 0), rng.uniform(0.6, 1.4))
    relief = 1 + rng.uniform(0.06, 0.22) * pattern * where + rng.uniform(0.02, 0.18) * grain
    ground: Array = canvas * relief[..., None]
    return ground


def _draw_litter(rng: np.random.Generator, canvas: Array, light: Array) -> Array:
    """Returns the canvas, `float32[H, W, 3]`, with plain patches, strokes and crumbs of no class."""
    height, width = canvas.shape[:2]
    painted = np.clip(canvas * 255, 0, 255).astype(np.uint8)
    shadow = np.zeros((height, width), np.uint8)
    offset = _fixed_point(-2.5 * light[:2])
    patches, strokes, crumbs = rng.integers(0, 2), rng.integers(0, 7), rng.integers(5, 25)
    kinds = ["patch"] * patches + ["stroke"] * strokes + ["crumb"] * crumbs
    for kind in kinds:
        center = rng.uniform((0, 0), (width, height))
        color = [255 * channel for channel in random_color(rng)]
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9 if kind == "patch" else int(rng.integers(3, 8))))
        radius = rng.uniform(12, 40) if kind == "patch" else rng.uniform(1.5, 5.5)
        corners = np.stack([np.cos(angles), np.sin(angles) * rng.uniform(0.5, 1)], 1) * radius
        if kind == "stroke":
            start, swing = rng.uniform(0, 6), rng.uniform(-2.5, 2.5)
            heading = start + swing * np.linspace(0, 1, 10)
            corners = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1) * rng.uniform(2, 7), 0)
        points = _fixed_point(center + corners)
        if kind == "stroke":
            thick = int(rng.integers(1, 3))
            cv2.polylines(shadow, [points + offset], False, 255, thick, cv2.LINE_AA, SUBPIXEL_BITS)
            cv2.polylines(painted, [points], False, color, thick, cv2.LINE_AA, SUBPIXEL_BITS)
        else:
            cv2.fillPoly(shadow, [points + offset], 255, cv2.LINE_AA, SUBPIXEL_BITS)
            cv2.fillPoly(shadow, [points], 0, cv2.LINE_AA, SUBPIXEL_BITS)
            cv2.fillPoly(painted, [points], color, cv2.LINE_AA, SUBPIXEL_BITS)
    shade = 1 - 0.35 / 255 * cv2.GaussianBlur(shadow, (0, 0), 1.2).astype(np.float32)
    return painted.astype(np.float32) / 255 * shade[..., None]


def _place(
    rng: np.random.Generator, size: tuple[int, int], count: int, placed: list[tuple[float, float, float]]
) -> tuple[float, float, float]:
    """Returns x, y and radius of a new object: of a few random spots the one with most room."""
    height, width = size
    short = min(size)
    radius = max(SMALLEST_RADIUS, short * rng.uniform(0.14, 0.38 if count < 4 else 0.32))
    margin = 0.6 * radius
    spots = rng.uniform((margin, margin), (width - margin, height - margin), (int(rng.integers(6, 16)), 2))
    crowding = np.zeros(len(spots))
    for x, y, other in placed:
        distance = np.hypot(spots[:, 0] - x, spots[:, 1] - y)
        crowding += np.maximum(0, radius + other - distance) / min(radius, other)
    x, y = spots[crowding.argmin()]
    return float(x), float(y), float(radius)


def _draw_object(
    rng: np.random.Generator,
    canvas: Array,
    numbers: Bytes,
    number: int,
    name: str,
    spot: tuple[float, float, float],
    light: Array,
) -> bool:
    """Draws an object and its shadow on `canvas` and its number in `numbers`; False if it hid too much."""
    x, y, radius = spot
    shape = SHAPES[name](rng, radius)
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], np.float32)
    outline = shape.outline @ turn * np.float32(radius) + np.array([x, y], np.float32)
    points = _fixed_point(outline)
    cover = np.zeros(numbers.shape, np.uint8)
    cv2.fillPoly(cover, [points], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    hidden = np.bincount(numbers[cover > 127], minlength=number)[1:]
    visible = np.bincount(numbers.ravel(), minlength=number)[1:]
    if (hidden > LARGEST_HIDDEN_PART * visible).any():
        return False

    shift = -light[:2] / light[2] * np.float32(rng.uniform(0.08, 0.22) * radius)
    shadow = np.zeros(numbers.shape, np.uint8)
    cv2.fillPoly(shadow, [_fixed_point(outline + shift)], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    soft = cv2.GaussianBlur(shadow, (0, 0), 0.05 * radius + 1).astype(np.float32)
    canvas *= (1 - rng.uniform(0.35, 0.6) / 255 * soft)[..., None]

    left, top = np.maximum(np.floor(outline.min(0)).astype(int) - 1, 0)
    right, bottom = np.ceil(outline.max(0)).astype(int) + 2
    right, bottom = np.minimum((right, bottom), (canvas.shape[1], canvas.shape[0]))
    window = (slice(top, bottom), slice(left, right))
    cover = cover[window]
    grid_x = ((np.arange(left, right) - x) / radius).astype(np.float32)
    grid_y = ((np.arange(top, bottom) - y) / radius).astype(np.float32)[:, None]
    local_x, local_y = turn[0, 0] * grid_x + turn[0, 1] * grid_y, turn[1, 0] * grid_x + turn[1, 1] * grid_y
    local_light = np.array([*(turn @ light[:2]), light[2]], np.float32)
    pattern, shade = shape.surface(local_x, local_y, local_light)
    wear = fractal_noise(rng, (bottom - top, right - left), rng.uniform(8, 24))
    pattern = np.clip(pattern * (1 + 0.15 * wear), 0, 1)

    first, second = random_colors(rng)
    paint = first + pattern[..., None] * (second - first)
    alpha = cover.astype(np.float32) / 255
    # The rim that faces the light shines, the other one darkens: the blurred cover is a rounded body.
    body = cv2.GaussianBlur(alpha, (0, 0), 1.8, borderType=cv2.BORDER_REPLICATE)
    rim = -cv2.Sobel(body, cv2.CV_32F, 1, 0) * light[0] - cv2.Sobel(body, cv2.CV_32F, 0, 1) * light[1]
    paint *= (shade * (1 + 0.35 * rim + rng.uniform(0.05, 0.14) * wear))[..., None]
    canvas[window] += alpha[..., None] * (paint - canvas[window])
    numbers[window][cover > 127] = number
    return True


def _photograph(rng: np.random.Generator, canvas: Array, light: Array) -> Bytes:
    """Returns `uint8[H, W, 3]`: the canvas under uneven light, slightly blurred, with a sensor's noise."""
    height, width = canvas.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    level = rng.uniform(0.8, 1.15) + rng.uniform(0.05, 0.3) * (light[0] * x + light[1] * y)
    level -= rng.uniform(0, 0.15) * (x**2 + y**2)
    saturation = rng.uniform(0.5, 1)
    mix = saturation * np.eye(3) + (1 - saturation) / 3
    tint = rng.normal(1, 0.05, (3, 1))
    sharp = cv2.GaussianBlur(
        cv2.transform(canvas, mix * tint) * level[..., None], (0, 0), rng.uniform(0.35, 0.75)
    )
    noise = rng.standard_normal((height, width, 3), np.float32)
    noise += rng.standard_normal((height, width, 1), np.float32)
    photograph: Bytes = np.clip(255 * sharp + rng.uniform(1, 4) * noise, 0, 255).astype(np.uint8)
    return photograph
