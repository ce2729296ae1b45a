"""The six classes of objects in drawn images: their outlines, surfaces and colors.

An object is an outline and a surface, both in units of its radius, so that one drawing serves every
scale and rotation. Colors come from one distribution for every class and for the background: only
shape and texture tell what a thing is.
"""

import colorsys
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Surface = Callable[[Array, Array, Array], tuple[Array, Array]]


class Shape(NamedTuple):
    """An object's outline and surface, in a frame where its radius is 1.

    Attributes:
        outline: `float32[N, 2]`, corners (x, y) of a closed polygon.
        surface: Takes x and y, `float32[H, W]`, and the unit vector to the light, `float32[3]`; returns
            how much of the second color is seen (0 to 1) and the factor by which light is sent back.
    """

    outline: Array
    surface: Surface


def fractal_noise(rng: np.random.Generator, size: tuple[int, int], cell: float) -> Array:
    """Returns noise at several octaves.

    Args:
        rng: Where the randomness comes from.
        size: (height, width) in pixels.
        cell: Pixels from one blotch to the next in the coarsest octave; each further one halves it.

    Returns:
        `float32[height, width]` around 0, with a standard deviation near 0.5.

    Example:
        >>> fractal_noise(np.random.default_rng(0), (20, 30), 8.0).shape
        (20, 30)
    """
    height, width = size
    weight = 0.6
    total: Array = np.zeros((int(height / cell) + 2, int(width / cell) + 2), np.float32)
    while True:
        rows, columns = int(height / cell) + 2, int(width / cell) + 2
        total = total[:rows, :columns] + weight * rng.standard_normal((rows, columns), np.float32)
        zoom = 2 if cell >= 4 else cell
        total = cv2.resize(total, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC).astype(np.float32)
        if cell < 4:
            return total[:height, :width]
        cell, weight = cell / 2, weight * 0.6


def random_color(rng: np.random.Generator) -> tuple[float, float, float]:
    """Returns (red, green, blue), 0 to 1, of any hue.

    Example:
        >>> len(random_color(np.random.default_rng(0)))
        3
    """
    return colorsys.hsv_to_rgb(rng.random(), rng.beta(1.4, 1.8), rng.uniform(0.2, 0.97))


def random_colors(rng: np.random.Generator) -> tuple[Array, Array]:
    """Returns two colors that can be told apart in a gray picture too.

    Returns:
        Two `float32[3]`, RGB, 0 to 1; their luminances differ by a third or more.

    Example:
        >>> [color.shape for color in random_colors(np.random.default_rng(0))]
        [(3,), (3,)]
    """
    while True:
        first, second = random_color(rng), random_color(rng)
        red, green, blue = (a - b for a, b in zip(first, second, strict=True))
        # The weights of ITU-R BT.601.
        if abs(0.299 * red + 0.587 * green + 0.114 * blue) > 0.35:
            return np.array(first, np.float32), np.array(second, np.float32)


def _edge(distance: Array, width: float) -> Array:
    """Returns 0 where `distance` is negative, 1 where positive, a ramp of `width` between: no staircase."""
    ramp: Array = np.clip(distance / width + 0.5, 0, 1)
    return ramp


def _period(rng: np.random.Generator, radius: float, low: float, high: float) -> float:
    """Returns the repeat of a texture: `low` to `high` pixels at radius 28, but never below 4 pixels."""
    return float(max(4.0, rng.uniform(low, high) * (radius / 28) ** 0.6) / radius)


def _ring(count: int) -> Array:
    """Returns `count` angles once round the circle."""
    return np.linspace(0, 2 * np.pi, count, endpoint=False, dtype=np.float32)


def _polar(angles: Array, distances: Array | float, aspect: float = 1.0) -> Array:
    return np.stack([np.cos(angles) * distances, np.sin(angles) * distances * aspect], 1).astype(np.float32)


def dots(x: Array, y: Array, size: float, width: float) -> Array:
    """Returns dots in staggered rows, one in every cell of side 1.

    Args:
        x: `float32[H, W]`, in cells.
        y: `float32[H, W]`, in cells.
        size: Radius of a dot, in cells.
        width: Width of a dot's soft rim, in cells.

    Returns:
        `float32[H, W]`, 1 in a dot, 0 outside.
    """
    x = x + 0.5 * (np.floor(y) % 2)
    return _edge(size - np.hypot(x - np.floor(x) - 0.5, y - np.floor(y) - 0.5), width)


