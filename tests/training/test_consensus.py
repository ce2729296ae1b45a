"""Several processes that train one net: stopped in any way, none hangs, and they go on exactly."""

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from backends import assert_same_training, finish, start_together, write_config

from fcn.errors import OutputError
from fcn.runs.log import read_log
from fcn.runs.model_file import RunFolder, load_state
from fcn.training.consensus import StopConsensus, stop_together

# More than it takes on a busy machine, less than the 5 minutes JAX waits for a process that is gone.
STOP_SECONDS = 200


@pytest.fixture(scope="module")
def recipe(make_dataset: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("jax")
    folder = tmp_path_factory.mktemp("processes")
    root = make_dataset(folder / "data", {"train": list("abcdefgh"), "val": ["x", "y"]}, sizes=((32, 32),))
    return write_config(
        folder / "recipe.yaml",
        root,
        {"dropout": 0.5, "batch_normalization": True},
        steps=60,
        checkpoint_steps=4,
        evaluate_steps=20,
        ema=0.9,
        accumulate=2,
        devices=1,
    )


def request(recipe: Path, run: RunFolder) -> dict:
    command = ["train", str(recipe), "--run", str(run.path), "--resume"]
    return {"commands": [command], "blocked": ["tensorflow"]}


@contextlib.contextmanager
def training(recipe: Path, run: RunFolder) -> Iterator[list[subprocess.Popen[str]]]:
    """Starts two processes and yields them some steps later; none outlives this."""
    before = len(read_log(run.log))
    processes = start_together(request(recipe, run))
    try:
        for _ in range(20 * 600):
            assert all(process.poll() is None for process in processes), outputs(processes)
            if len(read_log(run.log)) >= before + 7:
                break
            time.sleep(0.05)
        yield processes
    finally:
        outputs(processes)


def outputs(processes: Sequence[subprocess.Popen[str]]) -> list[str]:
    """Ends processes and returns what they have said."""
    for process in processes:
        process.kill()
    return [process.communicate()[0] for process in processes]


def wait(processes: Sequence[subprocess.Popen[str]]) -> list[int]:
    """Returns the exit codes of processes that end by themselves."""
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        process.wait(max(0.0, deadline - time.monotonic()))
    return [process.returncode for process in processes]


def steps(run: RunFolder) -> list[tuple[str, str, str]]:
    return [(row["step"], row["loss"], row["mean_iou"]) for row in read_log(run.log)]


# A cluster's manager tells all; a person may tell one alone, of which the first is special.
@pytest.mark.exhaustive
def test_stopped_processes_go_on_as_if_they_never_were(recipe: Path, tmp_path: Path) -> None:
    whole, run = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "stopped")
    finish(*start_together(request(recipe, whole)))
    with training(recipe, run) as processes:
        for process in processes:
            process.kill()
        assert wait(processes) == [-signal.SIGKILL, -signal.SIGKILL]
    for told in [(0,), (1,), (0, 1)]:
        before = load_state(run.last)["step"]
        with training(recipe, run) as processes:
            for index in told:
                processes[index].send_signal(signal.SIGTERM)
            assert wait(processes) == [143, 143], outputs(processes)
        step = load_state(run.last)["step"]
        assert step > before
        assert int(read_log(run.log)[-1]["step"]) == step  # the last one taken, which is logged, is saved
    finish(*start_together(request(recipe, run)))
    assert steps(run) == steps(whole)
    assert json.loads(run.scores.read_text()) == json.loads(whole.scores.read_text())
    assert_same_training(whole, run)


@pytest.mark.exhaustive
@pytest.mark.parametrize("lost", [0, 1])
def test_no_process_waits_for_one_that_is_gone(lost: int, recipe: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with training(recipe, run) as processes:
        processes[lost].kill()
        codes = wait(processes)
        assert codes[lost] == -signal.SIGKILL
        assert codes[1 - lost] not in (0, 143)
    assert load_state(run.last)["step"]  # the last checkpoint is whole


def test_one_process_agrees_with_itself() -> None:
    consensus = StopConsensus()
    assert consensus.sync(0) == 0
    assert not consensus.ended
    assert consensus.sync(143) == 143
    assert consensus.ended


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [(SystemExit(143), 143), (KeyboardInterrupt(), 130), (OutputError("full"), 2), (ZeroDivisionError(), 1)],
)
def test_an_error_is_brought_to_the_others_as_its_exit_code(
    error: BaseException, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought: list[int] = []
    consensus = StopConsensus()
    monkeypatch.setattr(consensus, "sync", brought.append)
    with pytest.raises(type(error)), consensus.pending():
        raise error
    assert brought == [exit_code]


def test_what_was_agreed_on_is_not_brought_again() -> None:
    with pytest.raises(SystemExit), stop_together() as consensus, consensus.pending():
        raise SystemExit(consensus.sync(143))
    assert consensus.ended
