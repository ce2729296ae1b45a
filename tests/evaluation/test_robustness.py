from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fcn.data.voc import read_example, read_split
from fcn.evaluation.corruptions.corrupt import CORRUPTIONS, corrupt
from fcn.evaluation.metrics import Scores, confusion_matrix
from fcn.evaluation.robustness import measure_robustness
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN


@pytest.fixture(scope="module")
def predictor(thin_net: Callable[..., FCN]) -> Predictor:
    return Predictor(thin_net(class_names=("ground", "cat", "dog"), seed=1))


def test_scores_are_those_of_the_corrupted_images(predictor: Predictor, dataset: Path) -> None:
    examples = read_split(dataset, "val")
    names = ("fog", "elastic_transform")
    found = measure_robustness(predictor, examples, seed=3, names=names)
    assert [*found.mean_iou] == [*names]
    for name in names:
        matrix = np.zeros((3, 3), np.int64)
        for number, example in enumerate(examples):
            rng = np.random.default_rng((3, number, [*CORRUPTIONS].index(name), 2))
            image, label = corrupt(*read_example(example, 3), name, 2, rng)
            matrix += confusion_matrix(label, predictor.predict(image).label, 3)
        assert found.mean_iou[name][1] == Scores.from_matrix(matrix).mean_iou
    assert found.as_dict()["average_mean_iou"] == np.mean([*found.mean_iou.values()])


def test_a_corruption_does_not_depend_on_the_others(predictor: Predictor, dataset: Path) -> None:
    examples = read_split(dataset, "val")[:1]
    both = measure_robustness(predictor, examples, names=("snow", "frost"))
    alone = measure_robustness(predictor, examples, names=("frost",))
    assert alone.mean_iou["frost"] == both.mean_iou["frost"]
    other = measure_robustness(predictor, examples, seed=1, names=("frost",))
    assert other.mean_iou["frost"] != alone.mean_iou["frost"]
