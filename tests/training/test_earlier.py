"""Tests of warnings about the weights that a training starts from."""

import json
from pathlib import Path

import pytest

from fcn.config.file import Config
from fcn.training.loop import train

pytestmark = pytest.mark.usefixtures("eager")


def configured(root: Path, splits: tuple[str, str], weights: str) -> Config:
    return Config.model_validate(
        {
            "data": {"root": root, "train_split": splits[0], "val_split": splits[1]},
            "augmentation": {"crop_size": (16, 16)},
            "model": {"width": 1 / 32, "fc_channels": 8, "weights": weights},
            "train": {"steps": 1},
        }
    )


@pytest.mark.slow
def test_weights_that_saw_scored_images_are_told_of(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = train(configured(dataset, ("val", "train"), "none"), tmp_path / "first")
    assert "too good" not in capsys.readouterr().err
    second = train(configured(dataset, ("train", "val"), str(first.run.path)), tmp_path / "second")
    assert f"{first.run.path} was trained on 3 of the 3 scored images" in capsys.readouterr().err
    (told,) = json.loads(second.run.scores.read_text())["warnings"]
    assert told.startswith("nets it starts or learns from may make scores too good")
    assert told[1:] in second.run.report.read_text()
    document = json.loads(second.run.scores.read_text())["training"]
    assert document["split"] == "train"
    assert [(one["run"], one["num_scored"]) for one in document["earlier"]] == [(str(first.run.path), 3)]
