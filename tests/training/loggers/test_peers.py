"""A training that is killed and resumed, in wandb, MLflow and Trackio themselves, without a network.

The libraries run in the environment of peers (`make peers`) and in a network of their own that leads nowhere;
what they kept is read back there by `logger_records.py`.
"""

import json
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest
from eager_training import eager_training
from peers import run_peer
from thin_training import CrashAt, thin_config

from fcn.config.file import Config
from fcn.runs.folder import RunFolder
from fcn.runs.log import read_log
from fcn.training.loggers import external, process
from fcn.training.loop import train

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
RECORDS = ROOT / "tests" / "logger_records.py"
LIBRARIES = ("wandb", "mlflow", "trackio")


class Logged(NamedTuple):
    """A run in which two sessions logged.

    Attributes:
        run: Its folder.
        config: Of the second session.
        ids: What each library called it in the first session.
        places: Where each keeps its runs.
        home: The folder that libraries took for the user's.
        said: What the first session printed of the loggers.
    """

    run: RunFolder
    config: Config
    ids: dict[str, str]
    places: dict[str, object]
    home: Path
    said: str


def offline_python(folder: Path) -> Path:
    """Writes a program that is the Python of the peers, without a network; skips where there is none."""
    run_peer("python", "-c", f"import {', '.join(LIBRARIES)}", folder=folder)
    closed = ["unshare", "--map-root-user", "--net"]
    try:
        subprocess.run([*closed, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs unshare, and the right to use it, to close the network")
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nexec {" ".join(closed)} {ROOT}/.venv-peers/bin/python "$@"\n')
    program.chmod(0o755)
    return program


def ids_of(run: RunFolder) -> dict[str, str]:
    return {name: json.loads((run.loggers / name / "id.json").read_text())["id"] for name in LIBRARIES}


@pytest.fixture(scope="module")
def logged(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Logged:
    home = tmp_path_factory.mktemp("home")
    run = RunFolder(tmp_path_factory.mktemp("runs") / "my run")
    settings = {"steps": 4, "learning_rate": 0.05, "log_steps": 1, "checkpoint_steps": 2, "evaluate_steps": 2}
    config = thin_config(dataset, settings | {"log": LIBRARIES})
    longer = thin_config(dataset, settings | {"log": LIBRARIES, "steps": 5})
    with pytest.MonkeyPatch.context() as patch, eager_training():
        patch.setattr(process, "PYTHON", str(offline_python(home)))
        patch.setattr(external, "check_packages", lambda names: None)
        patch.setattr("fcn.training.loop.check_packages", lambda names: None)
        patch.setattr(external, "STOP_SECONDS", 300)  # only where other jobs have the machine
        patch.setenv("HOME", str(home))
        patch.setenv("TRACKIO_DIR", str(home / "trackio"))
        for name in ("WANDB_API_KEY", "WANDB_MODE", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        patch.chdir(home)
        lines: list[str] = []
        patch.setattr(external, "print_notice", lambda *given: lines.extend(map(str, given)))
        with pytest.raises(KeyboardInterrupt):  # after step 3; the last checkpoint has step 2
            train(config, run.path, callbacks=[CrashAt(2)])
        ids = ids_of(run)
        patch.chdir(dataset)  # MLflow's file stays where it is
        train(longer, run.path, resume=True)
    places = {
        "wandb": run.loggers / "wandb" / "wandb",
        "mlflow": f"sqlite:///{home / 'mlflow.db'}",
        "trackio": home / "trackio",
    }
    return Logged(run, longer, ids, places, home, "\n".join(lines))


@pytest.fixture(scope="module", params=LIBRARIES)
def kept(request: pytest.FixtureRequest, logged: Logged) -> tuple[str, dict]:
    """The name of a library, and what it has kept."""
    name = request.param
    printed = run_peer("python", RECORDS, name, logged.places[name], logged.ids[name], folder=logged.home)
    return name, json.loads(printed.splitlines()[-1])


def test_a_resumed_training_keeps_its_id_and_its_values(logged: Logged, kept: tuple[str, dict]) -> None:
    name, found = kept
    assert ids_of(logged.run)[name] == logged.ids[name]
    steps = sorted(step for key, step, _ in found["scalars"] if key == "training/loss")
    assert steps == [1, 2, 3, 3, 4, 5]  # step 3 was taken again
    values = {(key, step): value for key, step, value in found["scalars"]}
    for row in read_log(logged.run.log):
        for column, tag in (
            ("loss", "training/loss"),
            ("learning_rate", "training/learning_rate"),
            ("mean_iou", "validation/mean_iou"),
            ("val_loss", "validation/loss"),
        ):
            if row[column]:
                assert values[tag, int(row["step"])] == pytest.approx(float(row[column]), rel=1e-6)


def test_the_configuration_is_that_of_the_last_session(kept: tuple[str, dict]) -> None:
    _, found = kept
    assert found["config"]["model.fc_channels"] == 8
    assert found["config"]["train.steps"] == 5


def test_predictions_and_results_are_those_of_the_run(logged: Logged, kept: tuple[str, dict]) -> None:
    name, found = kept
    assert {(key, step) for key, step, _ in found["images"]} == {
        (f"predictions/{image}", step) for image in ("x", "y", "z") for step in (2, 4, 5)
    }
    scores = json.loads(logged.run.scores.read_text())
    assert found["best"]["best/mean_iou"] == pytest.approx(scores["mean_iou"])
    for place in ("config.yaml", "scores.json", "log.csv", "checkpoints/best.keras"):
        content = (logged.run.path / place).read_bytes()
        assert found["files"][place] == sha256(content).hexdigest(), place
    outcomes = {"wandb": [1, 0], "mlflow": ["FINISHED"], "trackio": []}
    assert found["outcomes"] == outcomes[name]


def test_the_user_is_told_where_runs_are(logged: Logged) -> None:
    lines = logged.said.splitlines()
    assert any(
        line.startswith("wandb: logs offline, since it could not start online: No API") for line in lines
    )
    for name in LIBRARIES:
        found = [line for line in lines if line.startswith(f"Logging to {name}: ")]
        assert len(found) == 2
        assert name == "wandb" or all(logged.ids[name] in line for line in found)
    assert not any(line.startswith("Warning: ") for line in lines), logged.said
