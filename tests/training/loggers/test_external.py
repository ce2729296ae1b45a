"""Loggers do not affect a training, however they fail. Stand-ins fail as the real libraries may."""

import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from thin_training import arrays, thin_config

import fcn
from fcn.config.file import Config, load_config
from fcn.data.image_io import encode_png
from fcn.errors import BackendError, ConfigError
from fcn.runs.folder import RunFolder
from fcn.runs.log import read_log
from fcn.training.changes import describe_changes, refused_changes
from fcn.training.loggers import external, process
from fcn.training.loggers.external import ExternalLoggers, check_packages, run_results
from fcn.training.loop import train

pytestmark = pytest.mark.usefixtures("eager")

# A library that writes what it is given to a file of JSON lines, and fails at one step.
TRACKIO = """
import json, os, time

class Image:
    def __init__(self, path):
        self.size = os.path.getsize(path)

class Artifact:
    def __init__(self, name, kind):
        self.files = []
    def add_file(self, path, name):
        self.files.append(name)

def write(*fields):
    with open(os.environ["LOGGED"], "a") as file:
        print(json.dumps(fields, default=lambda image: image.size), file=file)

class Run:
    name = "stand-in"
    def log(self, values, step):
        if step == int(os.environ.get("RAISES_AT", -1)):
            raise ConnectionError("no\\n server")
        if step == int(os.environ.get("HANGS_AT", -1)):
            time.sleep(600)
        print("said by the library")
        write(step, values)
    def log_artifact(self, artifact):
        write("files", artifact.files)
    def finish(self):
        write("finished")

def init(project, **options):
    write("init", options["name"], options["resume"], options["config"]["train.steps"])
    return Run()
"""
MLFLOW = "import os; os._exit(7)"


