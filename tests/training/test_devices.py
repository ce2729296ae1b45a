import csv
import json
from pathlib import Path

import keras
import pytest
from backends import finish, label_fully, start, start_together, write_config

from fcn.config.file import load_config
from fcn.errors import ConfigError
from fcn.runs.model_file import RunFolder
from fcn.training import devices


@pytest.fixture(scope="module")
def labeled(make_dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of one size without void: each half of a batch has as many labeled pixels as the other."""
    import numpy as np

    names = {"train": list("abcdefgh"), "val": ["x", "y"]}
    root = make_dataset(tmp_path_factory.mktemp("labeled"), names, sizes=((32, 32),))
    label_fully(root, np.random.default_rng(1))
    return root


def commands(folder: Path, root: Path, name: str, count: int, **values) -> list[list[str]]:
    """The commands that train a run of some devices, whole, and again killed and resumed."""
    values = {
        "checkpoint_steps": 2,
        "evaluate_steps": 2,
        "ema": 0.5,
        "learning_rate": 0.5,
        "devices": count,
        **values,
    }
    config = write_config(folder / f"{name}.yaml", root, **values)
    whole, killed = str(folder / name), str(folder / f"{name}-killed")
    return [
        ["train", str(config), "--run", whole],
        ["kill", "3", str(config), killed],
        ["train", str(config), "--run", killed, "--resume"],
    ]


def rows(run: Path) -> list[tuple[str, str, str]]:
    with RunFolder(run).log.open(newline="") as file:
        return [(row["step"], row["loss"], row["mean_iou"]) for row in csv.DictReader(file)]


def check_alike(one: Path, other: Path, tolerance: float = 1e-5) -> None:
    """Checks that two runs have the same losses and scores at each step."""
    expected, found = rows(one), rows(other)
    assert [row[0] for row in expected] == [row[0] for row in found]
    assert sum(bool(row[1]) for row in expected) == 4
    assert sum(bool(row[2]) for row in expected) == 2
    losses = [float(row[1]) for row in expected if row[1]]
    # Losses differ from batch to batch by several percent, or a wrong batch would go unnoticed.
    assert max(losses) > 1.02 * min(losses)
    for row, again in zip(expected, found, strict=True):
        for cell, cell_again in zip(row[1:], again[1:], strict=True):
            assert bool(cell) == bool(cell_again)
            if cell:
                assert float(cell_again) == pytest.approx(float(cell), rel=tolerance), row[0]


@pytest.mark.exhaustive
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_learn_what_one_does(backend: str, labeled: Path, tmp_path: Path) -> None:
    pytest.importorskip(backend)
    two = commands(tmp_path, labeled, "two", 2)
    program = {"commands": [*commands(tmp_path, labeled, "one", 1)[:1], *two]}
    if backend == "tensorflow":
        finish(start(backend, program | {"cpus": 2}))
    else:
        finish(start(backend, program, XLA_FLAGS="--xla_force_host_platform_device_count=2"))
    check_alike(tmp_path / "one", tmp_path / "two")
    check_alike(tmp_path / "two", tmp_path / "two-killed")


@pytest.mark.slow
def test_two_processes_learn_what_one_does(labeled: Path, tmp_path: Path) -> None:
    pytest.importorskip("jax")
    one = commands(tmp_path, labeled, "one", 1)[:1]
    finish(start("jax", {"commands": one, "blocked": ["tensorflow"]}))
    both = commands(tmp_path, labeled, "two", 1)[:1]
    finish(*start_together({"commands": both, "blocked": ["tensorflow"]}))
    # Programs that are not optimized add in another order for one process than for two.
    check_alike(tmp_path / "one", tmp_path / "two", tolerance=1e-4)
    assert len(list((tmp_path / "two" / "events").iterdir())) == 1  # one process writes


def test_more_devices_than_there_are_are_refused(labeled: Path, tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path / "recipe.yaml", labeled, devices=64, batch_size=64))
    with pytest.raises(ConfigError, match=r"train\.devices=64: expected at most"), devices.scope(config):
        pass


def test_one_process_leads_itself() -> None:
    assert devices.process() == (0, 1)
    assert devices.is_main_process()


def test_describes_the_backend() -> None:
    described = json.loads(json.dumps(devices.describe()))
    assert described["keras"] == keras.__version__
    assert described[described["backend"]]
