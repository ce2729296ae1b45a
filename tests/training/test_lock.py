"""Tests that two trainings never write to one run folder."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from backends import write_config

from fcn.cli.main import main
from fcn.config.file import load_config
from fcn.errors import DataError, OutputError, RunError
from fcn.runs.log import read_log
from fcn.runs.model_file import RunFolder
from fcn.training.lock import only_training
from fcn.training.loop import train

pytestmark = pytest.mark.usefixtures("eager")

ROOT = Path(__file__).parents[2]


def begin(config: Path, run: RunFolder) -> subprocess.Popen[bytes]:
    """Starts a training as a user does, and returns when it has written its first checkpoint."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), str(config), "--run", str(run.path)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(6000):
        if run.last.exists():
            return process
        assert process.poll() is None, "the training ended by itself"
        time.sleep(0.02)
    process.kill()
    raise AssertionError("the training does not begin")


@pytest.mark.slow
def test_the_second_training_ends_at_once_and_a_killed_one_keeps_nobody_out(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(tmp_path / "run")
    many = {"checkpoint_steps": 1, "evaluate_steps": 10**6, "batch_size": 1}
    config = write_config(tmp_path / "recipe.yaml", dataset, steps=10**6, **many)
    process = begin(config, run)
    try:
        for resume in ([], ["--resume"]):
            with pytest.raises(SystemExit) as stopped:
                main(["train", str(config), "--run", str(run.path), *resume])
            assert stopped.value.code == 2
            message = capsys.readouterr().err
            assert f"{run.path}: is being trained already, by process {process.pid} on " in message
            assert "--run NAME" in message
            assert message.count("\n") == 1
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert run.lock.exists()
    with only_training(run):
        pass
    assert not run.lock.exists()


def test_nothing_of_it_stays_in_a_finished_run(dataset: Path, tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path / "recipe.yaml", dataset, steps=1))
    run = RunFolder(tmp_path / "new" / "run")
    with only_training(run):
        assert run.lock.exists()
        with pytest.raises(RunError, match=f"process {os.getpid()} on "):
            train(config, run.path)
        with pytest.raises(RunError, match="is being trained already"):
            train(config, run.path, resume=True)
        assert list(run.path.iterdir()) == [run.lock]
    assert not (tmp_path / "new").exists()
    train(config, run.path)
    assert not list(run.path.glob(".*"))
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with only_training(run), pytest.raises(RunError, match="is being trained already"):
        train(config, run.path, resume=True)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before
    assert [row["step"] for row in read_log(run.log) if row["mean_iou"]] == ["1"]


@pytest.mark.parametrize("there", [False, True])
def test_a_training_that_never_began_leaves_folders_as_they_were(
    there: bool, dataset: Path, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "recipe.yaml", tmp_path / "nowhere")
    path = tmp_path / "runs" / "run"
    if there:
        path.mkdir(parents=True)
    with pytest.raises(DataError):
        train(config, path)
    assert [found.name for found in path.parent.glob("*")] == (["run"] if there else [])
    assert path.parent.exists() == there


def test_a_folder_with_other_files_is_not_touched(dataset: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "recipe.yaml", dataset)
    before = tmp_path.stat().st_mtime_ns
    with pytest.raises(RunError, match="holds other files"):
        train(config, tmp_path)
    assert tmp_path.stat().st_mtime_ns == before


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(OutputError, match="file/run: cannot be written"),
        only_training(RunFolder(tmp_path / "file" / "run")),
    ):
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_keeps_nobody_out(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    run = RunFolder(tmp_path / "run")
    with only_training(run), only_training(run):
        assert run.path.exists()
    assert not run.path.exists()


def test_a_removed_run_may_be_started_again(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(only_training(run))
        shutil.rmtree(run.path)
        second.enter_context(only_training(run))
        first.close()
        assert run.lock.exists()  # the second's
        with pytest.raises(RunError), only_training(run):
            pass
    assert not run.path.exists()


@pytest.mark.slow
def test_never_two_at_once(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    inside: list[int] = []
    most: list[int] = []
    start = threading.Barrier(8)

    def take(number: int) -> None:
        start.wait()
        for _ in range(500):
            try:
                with only_training(run):
                    inside.append(number)
                    time.sleep(0)  # let the others try
                    most.append(len(inside))
                    inside.remove(number)
            except RunError:
                time.sleep(0)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) > 8
    assert set(most) == {1}
    assert not run.lock.exists()