@pytest.fixture
def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts stand-ins in place of the libraries; returns the file to which one of them writes its calls."""
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    (libraries / "trackio.py").write_text(TRACKIO)
    (libraries / "mlflow.py").write_text(MLFLOW)
    monkeypatch.syspath_prepend(libraries)
    monkeypatch.setenv("PYTHONPATH", str(libraries))
    monkeypatch.setenv("LOGGED", str(tmp_path / "logged"))
    return tmp_path / "logged"


def lines(path: Path) -> list[list]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def configured(root: Path, *loggers: str) -> Config:
    settings = {"steps": 4, "learning_rate": 0.05, "log_steps": 1, "evaluate_steps": 2, "log": loggers}
    return thin_config(root, settings)


@pytest.mark.slow
def test_a_training_goes_on_as_without_loggers_that_fail(
    logged: Path,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = train(configured(dataset), tmp_path / "plain").run
    assert not plain.events.exists()
    assert not plain.loggers.exists()
    capsys.readouterr()
    monkeypatch.setenv("RAISES_AT", "3")
    run = train(configured(dataset, "trackio", "mlflow"), tmp_path / "run").run
    for ours, theirs in zip(arrays(run.last), arrays(plain.last), strict=True):
        np.testing.assert_array_equal(ours, theirs)

    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Warning: ")]
    assert [line.split(" The training")[0] for line in said if "trackio" in line] == [
        "Warning: trackio: ConnectionError: no server",
        "Warning: trackio: 1 of its 10 calls failed.",
    ]
    (line,) = [line for line in said if "mlflow" in line]
    assert line.startswith("Warning: mlflow: Its process ended with exit code 7. ")
    best = json.loads(run.scores.read_text())["step"]
    steps = [1, 2, 2, 2, 4, 4, 4, best]  # a row of the log, one of scores, and pictures
    assert [step for step, *_ in lines(logged)] == ["init", *steps, "files", "finished"]
    assert "said by the library" in (run.loggers / "trackio" / process.OUTPUT).read_text()


@pytest.mark.slow
def test_what_is_in_the_log_is_sent(logged: Path, dataset: Path, tmp_path: Path) -> None:
    run = train(configured(dataset, "trackio"), tmp_path / "my run").run
    init, *sent, files, finished = lines(logged)
    assert init[1].startswith("my-run-")
    assert (init[2:], finished) == (["never", 4], ["finished"])
    rows = [row for row in read_log(run.log) if row["loss"]]
    losses = [(step, one["training/loss"]) for step, one in sent if "training/loss" in one]
    assert losses == [(int(row["step"]), float(row["loss"])) for row in rows]
    pictures = [(step, sorted(one)) for step, one in sent if any("predictions" in key for key in one)]
    names = ["predictions/x", "predictions/y", "predictions/z"]
    assert pictures == [(2, names), (4, names)]
    scores = json.loads(run.scores.read_text())
    best = next(one for _, one in sent if "best/mean_iou" in one)
    assert best["best/mean_iou"] == scores["mean_iou"]
    assert {key for key in best if "class_iou" in key} == {
        f"best/class_iou/{name}" for name, value in scores["class_iou"].items() if value is not None
    }
    assert {"checkpoints/best.keras", "config.yaml", "scores.json", "report.html", "log.csv"} <= set(files[1])
    assert not any("last" in name or "events" in name or "loggers" in name for name in files[1])


def test_a_stopped_training_sends_no_results(
    logged: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop() -> None:
        with ExternalLoggers(["trackio"], RunFolder(tmp_path)) as loggers:
            loggers.start(configured(dataset))
            loggers.add_scalars(1, {"a": 1.0, "b": math.nan})
            raise KeyboardInterrupt

    monkeypatch.setattr(external, "STOP_SECONDS", 300)  # only where other jobs have the machine
    with pytest.raises(KeyboardInterrupt):
        stop()
    assert [fields[0] for fields in lines(logged)] == ["init", 1, "finished"]
    assert lines(logged)[1][1] == {"a": 1.0}


def test_a_logger_that_hangs_is_given_up(
    logged: Path,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HANGS_AT", "1")
    monkeypatch.setattr(external, "FINISH_SECONDS", 0.2)
    monkeypatch.setattr(external, "_QUIET_SECONDS", 0.1)
    with ExternalLoggers(["trackio"], RunFolder(tmp_path)) as loggers:
        loggers.start(configured(dataset))
        loggers.add_scalars(1, {"a": 1.0})
    assert "Warning: trackio: It was given up before it had taken everything." in capsys.readouterr().err


def test_a_logger_that_does_not_keep_up_is_given_up_once(
    logged: Path,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HANGS_AT", "1")
    monkeypatch.setattr(process, "MOST_WAITING", 1 << 20)
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    with ExternalLoggers(["trackio"], RunFolder(tmp_path)) as loggers:
        loggers.start(configured(dataset))
        for step in range(1, 20):
            loggers.add_images(step, {"predictions/a": encode_png(noise)})
    assert capsys.readouterr().err.count("It does not keep up, and is given up.") == 1


def test_the_default_starts_nothing(dataset: Path, tmp_path: Path) -> None:
    threads = threading.active_count()
    with ExternalLoggers(Config(data={"root": dataset}).train.log, RunFolder(tmp_path)) as loggers:
        loggers.start(configured(dataset))
        assert not loggers
        assert threading.active_count() == threads
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"^train\.log: wandb: .* pip install wandb\. To train without it"):
        train(configured(tmp_path / "no data", "wandb"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_of_that_name_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandb").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackendError, match="wandb is not installed"):
        check_packages(["wandb"])


def test_the_process_needs_nothing_but_python() -> None:
    blocked = ("keras", "tensorflow", "tensorboard", "numpy", "pydantic", "cv2", "PIL", "rich")
    program = f"import sys; sys.modules |= dict.fromkeys({blocked})\n" + "".join(
        f"import fcn.training.loggers.{name}\n" for name in ("program", "wandb", "mlflow", "trackio")
    )
    environment = os.environ | {"PYTHONPATH": str(Path(fcn.__file__).parents[1])}
    subprocess.run([sys.executable, "-P", "-c", program], env=environment, check=True)


def test_loggers_may_change_when_a_run_is_resumed(dataset: Path) -> None:
    before, after = configured(dataset, "tensorboard"), configured(dataset, "tensorboard", "wandb")
    assert not refused_changes(before, after)
    (line,) = describe_changes(before, after, 2)
    assert line.startswith("Changed: train.log: ")


@pytest.mark.parametrize(
    ("value", "message"),
    [("[wandb, wandb]", "wandb is there more than once"), ("[comet]", "tensorboard, wandb, mlflow, trackio")],
)
def test_refuses_loggers_that_are_named_twice_or_unknown(tmp_path: Path, value: str, message: str) -> None:
    (tmp_path / "a.yaml").write_text("data: {root: x}\n")
    with pytest.raises(ConfigError, match=message):
        load_config(tmp_path / "a.yaml", [f"train.log={value}"])


def test_damaged_scores_leave_the_files(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.scores.write_text("{")
    assert run_results(run) == {"step": 0, "scores": {}, "files": {"scores.json": str(run.scores)}}
