"""Tests of how the share of each class is measured before and after sampling."""

from pathlib import Path

import numpy as np
import pytest
from rare_classes import CLASSES, PIXELS, RARE, read_rare_classes, write_rare_classes

from fcn.config.sections import AugmentationConfig
from fcn.data.class_shares import MEASURED, ClassShares, measure_class_shares
from fcn.data.stream import TrainingStream

CROP = AugmentationConfig(crop_size=(32, 32), scale=(0.8, 1.25))
WHOLE = AugmentationConfig(crop_size=None)


@pytest.mark.parametrize("augmentation", [CROP, WHOLE])
def test_shares_are_those_of_all_labels_and_of_the_first_examples(
    augmentation: AugmentationConfig, tmp_path: Path
) -> None:
    examples, sampler = read_rare_classes(write_rare_classes(tmp_path))
    stream = TrainingStream(examples, 4, augmentation, seed=1, sampler=sampler)
    found = measure_class_shares(stream, sampler, CLASSES, count=40)
    labels = np.concatenate([stream[index][1].ravel() for index in range(40)])
    counts = np.bincount(labels[labels != 255], minlength=4)
    assert found.drawn.tolist() == (counts / counts.sum()).tolist()
    assert found.split.tolist() == (PIXELS.sum(axis=0) / PIXELS.sum()).tolist()
    assert (found.classes, found.num_drawn) == (CLASSES, 40)
    assert found.drawn[RARE] > 3 * found.split[RARE]
    assert found.drawn[3] == 0


def test_a_long_training_is_measured_by_its_first_examples_and_no_image_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples, sampler = read_rare_classes(write_rare_classes(tmp_path))
    stream = TrainingStream(examples, 4, CROP, seed=0, sampler=sampler)
    monkeypatch.setattr("fcn.data.voc.read_image", None)
    with pytest.raises(TypeError):
        stream[0]
    monkeypatch.setattr("fcn.data.class_shares.MEASURED", 5)
    found = measure_class_shares(stream, sampler, CLASSES, count=100_000)
    fewer = measure_class_shares(stream, sampler, CLASSES, count=5)
    assert found.num_drawn == 5 < MEASURED == 1_000
    assert found.drawn.tolist() == fewer.drawn.tolist()


def test_crops_without_a_labeled_pixel_have_no_shares(tmp_path: Path) -> None:
    examples, sampler = read_rare_classes(write_rare_classes(tmp_path))
    stream = TrainingStream([examples[6]] * 7, 4, WHOLE, seed=0, sampler=sampler)
    assert measure_class_shares(stream, sampler, CLASSES, 3).drawn.tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("count", "examples"), [(1, "the first example drawn"), (1000, "the first 1,000 examples drawn")]
)
def test_the_rarest_class_is_named(count: int, examples: str) -> None:
    shares = ClassShares(CLASSES, np.array([0.9, 0.096, 0.004, 0.0]), np.array([0.7, 0.2, 0.1, 0.0]), count)
    assert shares.describe() == (
        "Balanced sampling: dog, the rarest class, has 0.40% of the labeled pixels of the training split and "
        f"10.00% of those of {examples}: 25.0 times as much."
    )
