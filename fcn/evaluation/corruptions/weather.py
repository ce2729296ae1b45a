"""Snow, frost, fog and sun."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from fcn.evaluation.corruptions.blur import along_line, enlarge
from fcn.evaluation.corruptions.kind import Image

Place = npt.NDArray[np.float64]
"""`float64[2]`, x and y."""


def add_snow(image: Image, strength: int, rng: np.random.Generator) -> Image:
    """Lays falling flakes over the image, and whitens it."""
    mean, deviation, zoom, least, radius, sigma, kept = (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    )[strength - 1]
    flakes = rng.normal(mean, deviation, image.shape[:2]).astype(np.float32)
    flakes = enlarge(flakes, zoom)
    flakes[flakes < least] = 0
    flakes = along_line(np.clip(flakes, 0, 1), int(radius), sigma, float(rng.uniform(-135, -45)))
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None] * 1.5 + 0.5
    white = kept * image + (1 - kept) * np.maximum(image, gray)
    snowy: Image = white + flakes[..., None] + np.rot90(flakes, 2)[..., None]
    return snowy.astype(np.float32, copy=False)


def add_frost(image: Image, strength: int, rng: np.random.Generator) -> Image:
    """Lays needles of ice over the image, which grow from the edges of a window.

    The benchmark has six photographs of frost. These needles are drawn instead, as bright on average.
    """
    kept, ice = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))[strength - 1]
    return (kept * image + ice * _draw_frost(image.shape[:2], rng)).astype(np.float32)


def add_fog(image: Image, strength: int, rng: np.random.Generator) -> Image:
    """Adds clouds of fog, and lowers the contrast by as much."""
    amount, decay = ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))[strength - 1]
    brightest = image.max()
    fog = draw_clouds(image.shape[:2], decay, rng)[..., None]
    foggy: Image = (image + amount * fog) * (brightest / (brightest + amount))
    return foggy.astype(np.float32, copy=False)


def brighten(image: Image, strength: int, _: np.random.Generator) -> Image:
    """Raises the value of each color (HSV), as a strong sun does."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 2] = np.minimum(hsv[..., 2] + (0.1, 0.2, 0.3, 0.4, 0.5)[strength - 1], 1)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float32, copy=False)


def draw_clouds(size: tuple[int, int], decay: float, rng: np.random.Generator) -> Image:
    """Returns clouds by midpoint displacement ("plasma fractal"), which tile, `float32[H, W]`, 0 to 1.

    Source: Fournier, Fussell & Carpenter, "Computer rendering of stochastic models" (CACM, 1982).

    Args:
        size: H and W.
        decay: By how much less each finer level moves a point; 2 for smooth clouds, less for rough ones.
        rng: Random generator.
    """
    side = 1 << max(1, math.ceil(math.log2(max(size))))
    clouds, amplitude = np.zeros((1, 1), np.float32), 1.0
    while len(clouds) < side:
        right, below = np.roll(clouds, -1, 1), np.roll(clouds, -1, 0)
        middle = (clouds + right + below + np.roll(below, -1, 1)) / 4 + _move(clouds.shape, amplitude, rng)
        finer = np.empty((2 * len(clouds), 2 * len(clouds)), np.float32)
        finer[::2, ::2], finer[1::2, 1::2] = clouds, middle
        # Points of edges lie between two old points and two middles.
        above, left = np.roll(middle, 1, 0), np.roll(middle, 1, 1)
        finer[::2, 1::2] = (clouds + right + middle + above) / 4 + _move(clouds.shape, amplitude, rng)
        finer[1::2, ::2] = (clouds + below + middle + left) / 4 + _move(clouds.shape, amplitude, rng)
        clouds, amplitude = finer, amplitude / decay
    clouds -= clouds.min()
    return (clouds / max(float(clouds.max()), 1e-9))[: size[0], : size[1]]


def _move(shape: tuple[int, ...], amplitude: float, rng: np.random.Generator) -> Image:
    return rng.uniform(-amplitude, amplitude, shape).astype(np.float32)


def _draw_frost(size: tuple[int, int], rng: np.random.Generator) -> Image:
    """Returns needles of ice, `float32[H, W, 3]`, bluish, 0 to 1."""
    height, width = size
    ice = np.zeros(size, np.float32)
    edges = ((0, 1, 90), (1, 1, -90), (0, 0, 0), (1, 0, 180))
    for _ in range(round(0.6 * math.sqrt(height * width))):
        # From a point at an edge inwards, with side needles at 60 degrees, as ice crystals have them.
        far, is_horizontal, inwards = edges[rng.integers(len(edges))]
        along = rng.random()
        root = np.array([along * width, far * height] if is_horizontal else [far * width, along * height])
        degrees = inwards + rng.normal(0, 35)
        length, shade = rng.exponential(0.17 * max(size)), float(rng.uniform(0.3, 1))
        _draw_needle(ice, root, degrees, length, shade)
        for turn in (60, -60):
            place = root + _way(degrees, rng.uniform(0, 0.5) * length)
            _draw_needle(ice, place, degrees + turn, length / 2, shade)
    soft = np.maximum(ice, 2 * cv2.GaussianBlur(ice, (0, 0), 3))
    # The photographs have means of about 0.52, 0.61 and 0.65.
    soft = np.clip(0.24 + 0.6 * soft + 0.5 * draw_clouds(size, 1.6, rng), 0, 1)
    return soft[..., None] * np.array([0.82, 0.94, 1.0], np.float32)


def _draw_needle(ice: Image, root: Place, degrees: float, length: float, shade: float) -> None:
    """Draws a line from a point, in its angle from the right downwards."""
    tip = root + _way(degrees, length)
    (x, y), (to_x, to_y) = np.rint(root).astype(int).tolist(), np.rint(tip).astype(int).tolist()
    cv2.line(ice, (x, y), (to_x, to_y), shade, 1, cv2.LINE_AA)


def _way(degrees: float, length: float) -> Place:
    return length * np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
