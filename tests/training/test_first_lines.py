"""Tests of the lines before the first step of a training."""

from pathlib import Path

import numpy as np
import pytest

from fcn.config.file import Config
from fcn.models.fcn import FCN
from fcn.training.devices import name_device
from fcn.training.first_lines import describe_parameters
from fcn.training.loop import train
from fcn.training.patterns import freeze

pytestmark = pytest.mark.usefixtures("eager")


def test_parameters_are_counted_as_keras_counts_them() -> None:
    net = FCN(num_classes=3, width=1 / 32, fc_channels=16, batch_normalization=True)
    total = net.count_params()
    statistics = sum(weight.shape[0] for weight in net.weights if "moving_" in weight.path)
    assert (
        describe_parameters("fcn8s", net)
        == f"Net: fcn8s, {total - statistics:,} parameters trained, 0 frozen."
    )
    names = freeze(net, ["block1_*"])
    weights = [weight for layer in net.layers if layer.name.startswith("block1_") for weight in layer.weights]
    frozen = sum(int(np.prod(weight.shape)) for weight in weights if "moving_" not in weight.path)
    assert frozen > 0
    assert describe_parameters("fcn8s", net) == (
        f"Net: fcn8s, {total - statistics - frozen:,} parameters trained, {frozen:,} frozen in "
        f"{len(names)} layers."
    )


def test_a_machine_without_accelerators_is_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcn.training.devices._accelerator_names", list)
    monkeypatch.setattr("fcn.training.devices.available_cores", lambda: 2)
    assert name_device("all") == "CPU (2 cores)"


@pytest.mark.parametrize(
    ("wanted", "processes", "text"),
    [
        (1, 1, "H200"),
        (2, 1, "2 x H200"),
        ("all", 1, "3 x H200"),
        ("all", 2, "3 x H200, in each of 2 processes"),
    ],
)
def test_accelerators_are_named(
    wanted: int | str, processes: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcn.training.devices._accelerator_names", lambda: ["H200"] * 3)
    monkeypatch.setattr("fcn.training.devices.process", lambda: (0, processes))
    assert name_device(wanted) == text


@pytest.mark.slow
def test_a_training_begins_with_them(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Config.model_validate(
        {
            "data": {"root": dataset},
            "augmentation": {"crop_size": (16, 16)},
            "model": {"net": "fcn32s", "width": 1 / 32, "fc_channels": 16},
            "train": {"steps": 2, "batch_size": 2, "freeze": ("block1_*",)},
        }
    )
    run = train(config, tmp_path / "run").run
    lines = capsys.readouterr().err.splitlines()
    (first,) = (index for index, line in enumerate(lines) if line.startswith("Device: "))
    assert lines[first].endswith("; precision: float32.")
    assert " frozen in 2 layers." in lines[first + 1]
    assert lines[first + 2] == "Steps: 2 of 2 images each, 1.0 epochs of the 4 training images."
    assert lines[first + 3].startswith("Scores: on 3 validation images, every 2,000 steps and ")
    assert lines[first + 4].startswith(f"Watch: {run.report} in a browser, ")
    assert any(line.startswith("Data: 4 images to train on, 3 to score on") for line in lines[:first])

    train(config, run.path, resume=True)  # of a finished run there is nothing to watch
    assert "Device: " not in capsys.readouterr().err
