"""Trainings that kill themselves, one for each line of stdin: JSON of [POINT, CONFIG, RUN].

A training dies with SIGKILL at a point, each of them a moment in which the files of its run do not agree or
are about to change, or ends as usual for the point "". Each starts or resumes the run in a fork of this
process, which has imported everything; its exit status is a line of stdout.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lean_keras  # noqa: F401  # first, for what follows
from deaths import die_after, die_before, gets_name, run_forks
from eager_training import eager_training

import fcn.training.checkpoint_callback
import fcn.training.loop
from fcn.training.callbacks import Logger
from fcn.training.log import TrainingLog


def has_scores(log: TrainingLog, row: dict[str, Any]) -> bool:
    return "pixel_accuracy" in row


POINTS: dict[str, Callable[[], None]] = {
    "before the first checkpoint gets its name": partial(
        die_before, os, "replace", 1, gets_name("last.keras")
    ),
    "after the second checkpoint": partial(die_after, os, "replace", 2, gets_name("last.keras")),
    "within the steps": partial(die_after, Logger, "on_step", 1),
    "when the last checkpoint has a second name": partial(
        die_after, fcn.training.checkpoint_callback, "keep_last", 1
    ),
    "before the best checkpoint gets its name": partial(
        die_before, os, "replace", 1, gets_name("best.keras")
    ),
    "between the best checkpoint and its scores": partial(
        die_before, os, "replace", 1, gets_name("scores.json")
    ),
    "before the row of scores": partial(die_before, TrainingLog, "add", 1, has_scores),
    "after the row of scores": partial(die_after, TrainingLog, "add", 1, has_scores),
    "before the report": partial(die_before, fcn.training.loop, "write_report", 1),
}
"""Where a training may be killed, and what prepares that."""


def work(point: str, config: str, run: str) -> None:
    if point:
        POINTS[point]()
    with eager_training():
        fcn.training.loop.train(config, run, resume=Path(run).exists())


if __name__ == "__main__":
    run_forks(work)
