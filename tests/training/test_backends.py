import json
from pathlib import Path

import keras
import numpy as np
import pytest
from backends import assert_same_training, finish, start, write_config

from fcn.runs.model_file import RunFolder, load_model
from fcn.training.log import read_log

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["jax", "torch"])
def trained(request: pytest.FixtureRequest, dataset: Path, tmp_path_factory) -> Path:
    """A folder with what a process without TensorFlow made.

    A run, another that was killed and resumed, scores, labels, and logits of an image; also what it printed.
    """
    pytest.importorskip(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    thin = {"dropout": 0.5, "batch_normalization": True}
    config = write_config(
        folder / "recipe.yaml", dataset, thin, checkpoint_steps=2, evaluate_steps=4, ema=0.9, accumulate=2
    )
    commands = [
        ["train", config, "--run", folder / "whole"],
        ["kill", 6, config, folder / "killed"],  # each step has two parts
        ["train", config, "--run", folder / "killed", "--resume"],
        ["evaluate", folder / "whole", "--data", dataset, "--output", folder / "again.json"],
        ["infer", folder / "whole", dataset / "JPEGImages", "--output", folder / "labels"],
    ]
    image = np.random.default_rng(0).integers(0, 256, (1, 35, 41, 3)).astype(np.float32)
    np.save(folder / "image.npy", image)
    program = {
        "commands": [[str(word) for word in command] for command in commands],
        "refused": ["export", str(folder / "whole"), str(folder / "exported")],
        "logits": [str(folder / name) for name in ("whole", "image.npy", "logits.npy")],
        "blocked": ["tensorflow"],
    }
    (printed,) = finish(start(request.param, program))
    (folder / "printed").write_text(printed)
    return folder


def test_trains_scores_and_labels_without_tensorflow(trained: Path) -> None:
    scores = json.loads((trained / "whole" / "scores.json").read_text())
    again = json.loads((trained / "again.json").read_text())
    assert again["mean_iou"] == pytest.approx(scores["mean_iou"], abs=1e-6)
    assert len(list((trained / "labels").rglob("*.png"))) == 7
    environment = json.loads((trained / "whole" / "environment.json").read_text())
    assert environment["backend"] in trained.name


def test_a_killed_training_goes_on_exactly(trained: Path) -> None:
    whole, killed = RunFolder(trained / "whole"), RunFolder(trained / "killed")
    for one, other in zip(read_log(whole.log), read_log(killed.log), strict=True):
        for column in ("step", "loss", "mean_iou"):
            assert one[column] == other[column], column
    assert_same_training(whole, killed)


def test_another_backend_labels_alike(trained: Path) -> None:
    backend = json.loads((trained / "whole" / "environment.json").read_text())["backend"]
    if keras.backend.backend() == backend:
        pytest.skip("needs two backends: this process has the one that trained")
    expected = np.load(trained / "logits.npy")
    found = load_model(trained / "whole").predict_on_batch(np.load(trained / "image.npy"))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_export_says_that_it_needs_tensorflow(trained: Path) -> None:
    assert "export: the package tensorflow is not installed" in (trained / "printed").read_text()
    assert not (trained / "exported").exists()
