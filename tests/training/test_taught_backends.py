"""Trainings with a teacher on other backends and on two devices."""

from pathlib import Path

import pytest
from backends import assert_same_training, finish, label_fully, start, write_config
from taught_training import NAMES

from fcn.runs.log import read_log
from fcn.runs.model_file import RunFolder

pytestmark = pytest.mark.exhaustive


@pytest.fixture(scope="module")
def labeled(make_dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of one size without void: each half of a batch has as many pixels of each kind as the other."""
    import numpy as np

    names = {"train": list("abcdefgh"), "val": ["x", "y"]}
    root = make_dataset(tmp_path_factory.mktemp("labeled"), names, sizes=((32, 32),))
    label_fully(root, np.random.default_rng(1))
    return root


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import build_thin_net

    path = tmp_path_factory.mktemp("teacher") / "large.keras"
    build_thin_net(class_names=NAMES, batch_normalization=True).save(path)
    return path


def losses(run: RunFolder) -> list[float]:
    return [float(row["loss"]) for row in read_log(run.log) if row["loss"]]


def commands(folder: Path, root: Path, name: str, **values: object) -> list[list[str]]:
    """The commands that train a run, whole, and again killed and resumed."""
    thin = {"dropout": 0.5 if "accumulate" in values else 0.0}
    config = write_config(
        folder / f"{name}.yaml", root, thin, checkpoint_steps=2, evaluate_steps=4, learning_rate=0.5, **values
    )
    whole, killed = str(folder / name), str(folder / f"{name}-killed")
    batch = 6 if "accumulate" in values else 3
    return [
        ["train", str(config), "--run", whole],
        ["kill", str(batch), str(config), killed],
        ["train", str(config), "--run", killed, "--resume"],
    ]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_killed_training_goes_on_exactly_on_another_backend(
    backend: str, labeled: Path, teacher: Path, tmp_path: Path
) -> None:
    pytest.importorskip(backend)
    work = commands(tmp_path, labeled, "run", teacher=str(teacher), accumulate=2)
    finish(start(backend, {"commands": work, "blocked": ["tensorflow"]}))
    whole, killed = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run-killed")
    assert losses(whole) == losses(killed)
    assert_same_training(whole, killed)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_learn_what_one_does(backend: str, labeled: Path, teacher: Path, tmp_path: Path) -> None:
    pytest.importorskip(backend)
    one, two = (
        commands(tmp_path, labeled, str(count), teacher=str(teacher), devices=count)[:1] for count in (1, 2)
    )
    program = {"commands": [*one, *two]}
    if backend == "tensorflow":
        finish(start(backend, program | {"cpus": 2}))
    else:
        finish(start(backend, program, XLA_FLAGS="--xla_force_host_platform_device_count=2"))
    expected, found = losses(RunFolder(tmp_path / "1")), losses(RunFolder(tmp_path / "2"))
    assert len(expected) == 4
    assert max(expected) > 1.02 * min(expected)
    assert found == pytest.approx(expected, rel=1e-5)
