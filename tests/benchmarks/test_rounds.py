"""Tests of workers and their turns, with workers that compute nothing."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import rounds
from rounds import Worker, WorkerError, take_turns

PROGRAM = """
import sys, time
sys.path.append(sys.argv[2])
from rounds import answer

def handle(request):
    if request.get("fail") == sys.argv[1]:
        raise MemoryError("no memory for this")
    time.sleep(request.get("sleep", {}).get(sys.argv[1], 0))
    print("what frameworks print")
    return {"seconds": 0.25, "name": sys.argv[1]}

answer(lambda: handle)
"""


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Worker]]:
    program = tmp_path / "worker.py"
    program.write_text(PROGRAM)
    here, names = str(Path(rounds.__file__).parent), ("one", "two", "three")
    started = [Worker(name, sys.executable, str(program), [name, here], {}) for name in names]
    yield started
    for worker in started:
        worker.close()


@pytest.fixture
def order(capsys: pytest.CaptureFixture[str]):
    """A function that returns who was asked, in order."""
    return lambda: [line.split()[-3] for line in capsys.readouterr().err.splitlines() if line[:2] == "  "]


def test_each_round_begins_with_another_worker(workers: list[Worker], order) -> None:
    replies = take_turns(workers, {}, warm_up=1, rounds=2)
    assert order() == ["three", "one", "two", "one", "two", "three", "two", "three", "one"]
    assert {name: len(answers) for name, answers in replies.items()} == {"one": 2, "two": 2, "three": 2}
    assert all(answer["name"] == name for name, answers in replies.items() for answer in answers)
    assert all(answer["peak_bytes"] > 2**20 for answers in replies.values() for answer in answers)


def test_a_worker_that_fails_is_left_out_and_says_why(workers: list[Worker]) -> None:
    replies = take_turns(workers, {"fail": "two"}, warm_up=0, rounds=2)
    assert sorted(replies) == ["one", "three"]
    assert "no memory for this" in workers[1].failure
    assert workers[0].failure is workers[2].failure is None
    with pytest.raises(WorkerError):
        workers[1].ask({})
    assert workers[0].ask({})["name"] == "one"


def test_a_worker_that_hangs_is_ended(workers: list[Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "LAST_SECONDS", 1)
    take_turns(workers, {}, warm_up=0, rounds=1)  # now they have started
    request = {"sleep": {"three": 600}}
    replies = take_turns(workers, request, warm_up=0, rounds=1, deadline=time.monotonic() + 2)
    assert sorted(replies) == ["one", "two"]
    assert "did not answer within" in workers[2].failure


def test_no_round_begins_after_the_deadline(workers: list[Worker]) -> None:
    replies = take_turns(workers, {}, warm_up=1, rounds=3, deadline=time.monotonic() - 1)
    assert replies == {"one": [], "two": [], "three": []}
