"""Tests of an actor with images that killed other actors."""

import platform
from pathlib import Path
from typing import Any

import pytest
from job_program import Brightness
from photographs import write_image

import fcn
from fcn.errors import BackendError
from fcn.inference.predictor import Predictor
from fcn.jobs.ray.labeler import Attempts, Labeler, Request, Result, from_table, to_table
from fcn.jobs.task import Task

pytest.importorskip("ray")


def open_brightness() -> Predictor:
    return Predictor.from_engine(Brightness())


def label(batches: list[list[Task]], deadly: set[int], companies: int) -> list[Any]:
    """Labels batches as if actors had died of each as often as they may, and of some images alone."""
    attempts = Attempts()
    for _ in range(companies):
        attempts.begin(batches[0][0].id)
    for batch in batches:
        ids = tuple(image.id for image in batch)
        if deadly & {*ids}:
            for key in {ids, *((number,) for number in ids if number in deadly)}:
                for _ in range(2):
                    attempts.begin(key)
    request = Request(open_brightness, ("palette",), {}, None, platform.node(), fcn.__version__)
    tables = Labeler(request, attempts)(to_table(batches))
    return [answer for table in tables for answer in from_table(table)]


def claimed(folder: Path, batches: int, size: int) -> list[list[Task]]:
    places = [str(write_image(folder / f"{number}.png")) for number in range(batches * size)]
    images = [Task(number, place, place, str(number)) for number, place in enumerate(places)]
    return [images[start : start + size] for start in range(0, len(images), size)]


def names(answers: list[Result]) -> tuple[list[list[str]], list[int]]:
    """Returns the names of what was labeled, by answer, and the rows of what was not."""
    assert all(isinstance(answer, Result) for answer in answers), answers
    labeled = [[image.name for image in answer.images] for answer in answers]
    return labeled, [outcome.id for answer in answers for outcome in answer.failed]


@pytest.mark.slow
def test_of_a_deadly_batch_the_images_are_labeled_one_by_one(tmp_path: Path) -> None:
    batches = claimed(tmp_path, 3, 3)
    assert names(label(batches, {4}, companies=2)) == (
        [["0", "1", "2"], ["3", "5"], ["6", "7", "8"]],
        [4],
    )
    # Nobody died of them together: they are not suspects yet.
    assert names(label(batches, {4}, companies=1))[1] == []


def test_what_was_deadly_waits_until_its_file_is_another(tmp_path: Path) -> None:
    [answer] = label(claimed(tmp_path, 1, 1), {0}, companies=2)
    [outcome] = answer.failed
    status = (tmp_path / "0.png").stat()
    assert (outcome.size, outcome.changed) == (status.st_size, status.st_mtime_ns)
    assert outcome.error.startswith("crashed its process 2 times")


def test_many_deadly_images_in_a_row_end_the_job(tmp_path: Path) -> None:
    batches = claimed(tmp_path, 20, 1)
    healthy = 9
    assert names(label(batches, {*range(20)} - {healthy}, companies=2))[0][healthy] == ["9"]
    *answers, error = label(batches, {*range(20)}, companies=2)
    assert len(names(answers)[1]) == 10
    assert isinstance(error, BackendError)
    assert "actors died of 11 images in a row" in str(error)
    assert "10.png" in str(error)
