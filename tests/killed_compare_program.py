"""Comparisons that kill themselves, one for each line of stdin: JSON of [POINT, ARGUMENT...].

Each runs `fcn compare` with the arguments in a fork of this process, which has imported everything. It dies
with SIGKILL at a point, each of them a moment in which files are about to change or other processes work for
it, or ends as usual for the point "". Its exit status is a line of stdout.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import lean_keras  # noqa: F401  # first, for what follows
from deaths import die_after, die_before, gets_name, run_forks

import fcn.comparison.compare
import fcn.comparison.timing
import fcn.comparison.training
from fcn.cli.main import main

POINTS: dict[str, Callable[[], None]] = {
    "when it was checked that files can be written": partial(die_after, Path, "touch", 1),
    "when a net is trained": partial(die_after, fcn.comparison.training, "finish", 1),
    "between two nets": partial(die_after, fcn.comparison.compare, "_scored", 1),
    "when labeling is timed": partial(die_after, fcn.comparison.timing._Process, "repeat", 3),
    "before the document gets its name": partial(die_before, os, "replace", 1, gets_name("comparison.json")),
    "between document and page": partial(die_after, os, "replace", 1, gets_name("comparison.json")),
    "before the page gets its name": partial(die_before, os, "replace", 1, gets_name("comparison.html")),
    "when all is done": partial(die_after, os, "replace", 1, gets_name("comparison.html")),
}
"""Where a comparison may be killed, and what prepares that."""


def work(point: str, *arguments: str) -> None:
    if point:
        POINTS[point]()
    # stdout is for exit statuses.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            main(["compare", *arguments])
        except SystemExit as stopped:
            if stopped.code:
                raise


if __name__ == "__main__":
    run_forks(work)
