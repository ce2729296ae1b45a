"""Searches for suspects that kill themselves, one for each line of stdin: JSON of [POINT, ARGUMENT...].

Each runs `fcn data suspects` with the arguments in a fork of this process, which has imported everything. It
dies with SIGKILL at a point, or ends as usual for the point "". Its exit status is a line of stdout.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import lean_keras  # noqa: F401  # first, for what follows
from deaths import die_after, die_before, gets_name, run_forks

import fcn.suspects.folds
import fcn.training.checkpoint_callback
from fcn.cli.main import main

POINTS: dict[str, Callable[[], None]] = {
    "before the plan gets its name": partial(die_before, os, "replace", 1, gets_name("plan.json")),
    "in the data of the folds": partial(die_after, Path, "symlink_to", 1),
    "at the first checkpoint": partial(
        die_after, fcn.training.checkpoint_callback.CheckpointCallback, "save", 1
    ),
    "before the first net gets its name": partial(die_before, os, "replace", 1, gets_name("fold_1.keras")),
    "when the first net has its name": partial(die_after, os, "replace", 1, gets_name("fold_1.keras")),
    "between table and page": partial(die_after, os, "replace", 1, gets_name("suspects.csv")),
    "before the page gets its name": partial(die_before, os, "replace", 1, gets_name("suspects.html")),
    "before the nets are removed": partial(
        die_before, fcn.suspects.folds, "remove", 1, lambda path: path.name == fcn.suspects.folds.FOLDS
    ),
}
"""Where a search may be killed, and what prepares that."""


def work(point: str, *arguments: str) -> None:
    if point:
        POINTS[point]()
    # stdout is for exit statuses.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            main(["data", "suspects", *arguments])
        except SystemExit as stopped:
            if stopped.code:
                raise


if __name__ == "__main__":
    run_forks(work)
