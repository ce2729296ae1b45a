"""Jobs on a Ray cluster must end as those of one process, whatever dies."""

import json
import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from job_program import Brightness, run_job
from photographs import contents_below, write_image, write_video
from ray_processes import TESTS, RayPrograms, finish, rows, wait_for

from fcn.exports.export import export
from fcn.inference.predictor import Predictor
from fcn.jobs.job import open_job
from fcn.jobs.ray.actors import RayBatchProcessor
from fcn.jobs.ray.cluster import Share
from fcn.jobs.store import STORE_NAME
from fcn.models.fcn import FCN

pytestmark = pytest.mark.slow


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    for number in range(60):
        name = f"{number % 4}/{number:02} \udcff\n.jpg"
        write_image(tmp_path / "photographs" / name, 16 + 8 * (number % 3), 24)
    (tmp_path / "photographs" / "bad.jpg").write_bytes(b"nothing")
    return tmp_path / "photographs"


@pytest.fixture
def whole(photographs: Path, tmp_path: Path) -> Path:
    """The labels of a job of this process alone."""
    run_job(tmp_path / "whole", photographs, batch_size=3)
    return tmp_path / "whole"


def assert_same(output: Path, whole: Path) -> None:
    assert contents_below(output) == contents_below(whole)
    assert rows(output) == rows(whole)
    assert {*rows(output, "labeled, status")} == {(1, "done"), (0, "failed")}


