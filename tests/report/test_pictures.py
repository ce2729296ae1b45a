import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from fcn.data.voc import Example
from fcn.evaluation import ImageScore
from fcn.report.pictures import VOID_COLORS, WRONG_COLOR, choose, difference


def test_difference_marks_exactly_the_wrong_pixels() -> None:
    random = np.random.default_rng(1)
    image = random.integers(0, 256, (40, 50, 3), np.uint8)
    label = random.choice(np.array([0, 1, 2, 255], np.uint8), (40, 50))
    prediction = random.integers(0, 3, (40, 50)).astype(np.uint8)
    picture = difference(image, label, prediction)
    void, wrong = label == 255, (label != 255) & (label != prediction)
    assert ((picture == WRONG_COLOR).all(axis=-1) == wrong).all()
    is_void_color = [(picture == color).all(axis=-1) for color in VOID_COLORS]
    assert (np.any(is_void_color, axis=0) == void).all()
    assert all((found & void).any() for found in is_void_color)
    right = picture[~void & ~wrong]
    assert (right == right[:, :1]).all()
    assert np.corrcoef(right[:, 0], cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[~void & ~wrong])[0, 1] > 0.99
    assert right.max() < 128


@pytest.mark.parametrize(
    ("ious", "best", "worst"),
    [
        ([], [], []),
        ([0.5], [0.5], []),
        ([0.1, 0.9, math.nan, 0.5], [0.9, 0.5], [0.1]),
        ([0.3, 0.1, 0.5, 0.4, 0.2, 0.6], [0.6, 0.5], [0.1, 0.2]),
    ],
)
def test_choose(ious: list[float], best: list[float], worst: list[float]) -> None:
    images = [ImageScore(Example(str(iou), Path("a.jpg"), Path("a.png")), iou) for iou in ious]
    chosen = choose(images, count=2)
    assert [[image.mean_iou for image in part] for part in chosen] == [best, worst]
