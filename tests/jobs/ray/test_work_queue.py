"""Tests of what actors are given, and of what follows when they die of it."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from photographs import write_image

from fcn.errors import BackendError
from fcn.jobs.ray.work_queue import Work, WorkQueue
from fcn.jobs.task import Outcome, Task


def batches_of(folder: Path, batches: int, size: int) -> list[list[Task]]:
    places = [str(write_image(folder / f"{number}.png")) for number in range(batches * size)]
    tasks = [Task(number, place, place, str(number)) for number, place in enumerate(places)]
    return [tasks[start : start + size] for start in range(0, len(tasks), size)]


def queue_of(batches: Sequence[list[Task]], actors: int = 1) -> WorkQueue:
    return WorkQueue(iter(batches), sum(map(len, batches)), actors)


def ids(work: Work | None) -> list[list[int]]:
    return [] if work is None else [[task.id for task in batch] for batch in work.batches]


def work_on(queue: WorkQueue, deadly: set[int]) -> tuple[list[list[int]], list[Outcome], int]:
    """Works as actors that die of some images do; returns labeled batches, failures and deaths."""
    labeled, failed, deaths = [], [], 0
    while work := queue.take():
        while work.batches and not deadly & {task.id for task in work.batches[0]}:
            labeled.append([task.id for task in work.batches[0]])
            queue.note_success()
            work = work._replace(batches=work.batches[1:])
        if work.batches:
            deaths += 1
            outcome = queue.count_death(work)
            failed += [] if outcome is None else [outcome]
    return labeled, failed, deaths


def test_work_is_given_in_parts_that_grow_smaller(tmp_path: Path) -> None:
    queue = queue_of(batches_of(tmp_path, 20, 2), actors=2)
    sizes = []
    while work := queue.take():
        sizes.append(len(work.batches))
    assert sizes == sorted(sizes, reverse=True)
    assert (sum(sizes), sizes[0], sizes[-1]) == (20, 3, 1)


def test_batches_are_claimed_when_they_are_wanted(tmp_path: Path) -> None:
    claimed = []

    def claims():  # type: ignore[no-untyped-def]
        for batch in batches_of(tmp_path, 100, 1):
            claimed.append(batch)
            yield batch

    queue = WorkQueue(claims(), 100, 1)
    assert ids(queue.take()) == [[number] for number in range(8)]
    assert len(claimed) == 8
    assert queue.waiting(2) == 2
    assert len(claimed) == 24
    assert ids(queue.take())[0] == [8]


def test_of_a_deadly_batch_the_images_are_labeled_one_by_one(tmp_path: Path) -> None:
    labeled, failed, deaths = work_on(queue_of(batches_of(tmp_path, 12, 3)), {4})
    assert labeled[:4] == [[0, 1, 2], [3], [5], [6, 7, 8]]
    assert [task for batch in labeled for task in batch] == [*range(4), *range(5, 36)]
    assert [outcome.id for outcome in failed] == [4]
    # Two of several batches, two of one, and two of the image alone.
    assert deaths == 6


def test_an_image_that_was_with_a_deadly_one_is_no_suspect(tmp_path: Path) -> None:
    queue = queue_of(batches_of(tmp_path, 3, 1))
    assert queue.count_death(Work(tuple(batches_of(tmp_path, 3, 1)))) is None
    assert ids(queue.take()) == [[0], [1], [2]]  # once is chance: they are tried together again


def test_work_that_was_not_begun_comes_next_and_counts_no_death(tmp_path: Path) -> None:
    queue = queue_of(batches_of(tmp_path, 16, 1))
    first, second = queue.take(), queue.take()
    assert first
    assert second
    queue.put_back(second)
    queue.count_death(first)
    assert queue.take() == first._replace(deaths=1)
    assert queue.take() == second


def test_what_was_deadly_waits_until_its_file_is_another(tmp_path: Path) -> None:
    [outcome] = work_on(queue_of(batches_of(tmp_path, 1, 1)), {0})[1]
    status = (tmp_path / "0.png").stat()
    assert (outcome.size, outcome.changed) == (status.st_size, status.st_mtime_ns)
    assert outcome.error
    assert outcome.error.startswith("crashed its process 2 times")
    assert "--retry-failed" in outcome.error


def test_many_deadly_images_in_a_row_end_the_job(tmp_path: Path) -> None:
    batches = batches_of(tmp_path, 20, 1)
    healthy = 9
    labeled, failed, _ = work_on(queue_of(batches), {*range(20)} - {healthy})
    assert (labeled, len(failed)) == ([[healthy]], 19)
    with pytest.raises(BackendError, match=r"actors died of 11 images in a row.*10\.png"):
        work_on(queue_of(batches), {*range(20)})