def test_two_actors_leave_the_bytes_of_an_ordinary_job(
    model_path: Path, photographs: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    write_video(photographs / "clip.mp4", 5)
    kinds = "palette,overlay,uncertainty,probabilities,polygons,areas"
    infer = [
        sys.executable,
        TESTS.parent / "infer.py",
        model_path,
        photographs,
        "--outputs",
        kinds,
        "--palette=voc",
    ]
    one = {"TF_NUM_INTRAOP_THREADS": "1"}  # as each of two actors on two CPUs has
    ordinary = finish(programs.start(*infer, "--output", tmp_path / "ordinary", **one))
    on_ray = finish(programs.start(*infer, "--output", tmp_path / "ray", "--actors", 2, "--ray", **one))
    assert ordinary[0] == on_ray[0] == 1  # of the bad one
    assert on_ray[1] == ordinary[1].replace("ordinary", "ray")
    assert on_ray[2] == ordinary[2]  # nothing of Ray's
    assert {"areas.csv", "coco.json", "clip.overlay.mp4"} < {*contents_below(tmp_path / "ray")}
    assert_same(tmp_path / "ray", tmp_path / "ordinary")
    assert not programs.wait_until_gone()
    assert not [*programs.folder.iterdir()]


@pytest.mark.exhaustive
def test_two_actors_with_openvino_leave_the_bytes_of_an_ordinary_job(
    net: FCN, photographs: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    pytest.importorskip("openvino")
    export(net, tmp_path / "model", ["openvino"])
    outputs = ["--outputs", "palette,probabilities,areas", "--engine", "openvino", "--precision", "float32"]
    infer = [sys.executable, TESTS.parent / "infer.py", tmp_path / "model", photographs, *outputs, "--output"]
    # OpenVINO heeds what Ray gives each of two actors: half of the CPUs.
    threads = str(max(1, (os.cpu_count() or 1) // 2))
    ordinary = finish(programs.start(*infer, tmp_path / "ordinary", OMP_NUM_THREADS=threads))
    on_ray = finish(programs.start(*infer, tmp_path / "ray", "--actors", 2, "--ray"))
    assert ordinary[0] == on_ray[0] == 1  # of the bad one
    assert on_ray[2] == ordinary[2]
    assert_same(tmp_path / "ray", tmp_path / "ordinary")
    again = finish(programs.start(*infer, tmp_path / "ray", "--retry-failed", "--ray"))
    assert (again[0], again[2]) == (1, ordinary[2])


def test_one_engine_labels_all_videos_of_a_job(tmp_path: Path) -> None:
    videos = [write_video(tmp_path / name, 2) for name in ("a.mp4", "b.mp4")]
    opened: list[Brightness] = []

    def open_predictor() -> Predictor:
        opened.append(Brightness())
        return Predictor.from_engine(opened[-1])

    with open_job(tmp_path / "out", videos, {"model": "brightness"}, ("palette",)) as job:
        processor = RayBatchProcessor(job, open_predictor, Share(1, 1, 0))
        assert job.run_with(processor, processor.classes).videos == 2
    assert len(opened) == 1
    assert len(opened[0].batches) == 4


@pytest.mark.exhaustive
def test_a_killed_actor_changes_nothing(
    photographs: Path, whole: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    output = tmp_path / "labels"
    process = programs.start_job(output, photographs, seconds=0.5)
    wait_for(output, 4, process)
    actors = programs.processes("Labeler")
    assert len(actors) == 2
    os.kill(actors[0], signal.SIGKILL)
    assert finish(process) == (0, "60 60 1\n", "")
    assert_same(output, whole)
    assert {*rows(output, "attempts")} == {(1,)}  # the process that was started gave each to Ray once


@pytest.mark.exhaustive
def test_a_killed_job_goes_on_without_ray(
    photographs: Path, whole: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    output = tmp_path / "labels"
    process = programs.start_job(output, photographs, seconds=0.5)
    wait_for(output, 15, process)
    process.kill()
    process.communicate()
    assert not programs.wait_until_gone()
    result = run_job(output, photographs, batch_size=3)
    assert 0 < result.written < 60
    assert_same(output, whole)


@pytest.mark.exhaustive
def test_a_killed_job_goes_on_with_ray_as_if_it_began(
    photographs: Path, whole: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    output, opened = tmp_path / "labels", tmp_path / "opened"
    process = programs.start_job(output, photographs, seconds=0.5)
    wait_for(output, 6, process)
    process.kill()
    process.communicate()
    assert not programs.wait_until_gone()
    assert finish(programs.start_job(output, photographs, OPENED=str(opened)))[0] == 0
    lines = opened.read_text().splitlines()
    assert len(lines) == 2  # one for each actor, not for each batch
    assert all(threads == cpus for threads, cpus in map(str.split, lines))
    assert_same(output, whole)
    assert {*rows(output, "lost")} == {(0,)}


@pytest.mark.exhaustive
def test_a_job_told_to_stop_leaves_nothing_and_goes_on(
    photographs: Path, whole: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    output = tmp_path / "labels"
    run_job(output, photographs / "0", batch_size=3, model="other")
    infer = [sys.executable, TESTS / "ray_program.py", "brightness", 0.5, "local", output, photographs]
    assert "model: other, now brightness" in finish(programs.start(*infer))[2]
    output = tmp_path / "again"
    process = programs.start_job(output, photographs, seconds=0.5)
    wait_for(output, 4, process)
    process.send_signal(signal.SIGINT)
    code, _, errors = finish(process)
    assert code
    assert "KeyboardInterrupt" in errors
    assert not programs.wait_until_gone()
    assert not [*programs.folder.iterdir()]
    assert finish(programs.start_job(output, photographs))[0] == 0
    assert_same(output, whole)


@pytest.mark.exhaustive
def test_an_image_that_kills_every_actor_fails_and_the_others_are_labeled(
    photographs: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    for name in ("company.jpg", "more.jpg"):  # in one batch with it, which comes first
        write_image(photographs / name, 40, 24)
    output, whole = tmp_path / "labels", tmp_path / "whole"
    run_job(whole, photographs, batch_size=3)
    deadly = photographs / "deadly.png"
    cv2.imwrite(str(deadly), np.full((40, 24, 3), 255, np.uint8))
    assert finish(programs.start_job(output, photographs)) == (0, "62 62 2\n", "")
    assert contents_below(output) == contents_below(whole)
    again = run_job(output, photographs, batch_size=3)  # without Ray, and without labeling it
    assert (again.written, again.failed[1][0]) == (0, deadly)
    assert again.failed[1][1].startswith("crashed its process 2 times")
    assert "--retry-failed" in again.failed[1][1]
    write_image(deadly, 40, 24)
    assert run_job(output, photographs, batch_size=3).written == 1


@pytest.mark.exhaustive
def test_who_dies_when_opening_the_model_ends_the_job(
    photographs: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    code, _, errors = finish(programs.start_job(tmp_path / "labels", photographs, engine="deadly"))
    assert (code, errors.count("\n")) == (2, 1)
    assert "an actor died 4 times while the model was opened" in errors


@pytest.mark.exhaustive
def test_machines_that_choose_differently_are_told_what_to_choose(
    photographs: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    output, opened = tmp_path / "labels", str(tmp_path / "opened")
    process = programs.start_job(output, photographs, engine="differing", seconds=0.3, OPENED=opened)
    code, _, errors = finish(process)
    assert (code, errors.count("\n")) == (2, 1)
    assert "machines would give different labels" in errors
    with closing(sqlite3.connect(output / STORE_NAME)) as connection:
        [(precision,)] = connection.execute("SELECT value FROM settings WHERE name = 'precision'")
    assert f"--engine brightness --precision {json.loads(precision)[0]}," in errors


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("engine", "code", "said"),
    [("refused", 2, "Error: net.keras: does not exist.\n"), ("broken", 1, "ZeroDivisionError: a bug\n")],
)
def test_what_cannot_be_opened_is_said_as_anywhere(
    engine: str, code: int, said: str, photographs: Path, tmp_path: Path, programs: RayPrograms
) -> None:
    found, _, errors = finish(programs.start_job(tmp_path / "labels", photographs, engine=engine))
    assert found == code
    assert errors == said if code == 2 else said in errors
    assert not programs.wait_until_gone()
