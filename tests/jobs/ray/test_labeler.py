"""Tests of what an actor answers, without Ray."""

import platform
from pathlib import Path

import pytest
from job_program import Brightness
from photographs import write_image

import fcn
from fcn.errors import BackendError, RunError
from fcn.inference.predictor import Predictor
from fcn.jobs.ray.labeler import Labeler, Opened, Request, Result
from fcn.jobs.task import Task


def open_brightness() -> Predictor:
    return Predictor.from_engine(Brightness())


def refuse() -> Predictor:
    raise RunError("net.keras: does not exist.")


REQUEST = Request(open_brightness, ("palette",), Path("out"), {}, None, platform.node(), fcn.__version__)


def tasks(folder: Path, *names: str) -> list[Task]:
    places = [str(folder / name) for name in names]
    return [Task(number, place, place, Path(place).stem) for number, place in enumerate(places)]


def test_each_batch_has_an_answer(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        write_image(tmp_path / name)
    (tmp_path / "bad.png").write_bytes(b"nothing")
    labeler = Labeler(REQUEST)
    assert labeler.open() == Opened("brightness", "float32", Brightness.classes, platform.node())
    a, b, c, bad = tasks(tmp_path, "a.png", "b.png", "c.png", "bad.png")
    first, second = labeler.label([[a, b], [c, bad]])
    assert isinstance(first, Result)
    assert isinstance(second, Result)
    assert [image.name for image in first.images] == ["a", "b"]
    assert [outcome.id for outcome in second.failed] == [3]


def test_an_error_is_an_answer() -> None:
    error = Labeler(REQUEST._replace(open_predictor=refuse)).open()
    assert isinstance(error, RunError)
    assert str(error) == "net.keras: does not exist."
    elsewhere = Labeler(REQUEST._replace(open_predictor=refuse, host="another")).open()
    assert str(elsewhere) == f"on {platform.node()}: net.keras: does not exist."


def test_another_version_is_refused() -> None:
    error = Labeler(REQUEST._replace(version="0.0")).open()
    assert isinstance(error, BackendError)
    assert f"expected fcn 0.0, which runs on {platform.node()}. Found: {fcn.__version__}" in str(error)


def test_a_bug_is_told_with_its_traceback(tmp_path: Path) -> None:
    labeler = Labeler(REQUEST)
    labeler.open()
    video = Task(1, "a.mp4", "a.mp4", "a", "video")
    [error] = labeler.label([[video]])
    assert isinstance(error, RuntimeError)
    assert "In an actor:" in str(error)
    assert "ValueError: Expected images alone" in str(error)


def test_a_file_that_only_another_machine_has_is_said_to_be_looked_for_here(tmp_path: Path) -> None:
    labeler = Labeler(REQUEST._replace(host="another"))
    labeler.open()
    [answer] = labeler.label([tasks(tmp_path, "missing.png")])
    assert isinstance(answer, Result)
    assert f"It was looked for on {platform.node()}: machines need" in str(answer.failed[0].error)


@pytest.mark.parametrize(("threads", "set_to"), [(3, "3"), (None, None)])
def test_an_actor_has_threads_for_its_cpus(
    threads: int | None, set_to: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    monkeypatch.setenv("FCN_OF_DRIVER", "")
    Labeler(REQUEST._replace(threads=threads, environment={"FCN_OF_DRIVER": "yes"}))
    assert os.environ.get("TF_NUM_INTRAOP_THREADS") == set_to
    assert os.environ["FCN_OF_DRIVER"] == "yes"
    os.environ.pop("TF_NUM_INTRAOP_THREADS", None)