def _ball(rng: np.random.Generator, radius: float) -> Shape:
    aspect = rng.uniform(0.85, 1.0)
    period = _period(rng, radius, 6.5, 10)
    size = rng.uniform(0.26, 0.36)
    shift = rng.uniform(0, 9, 2).astype(np.float32)

    def surface(x: Array, y: Array, light: Array) -> tuple[Array, Array]:
        y = y / np.float32(aspect)
        distance = np.minimum(np.hypot(x, y), 0.999)
        # Arc length from the pole that faces the viewer: dots crowd together towards the rim.
        arc = np.arcsin(distance) / np.maximum(distance, 1e-3) / np.float32(period)
        pattern = dots(x * arc + shift[0], y * arc + shift[1], size, 1.3 / (period * radius))
        facing = light[0] * x + light[1] * y + light[2] * np.sqrt(1 - distance**2)
        return pattern, 0.35 + 0.8 * np.maximum(facing, 0) + 0.6 * np.maximum(facing, 0) ** 24

    return Shape(_polar(_ring(48), 1.0, aspect), surface)


def _brick(rng: np.random.Generator, radius: float) -> Shape:
    half = np.array([0.88, rng.uniform(0.45, 0.8)])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    corners[:, 0] += rng.uniform(-0.2, 0.2) * corners[:, 1]
    corners = corners + rng.uniform(-0.06, 0.06, (4, 2))
    if rng.random() < 0.35:
        broken = rng.uniform(0.25, 0.45)
        steps = np.array([[broken], [broken], [broken * rng.uniform(0.4, 0.8)]])
        chip = corners[0] + steps * (corners[[1, 3, 2]] - corners[0])
        corners = np.concatenate([chip[:1], corners[1:], chip[1:]])
    period = _period(rng, radius, 7.5, 11)
    length = rng.uniform(1.8, 2.4)
    joint = max(1.6 / (period * radius), 0.16)
    tints = rng.normal(0, 0.13, 61).astype(np.float32)
    shift = rng.uniform(0, 1, 2).astype(np.float32)

    def surface(x: Array, y: Array, light: Array) -> tuple[Array, Array]:
        row = y / np.float32(period) + shift[1]
        level = np.floor(row)
        column = x / np.float32(period * length) + shift[0] + 0.5 * (level % 2)
        stone = np.floor(column)
        across, along = row - level, (column - stone) * np.float32(length)
        near = np.minimum(np.minimum(across, 1 - across), np.minimum(along, length - along))
        mortar = 1 - _edge(near - joint, 1.2 / (period * radius))
        # The upper side of a stone and the lower one lie oppositely to the light.
        bevel = np.where(near < 2 * joint, np.sign(across - 0.5) * light[1], 0) * 0.2
        tint = tints[(level * 7 + stone * 13).astype(np.int32) % 61]
        return mortar, 0.9 + (tint + bevel) * (1 - mortar) + 0.12 * (light[0] * x + light[1] * y)

    return Shape(corners.astype(np.float32), surface)


def _leaf(rng: np.random.Generator, radius: float) -> Shape:
    width, belly, bend = rng.uniform(0.42, 0.66), rng.uniform(0.8, 1.25), rng.uniform(-0.3, 0.3)
    along = np.linspace(0, 1, 40)
    side = width * np.sin(np.pi * along**belly) ** rng.uniform(0.8, 1.2)
    teeth = rng.integers(6, 10)
    side = side * (1 + rng.choice([0, 0.16]) * ((along * teeth) % 1 - 0.5))
    # Slender, so somewhat longer than the others are wide.
    reach = 1.12 * (2 * along - 1)
    spine = np.stack([reach, bend * (reach**2 - 0.5)], 1)
    offset = np.stack([0 * side, side], 1)
    outline = np.concatenate([spine + offset, (spine - offset)[::-1]])
    period = _period(rng, radius, 7, 10)
    slope = rng.uniform(0.6, 1.1)
    thick = rng.uniform(1.5, 2.2) / radius

    def surface(x: Array, y: Array, light: Array) -> tuple[Array, Array]:
        y = y - np.float32(bend) * (x**2 - 0.5)
        phase = (x - slope * np.abs(y)) / np.float32(period)
        vein = np.abs(phase - np.floor(phase) - 0.5) * period
        soft = 1.2 / radius
        veins = np.maximum(_edge(0.5 * thick - vein, soft), _edge(0.8 * thick - np.abs(y), soft))
        # Each half is a plane folded up along the midrib, and swells between the veins.
        shade = 0.88 + 0.22 * np.sign(y) * light[1] + 0.9 * (vein - 0.25 * np.float32(period))
        return veins, shade

    return Shape(outline.astype(np.float32), surface)


