from pathlib import Path

import cv2
import numpy as np
import pytest

from fcn.classes import VOID
from fcn.config.sections import LossConfig
from fcn.data.balance import class_weights, median_frequency
from fcn.data.voc import Example, read_split
from fcn.errors import ConfigError, DataError


def example(folder: Path, name: str, label: np.ndarray) -> Example:
    path = folder / f"{name}.png"
    path.write_bytes(cv2.imencode(".png", label.astype(np.uint8))[1].tobytes())
    return Example(name, folder / f"{name}.jpg", path)


def test_two_labels_by_hand(tmp_path: Path) -> None:
    first = np.repeat([0, 1, VOID], [6, 2, 8]).reshape(4, 4)  # 6/8 and 2/8 of what is labeled
    second = np.repeat([0, 2], [2, 14]).reshape(2, 8)
    examples = [example(tmp_path, "a", first), example(tmp_path, "b", second)]
    frequency = np.array([8 / 24, 2 / 8, 14 / 16])
    expected = [*(8 / 24 / frequency), 0.0]  # the median is that of class 0; class 3 is nowhere
    assert median_frequency(examples, 4) == pytest.approx(expected, rel=1e-12)


def test_equally_frequent_classes_have_the_weight_one(tmp_path: Path) -> None:
    examples = [example(tmp_path, name, np.array([[0, 1], [2, 3]])) for name in "ab"]
    assert median_frequency(examples, 4).tolist() == [1.0] * 4


def test_void_alone_measures_nothing(tmp_path: Path) -> None:
    assert median_frequency([example(tmp_path, "a", np.full((2, 2), VOID))], 2).tolist() == [0.0, 0.0]


def test_a_label_of_other_classes_is_refused(tmp_path: Path) -> None:
    examples = [example(tmp_path, "a", np.array([[0, 5]]))]
    with pytest.raises(DataError, match=r"a\.png: expected class ids 0 to 2"):
        median_frequency(examples, 3)


def test_the_configuration_chooses(dataset: Path) -> None:
    examples = read_split(dataset, "train")
    assert class_weights(LossConfig(), examples, 3) is None
    measured = class_weights(LossConfig(class_weights="median_frequency"), examples, 3)
    assert measured is not None
    assert measured.tolist() == median_frequency(examples, 3).tolist()
    assert (measured > 0).all()
    listed = class_weights(LossConfig(class_weights=(0.0, 1.0, 2.5)), examples, 3)
    assert listed is not None
    assert listed.tolist() == [0.0, 1.0, 2.5]


@pytest.mark.parametrize("weights", [(1.0, 2.0), (1.0,) * 4, (0.0, 0.0, 0.0), ()])
def test_lists_that_cannot_be_used_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=r"^loss\.class_weights: expected .* Received: "):
        class_weights(LossConfig(class_weights=weights), [], 3)
