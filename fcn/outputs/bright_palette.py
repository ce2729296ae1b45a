"""Colors of classes that stand out on photographs, and from each other."""

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

# Twenty hues chosen by eye, so that each has a name (red, azure, yellow, green, magenta, orange, cyan,
# violet, lime, pink, teal, rust), then moved until the nearest two of the first 6, 11 and 20 were as far
# apart as could be in CIELAB, also as people without red or green cones see them:
# docs/decisions/0047-overlays.md.
_CHOSEN = """
    e91b3d 107aff f7f600 00c67d de36a5 e57b00 00e1ff c027ee a1da2b eb86ab
    008d73 d14201 13ff89 e44adf fbb503 71a926 9585f1 f27354 26e8cb e38efe
"""

# Further colors are neither dark, nor nearly white, nor gray. Steps of 17 are 16 values of a channel.
_STEP = 17
_DARKEST, _LIGHTEST = 50, 94
_LEAST_CHROMA = 40


@cache
def bright_palette(count: int) -> npt.NDArray[np.uint8]:
    """Returns `uint8[count, 3]` RGB.

    After the first 20, each color is as far from all before as can be in CIELAB. More colors do not change
    the first ones.

    Args:
        count: How many, at most 256.

    Example:
        >>> bright_palette(2).tolist()
        [[233, 27, 61], [16, 122, 255]]
    """
    colors = np.array([[*bytes.fromhex(color)] for color in _CHOSEN.split()], np.uint8)
    levels = np.arange(0, 256, _STEP).astype(np.uint8)
    others = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _to_lab(others)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    allowed = (lab[:, 0] >= _DARKEST) & (lab[:, 0] <= _LIGHTEST) & (chroma >= _LEAST_CHROMA)
    others, lab = others[allowed], lab[allowed]
    distance = np.linalg.norm(lab[:, np.newaxis] - _to_lab(colors), axis=-1).min(axis=1)
    while len(colors) < count:
        farthest = int(distance.argmax())
        colors = np.concatenate([colors, others[farthest : farthest + 1]])
        distance = np.minimum(distance, np.linalg.norm(lab - lab[farthest], axis=-1))
    return colors[:count]


def _to_lab(colors: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Returns colors in CIELAB, `float64[N, 3]`, from whole numbers, which are the same on every machine."""
    lab = cv2.cvtColor(colors[np.newaxis], cv2.COLOR_RGB2LAB)[0].astype(np.float64)
    centered: npt.NDArray[np.float64] = (lab - (0, 128, 128)) * (100 / 255, 1, 1)
    return centered
