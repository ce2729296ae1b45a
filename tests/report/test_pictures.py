import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from fcn.classes import VOID, Classes
from fcn.data.image_io import read_image, read_label
from fcn.data.voc import Example
from fcn.evaluation.evaluation import ImageScore
from fcn.report.pictures import (
    VOID_COLORS,
    WRONG_COLOR,
    LabeledPicture,
    choose,
    difference,
    label_picture,
    side_by_side,
    spread,
)


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


def test_side_by_side_shows_classes_in_their_colors_and_void_in_its_own(rng: np.random.Generator) -> None:
    classes = Classes(("sky", "sea", "moon"), ((1, 2, 3), (40, 50, 60), (200, 100, 0)))
    image = rng.integers(0, 256, (30, 50, 3), np.uint8)
    label, prediction = np.zeros((30, 50), np.uint8), np.zeros((30, 50), np.uint8)
    label[:10], label[10:12], prediction[5:] = 1, VOID, 1
    picture = side_by_side(LabeledPicture(image, label, prediction), classes)
    assert picture.shape[1] == 3 * 50 + 8
    assert (picture[:30, :50] == image).all()
    assert (picture[:30, 50:54] == 255).all()
    shown, guessed = picture[:30, 54:104], picture[:30, 108:]
    assert (shown[:10] == (40, 50, 60)).all()
    assert (shown[10:12] == (224, 224, 192)).all()
    assert (shown[12:] == (1, 2, 3)).all()
    assert (guessed[:5] == (1, 2, 3)).all()
    assert (guessed[5:] == (40, 50, 60)).all()
    legend = {tuple(color) for color in picture[30:].reshape(-1, 3).tolist()}
    assert {(1, 2, 3), (40, 50, 60), (224, 224, 192)} <= legend
    assert (200, 100, 0) not in legend


def test_a_labeled_picture_is_what_the_net_says(made) -> None:
    pictures = [label_picture(made.predictor, example) for example in made.examples]
    for example, (image, label, prediction) in zip(made.examples, pictures, strict=True):
        assert (image == read_image(example.image_path)).all()
        assert (label == read_label(example.label_path)).all()
        assert (prediction == made.predictor.predict(image).label).all()


@pytest.mark.parametrize(("size", "count"), [(1, 4), (4, 4), (5, 4), (1449, 4), (100, 1)])
def test_spread_takes_as_many_as_there_are_from_all_over(size: int, count: int) -> None:
    examples = [Example(str(index), Path("a.jpg"), Path("a.png")) for index in range(size)]
    places = [int(example.name) for example in spread(examples, count)]
    assert len(places) == len(set(places)) == min(size, count)
    ends = np.diff([*places, size])
    assert places[0] == 0
    assert ends.max() - ends.min() <= 1
