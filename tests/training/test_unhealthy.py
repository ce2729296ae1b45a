"""Trainings that go wrong, each with its warning, and one that does not."""

import re
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fcn.config.file import Config
from fcn.data.image_io import encode_label, read_label
from fcn.data.voc import Example, read_example
from fcn.training.loop import train

pytestmark = [pytest.mark.usefixtures("eager"), pytest.mark.slow]

MODEL = {"net": "fcn32s", "width": 1 / 32, "fc_channels": 16, "dropout": 0.0}
LEARNING = {
    "steps": 40,
    "batch_size": 2,
    "evaluate_steps": 10,
    "optimizer": "adamw",
    "learning_rate": 0.003,
    "weight_decay": 0.0,
}


def configured(root: Path, train: dict[str, Any], model: dict[str, Any] | None = None) -> Config:
    """A configuration that learns from whole images; `train` and `model` change some of its values."""
    return Config.model_validate(
        {
            "data": {"root": root},
            "augmentation": {"crop_size": (32, 32), "scale": (1.0, 1.0), "color_jitter": 0.0},
            "model": MODEL | (model or {}),
            "train": LEARNING | train,
        }
    )


@pytest.fixture
def bands(make_dataset: Any, tmp_path: Path, rng: np.random.Generator) -> Path:
    """A data set that is soon learned: each class has a color."""
    root: Path = make_dataset(tmp_path / "data", {"train": ["a", "b"], "val": ["x", "y"]}, sizes=((32, 32),))
    colors = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200]])
    for index, name in enumerate("abxy"):
        label = np.zeros((32, 32), np.uint8)
        label[8 + index % 2 :], label[20 + index // 2 :] = 1, 2
        noise = np.kron(rng.integers(0, 50, (8, 8, 3)), np.ones((4, 4, 1), int))
        image = (colors[label] + noise).astype(np.uint8)
        cv2.imwrite(str(root / "JPEGImages" / f"{name}.jpg"), image[:, :, ::-1])
        (root / "SegmentationClass" / f"{name}.png").write_bytes(encode_label(label))
    return root


def test_a_healthy_training_gives_no_warning(
    bands: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = train(configured(bands, {}), tmp_path / "run")
    assert result.evaluation.scores.mean_iou > 0.5
    assert "Warning" not in capsys.readouterr().err


def test_a_training_warns(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {"steps": 2, "batch_size": 1, "freeze": ("score_fr",)}  # which is zero
    train(configured(dataset, values, {"batch_normalization": True}), tmp_path / "run")
    said = capsys.readouterr().err
    assert "Warning: Before step 1: batch normalization sees one image at a time" in said
    assert "Warning: At step 2: every pixel of the validation images was labeled ground. " in said
    page = (tmp_path / "run" / "report.html").read_text()
    assert "<p><b>Before step 1: batch normalization sees one image at a time" in page
    assert "<p><b>At step 2: every pixel of the validation images was labeled ground. " in page


def test_a_training_that_diverges_warns(
    bands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fcn.training.health.HIGH_STEPS", 6)
    values = {"steps": 7, "evaluate_steps": 7, "learning_rate": 1.0}
    train(configured(bands, values, {"dropout": 0.5}), tmp_path / "run")
    warning = "most losses of the last 6 steps are above twice the first value (1.1); their mean"
    assert f"Warning: At step 6: {warning}" in capsys.readouterr().err
    # All that the log has is the mean of seven steps, which is high already.
    train(None, tmp_path / "run", resume=True, overrides=["train.steps=13"])
    assert f"Warning: At step 13: {warning}" in capsys.readouterr().err


def test_a_training_that_waits_for_data_warns(
    bands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reads one image at a time: all take 8 seconds, in which so thin a net could take a hundred steps."""
    disk = threading.Lock()

    def read_slowly(example: Example, num_classes: int) -> Any:
        with disk:
            time.sleep(0.8)
        return read_example(example, num_classes)

    monkeypatch.setattr("fcn.data.stream.read_example", read_slowly)
    monkeypatch.setattr("fcn.training.health.LEAST_WAIT_SECONDS", 1)
    train(configured(bands, {"steps": 5, "evaluate_steps": 5}), tmp_path / "run")
    said = [line for line in capsys.readouterr().err.splitlines() if "waiting for data" in line]
    assert len(said) == 1
    found = re.match(r"Warning: At step [2-5]: steps spend (\d+)% of their time waiting for data: ", said[0])
    assert found
    assert 30 <= int(found[1]) <= 100


def test_a_training_that_never_predicts_a_class_warns(
    bands: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bands / "labels.txt").write_text("ground\ncat\ndog\nspot\n")
    for name in "abxy":
        path = bands / "SegmentationClass" / f"{name}.png"
        label = read_label(path)
        label[12:14, 12:14] = 3
        path.write_bytes(encode_label(label))
    train(configured(bands, {"steps": 15, "evaluate_steps": 15}), tmp_path / "run")
    said = capsys.readouterr().err
    assert "Warning: At step 15: 1 class has never been predicted: spot. Rare classes need more" in said
