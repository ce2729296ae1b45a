"""Jobs in several processes must end as those of one, whatever dies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from job_program import run_job
from photographs import contents_below, write_image, write_video
from ray_processes import TESTS, RayPrograms, finish, rows, wait_for

from fcn.cli.main import main
from fcn.jobs.store import STORE_NAME

pytestmark = pytest.mark.slow

WORKER = "fcn.jobs.processes.program"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for number in range(30):
        write_image(tmp_path / "images" / f"{number % 4}/{number:02} \udcff\n.jpg", 16 + 8 * (number % 3), 24)
    (tmp_path / "images" / "bad.jpg").write_bytes(b"nothing")
    return tmp_path / "images"


@pytest.fixture
def whole(images: Path, tmp_path: Path) -> Path:
    """The labels of a job of this process alone."""
    run_job(tmp_path / "whole", images, batch_size=3)
    return tmp_path / "whole"


def assert_same(output: Path, whole: Path) -> None:
    assert contents_below(output) == contents_below(whole)
    assert rows(output) == rows(whole)
    assert [path.name for path in output.glob(".*")] == [STORE_NAME]


def start(
    programs: RayPrograms,
    output: Path,
    images: Path,
    *,
    net: str = "brightness",
    seconds: float = 0,
    workers: int = 2,
    **environment: str,
) -> subprocess.Popen[str]:
    program = (sys.executable, TESTS / "processes_program.py", net, seconds, workers, output, images)
    return programs.start(*program, **environment)


def test_two_processes_leave_the_bytes_of_one(
    model_path: Path, images: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    write_video(images / "clip.mp4", 3)
    kinds = "palette,overlay,uncertainty,probabilities,polygons,areas"
    infer = [
        sys.executable,
        TESTS.parent / "infer.py",
        model_path,
        images,
        "--outputs",
        kinds,
        "--palette=voc",
    ]
    one = {"TF_NUM_INTRAOP_THREADS": "1"}
    ordinary = finish(programs.start(*infer, "--output", tmp_path / "one", **one))
    shared = finish(programs.start(*infer, "--output", tmp_path / "two", "--workers", 2, **one))
    assert shared == (1, ordinary[1].replace("/one/", "/two/"), ordinary[2])  # 1 for the bad one
    assert {"areas.csv", "coco.json", "clip.overlay.mp4"} < {*contents_below(tmp_path / "two")}
    assert_same(tmp_path / "two", tmp_path / "one")
    assert not programs.wait_until_gone()


def test_both_work_with_their_share_of_threads_and_a_killed_one_is_replaced(
    images: Path, whole: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    output, opened = tmp_path / "labels", tmp_path / "opened"
    process = start(programs, output, images, seconds=0.3, OPENED=str(opened))
    wait_for(output, 6, process)
    first, second = programs.processes(WORKER)
    os.kill(first, signal.SIGKILL)
    assert finish(process) == (0, "30 30 1\n", "opened\n")  # said once, not by each
    assert_same(output, whole)
    lines = [line.split() for line in opened.read_text().splitlines()]
    assert {str(first), str(second)} < {number for number, _ in lines}
    assert len(lines) == 3
    assert {threads for _, threads in lines} == {str(max(1, len(os.sched_getaffinity(0)) // 2))}
    assert sum(lost for (lost,) in rows(output, "lost")) > 0  # type: ignore[misc]
    assert not programs.wait_until_gone()


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.exhaustive)]
)
def test_stop_signals_reach_the_workers_and_the_job_goes_on(
    number: signal.Signals, images: Path, whole: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    output = tmp_path / "labels"
    process = start(programs, output, images, seconds=0.3)
    wait_for(output, 3, process)
    began = time.monotonic()
    process.send_signal(number)
    code, _, errors = finish(process)
    assert code == (143 if number is signal.SIGTERM else 1), errors
    assert ("KeyboardInterrupt" in errors) == (number is signal.SIGINT)
    assert time.monotonic() - began < 60
    assert not programs.wait_until_gone()
    assert {status for (status,) in rows(output, "status")} <= {"waiting", "done", "failed"}
    assert {lost for (lost,) in rows(output, "lost")} == {0}  # being told to stop is no crash
    assert run_job(output, images, batch_size=3).labeled == 30
    assert_same(output, whole)


@pytest.mark.exhaustive
def test_workers_end_when_the_command_is_killed(
    images: Path, whole: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    output = tmp_path / "labels"
    process = start(programs, output, images, seconds=0.3)
    wait_for(output, 3, process)
    process.kill()
    process.communicate()
    assert not programs.wait_until_gone()
    assert run_job(output, images, batch_size=3).labeled == 30
    assert_same(output, whole)


@pytest.mark.exhaustive
def test_a_worker_that_is_told_to_stop_ends_the_job_with_a_message(
    images: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    process = start(programs, tmp_path / "labels", images, seconds=0.3)
    wait_for(tmp_path / "labels", 3, process)
    worker = programs.processes(WORKER)[0]
    os.kill(worker, signal.SIGTERM)
    code, _, errors = finish(process)
    assert code == 2
    assert f"--workers: process {worker} was stopped by SIGTERM. Finished labels stay" in errors
    assert not programs.wait_until_gone()


@pytest.mark.exhaustive
def test_an_image_that_kills_its_worker_fails_and_the_others_are_labeled(
    images: Path, whole: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    cv2.imwrite(str(images / "deadly.png"), np.full((16, 24, 3), 255, np.uint8))
    output = tmp_path / "labels"
    code, printed, errors = finish(start(programs, output, images))
    assert (code, printed) == (0, "30 30 2\n"), errors
    assert contents_below(output) == contents_below(whole)
    reasons = [error for (error,) in rows(output, "error") if error]
    assert any(str(reason).startswith("crashed the process ") for reason in reasons)


@pytest.mark.parametrize(
    ("net", "code", "said"),
    [
        ("refused", 2, "Error: net.keras: does not exist.\n"),
        pytest.param("broken", 1, "ZeroDivisionError: a bug\n", marks=pytest.mark.exhaustive),
        pytest.param(
            *("deadly", 2, "a worker died 4 times while the model was opened. If memory is short"),
            marks=pytest.mark.exhaustive,
        ),
        pytest.param("int8", 2, "precision: float32, now int8", marks=pytest.mark.exhaustive),
    ],
)
def test_what_a_worker_cannot_do_is_said_as_anywhere(
    net: str, code: int, said: str, images: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    if net == "int8":
        run_job(tmp_path / "labels", images / "0", batch_size=3)
        images = images / "0"
        write_image(images / "more.png")
    found, printed, errors = finish(start(programs, tmp_path / "labels", images, net=net))
    assert (found, printed) == (code, "")
    assert errors == said if net == "refused" else said in errors
    assert code == 1 or errors.count("\n") == 1
    assert not programs.wait_until_gone()


def test_with_ray_there_are_actors_and_no_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["a.keras", "a.jpg", "--output", str(tmp_path / "out"), "--ray", "--workers", "2"]
    with pytest.raises(SystemExit) as stopped:
        main(["infer", *options])
    assert stopped.value.code == 2
    assert "--workers 2: not with --ray" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
