"""Tests of a training whose loss is summed over pixels, as Caffe's was."""

import json
from pathlib import Path

import pytest

from fcn.config.file import Config
from fcn.runs.log import read_log
from fcn.training.loop import train

pytestmark = pytest.mark.usefixtures("eager")


def configured(root: Path, reduction: str, learning_rate: float, **settings) -> Config:
    return Config.model_validate(
        {
            "data": {"root": root},
            "augmentation": {"crop_size": None, "flip": False, "color_jitter": 0.0},
            "model": {"width": 1 / 32, "fc_channels": 16, "net": "fcn32s", "upsampling": "frozen"},
            "loss": {"reduction": reduction},
            "train": {
                "steps": 2,
                "batch_size": 2,
                "accumulate": 2,
                "learning_rate": learning_rate,
                "weight_decay": 0.0,
                "log_steps": 1,
                **settings,
            },
        }
    )


@pytest.mark.slow
def test_the_equivalent_learning_rate_is_said_and_kept(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = train(configured(dataset, "sum", 1e-6), tmp_path / "run")
    said = json.loads(result.run.environment.read_text())["loss"]
    assert said in capsys.readouterr().err
    assert "for a mean loss" in said
    assert "1e-06" in said


@pytest.mark.slow
def test_the_loss_of_a_step_is_the_sum_over_its_parts(dataset: Path, tmp_path: Path) -> None:
    # The same first step, before any weight has moved: a mean over an image's pixels, and their sum.
    rows = [
        read_log(train(configured(dataset, name, 1e-9), tmp_path / name).run.log)[0]
        for name in ("mean", "sum")
    ]
    mean, total = (float(row["loss"]) for row in rows)
    assert total > 100 * mean  # two images of some hundred labeled pixels each