def _star(rng: np.random.Generator, radius: float) -> Shape:
    points = int(rng.integers(5, 8))
    inner = rng.uniform(0.5, 0.62)
    distances = np.where(np.arange(2 * points) % 2, inner, 1.0) * rng.uniform(0.94, 1.06, 2 * points)
    aspect = rng.uniform(0.8, 1.0)
    border = max(rng.uniform(0.1, 0.2), 2.0 / radius)

    def surface(x: Array, y: Array, light: Array) -> tuple[Array, Array]:
        y = y / np.float32(aspect)
        turn = np.arctan2(y, x) * np.float32(points / (2 * np.pi))
        arm = turn - np.round(turn)
        # Distance measured in stars: 1 on the outline, 0 in the middle.
        scaled = np.hypot(x, y) * (1 + (1 / inner - 1) * 2 * np.abs(arm))
        inside = _edge(1 - border - scaled, 1.6 / radius)
        halves = _edge(arm * np.hypot(x, y), 0.2 / radius)
        direction = (np.round(turn) + np.where(arm > 0, 0.5, -0.5)) * np.float32(2 * np.pi / points)
        facet = np.cos(direction) * light[0] + np.sin(direction) * light[1]
        return inside * halves, 0.85 + 0.12 * np.sign(arm) + 0.25 * facet

    return Shape(_polar(_ring(2 * points), distances, aspect), surface)


def _wheel(rng: np.random.Generator, radius: float) -> Shape:
    aspect = rng.uniform(0.68, 1.0)
    spokes = int(rng.integers(5, 10))
    tire, hub = rng.uniform(0.74, 0.82), rng.uniform(0.15, 0.24)
    treads = max(12, int(2 * np.pi * radius / 7))
    thick = max(rng.uniform(0.06, 0.1), 1.4 / radius)

    def surface(x: Array, y: Array, light: Array) -> tuple[Array, Array]:
        y = y / np.float32(aspect)
        distance, angle = np.hypot(x, y), np.arctan2(y, x)
        soft = 1.2 / radius
        turn = angle * np.float32(spokes / (2 * np.pi))
        spoke = np.abs(turn - np.round(turn)) * distance * np.float32(2 * np.pi / spokes)
        rim = _edge(thick - np.abs(distance - tire + thick), soft)
        pattern = np.maximum(np.maximum(_edge(thick - spoke, soft), rim), _edge(hub - distance, soft))
        rubber = _edge(distance - tire, soft)
        pattern = pattern * (1 - rubber)
        gap = (1 - pattern) * (1 - rubber)
        tread = rubber * np.sign(np.sin(angle * treads))
        facing = (light[0] * x + light[1] * y) / np.maximum(distance, 0.1)
        return pattern, 0.9 - 0.4 * gap + 0.14 * tread + 0.22 * facing * (rubber - 0.5 * rim)

    return Shape(_polar(_ring(48), 1.0, aspect), surface)


def _cloth(rng: np.random.Generator, radius: float) -> Shape:
    angles = _ring(64)
    square = (np.abs(np.cos(angles)) ** 5 + np.abs(np.sin(angles)) ** 5) ** (-1 / 5)
    waves = 1 + 0.05 * np.sin(angles * rng.integers(7, 12) + rng.uniform(0, 6)) + 0.06 * np.sin(2 * angles)
    aspect, skew = rng.uniform(0.65, 1.0), rng.uniform(-0.25, 0.25)
    outline = _polar(angles, 0.85 * square * waves, aspect)
    outline[:, 0] += np.float32(skew) * outline[:, 1]
    period = _period(rng, radius, 7, 11)
    sway, fold, phase = rng.uniform(0.04, 0.1), rng.uniform(3, 6), rng.uniform(0, 6)
    fill = rng.uniform(0.2, 0.3)

    def surface(x: Array, y: Array, light: Array) -> tuple[Array, Array]:
        wave = np.sin(np.float32(fold) * (y + 0.4 * x) + phase)
        stripe = (x + np.float32(sway) * wave) / np.float32(period)
        soft = 1.3 / (period * radius)
        pattern = _edge(fill - np.abs(stripe - np.round(stripe)), soft)
        return pattern, 0.88 + 0.3 * wave * (0.4 + np.abs(light[1]))

    return Shape(outline, surface)


SHAPES: dict[str, Callable[[np.random.Generator, float], Shape]] = {
    "ball": _ball,
    "brick": _brick,
    "leaf": _leaf,
    "star": _star,
    "wheel": _wheel,
    "cloth": _cloth,
}
"""The drawing function of each class; takes the random generator and the object's radius in pixels."""
