from pathlib import Path

import cv2
import numpy as np
import pytest

from fcn.classes import VOID
from fcn.config.sections import LossConfig
from fcn.data.balance import class_weights, median_frequency
from fcn.data.examination import class_pixels, examine_examples
from fcn.data.split_list import Example
from fcn.data.voc import read_split
from fcn.errors import ConfigError


def example(folder: Path, name: str, label: np.ndarray) -> Example:
    paths = folder / f"{name}.jpg", folder / f"{name}.png"
    for path, pixels in zip(paths, (np.zeros_like(label), label), strict=True):
        path.write_bytes(cv2.imencode(path.suffix, pixels.astype(np.uint8))[1].tobytes())
    return Example(name, *paths)


def counted(examples: list[Example], num_classes: int) -> np.ndarray:
    """Returns the pixels of each class in each label, as a training counts them."""
    found = examine_examples(examples, num_classes)
    assert not found.problems
    return class_pixels([facts for facts in found.facts if facts is not None], num_classes)


def test_two_labels_by_hand(tmp_path: Path) -> None:
    first = np.repeat([0, 1, VOID], [6, 2, 8]).reshape(4, 4)  # 6/8 and 2/8 of what is labeled
    second = np.repeat([0, 2], [2, 14]).reshape(2, 8)
    pixels = counted([example(tmp_path, "a", first), example(tmp_path, "b", second)], 4)
    assert pixels.dtype == np.int64
    assert pixels.tolist() == [[6, 2, 0, 0], [2, 0, 14, 0]]
    frequency = np.array([8 / 24, 2 / 8, 14 / 16])
    expected = [*(8 / 24 / frequency), 0.0]  # the median is that of class 0; class 3 is nowhere
    assert median_frequency(pixels) == pytest.approx(expected, rel=1e-12)


def test_equally_frequent_classes_have_the_weight_one(tmp_path: Path) -> None:
    examples = [example(tmp_path, name, np.array([[0, 1], [2, 3]])) for name in "ab"]
    assert median_frequency(counted(examples, 4)).tolist() == [1.0] * 4


def test_void_alone_measures_nothing(tmp_path: Path) -> None:
    pixels = counted([example(tmp_path, "a", np.full((2, 2), VOID))], 2)
    assert median_frequency(pixels).tolist() == [0.0, 0.0]


def test_a_label_of_other_classes_is_refused(tmp_path: Path) -> None:
    (problem,) = examine_examples([example(tmp_path, "a", np.array([[0, 5]]))], 3).problems
    assert "a.png: expected class ids 0 to 2" in problem.text


def test_the_configuration_chooses(dataset: Path) -> None:
    pixels = counted(read_split(dataset, "train"), 3)
    assert class_weights(LossConfig(), pixels) is None
    measured = class_weights(LossConfig(class_weights="median_frequency"), pixels)
    assert measured is not None
    assert measured.tolist() == median_frequency(pixels).tolist()
    assert (measured > 0).all()
    listed = class_weights(LossConfig(class_weights=(0.0, 1.0, 2.5)), pixels)
    assert listed is not None
    assert listed.tolist() == [0.0, 1.0, 2.5]


@pytest.mark.parametrize("weights", [(1.0, 2.0), (1.0,) * 4, (0.0, 0.0, 0.0), ()])
def test_lists_that_cannot_be_used_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=r"^loss\.class_weights: expected .* Received: "):
        class_weights(LossConfig(class_weights=weights), np.ones((1, 3), np.int64))
