"""Tests of what a user's `keras.json` changes: nothing."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from fcn.inference.engines.choose import open_engine
from fcn.models.factory import build_model
from fcn.models.keras_defaults import keras_defaults

ROOT = Path(__file__).parents[2]
IMAGE = np.random.default_rng(0).integers(0, 256, (1, 45, 67, 3), np.uint8)
NETS = [
    ("fcn8s", {}),
    ("fcn8s", {"geometry": "reference"}),
    ("fcn8s", {"batch_normalization": True, "input_scale": 0.5}),
    ("context", {"geometry": "reference"}),
    ("largefov", {"upsampling": "frozen"}),
]


def set_all(data_format: str, floatx: str, epsilon: float) -> None:
    """Sets what Keras sets when it reads a `keras.json` with these values."""
    keras.config.set_image_data_format(data_format)
    keras.config.set_floatx(floatx)
    keras.config.set_epsilon(epsilon)
    keras.config.set_dtype_policy(floatx)


@pytest.fixture
def unusual_settings() -> Iterator[None]:
    set_all("channels_first", "float16", 0.1)
    yield
    set_all("channels_last", "float32", 1e-7)


def logits(net: str, options: dict[str, object]) -> np.ndarray:
    keras.utils.set_random_seed(0)
    model = build_model(net, **{"num_classes": 3, "width": 1 / 32, "fc_channels": 16} | options)
    model.get_layer(model.score_layer).kernel.assign(
        np.random.default_rng(0).standard_normal(model.get_layer(model.score_layer).kernel.shape)
    )
    return open_engine(model).logits(IMAGE)


@pytest.mark.parametrize(("net", "options"), NETS)
def test_nets_compute_the_same(net: str, options: dict[str, object], request: pytest.FixtureRequest) -> None:
    expected = logits(net, options)
    request.getfixturevalue("unusual_settings")
    np.testing.assert_array_equal(logits(net, options), expected)
    # The program's other nets have its settings.
    assert keras.config.image_data_format() == "channels_first"
    assert keras.config.floatx() == keras.config.dtype_policy().name == "float16"


def test_a_policy_that_a_program_sets_stays() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        with keras_defaults():
            assert keras.config.dtype_policy().name == "mixed_bfloat16"
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


COMMANDS = """
import sys
from fcn.system.backend import start_backend
start_backend()
from eager_training import eager_training
from fcn.cli.main import main

def run(*arguments):
    try:
        main(arguments)
    except SystemExit as stopped:
        if stopped.code:
            raise

data, folder = sys.argv[1:]
thin = ["data.root=" + data, "model.width=0.03125", "model.fc_channels=16", "train.steps=2",
        "train.batch_size=1", "augmentation.crop_size=[32,32]", "train.precision=float32"]
sets = [part for key in thin for part in ("--set", key)]
with eager_training():  # a graph for the two steps takes longer than all else
    run("train", "configs/camvid.yaml", "--run", folder + "/run", *sets)
run("evaluate", folder + "/run", "--data", data)
run("infer", folder + "/run", data + "/JPEGImages/x.jpg", "--output", folder + "/labels")
"""


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["HOME", pytest.param("KERAS_HOME", marks=pytest.mark.exhaustive)])
def test_commands_do_the_same(variable: str, dataset: Path, tmp_path: Path) -> None:
    """Trains, scores and labels with a `keras.json`, and without one."""
    home = tmp_path / "home"
    folder = home / ".keras" if variable == "HOME" else home
    folder.mkdir(parents=True)
    file = folder / "keras.json"
    values = {"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first"}
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    found = []
    for number, settings in enumerate((values, {})):
        file.write_text(json.dumps(settings | {"backend": "tensorflow"}))
        output = tmp_path / str(number)
        environment = {name: value for name, value in os.environ.items() if name != "KERAS_HOME"}
        subprocess.run(
            [sys.executable, "-c", COMMANDS, str(dataset), str(output)],
            env=environment | {"PYTHONPATH": paths, variable: str(home), "TF_CPP_MIN_LOG_LEVEL": "3"},
            cwd=ROOT,
            check=True,
        )
        with (output / "run" / "log.csv").open() as log:
            losses = [(row["loss"], row["mean_iou"], row["val_loss"]) for row in csv.DictReader(log)]
        found.append((losses, (output / "labels" / "x.png").read_bytes()))
    assert found[0] == found[1]
