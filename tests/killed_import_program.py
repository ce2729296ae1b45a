"""Imports of labels that kill themselves, one for each line of stdin: JSON of [POINT, SIGNAL, ARGUMENT...].

Each runs `fcn data import` with the arguments in a fork of this process. It gets the signal at a point, each
of them a moment in which files are about to change, or after that many seconds for a number, or ends as usual
for the point "". Its exit status is a line of stdout.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from deaths import die_after, die_before, run_forks

import fcn.data.download.zip_archive
import fcn.labels.importing.importer
from fcn.cli.main import main

_MODULE = fcn.labels.importing.importer

POINTS: dict[str, Callable[..., None]] = {
    "when a part of an archive is unpacked": partial(
        die_after, fcn.data.download.zip_archive, "_write_entry", 5
    ),
    "before anything is read": partial(die_before, _MODULE, "count_keys", 1),
    "when all is read": partial(die_after, _MODULE, "count_keys", 1),
    "before anything is written": partial(die_before, _MODULE, "to_class_ids", 1),
    "when labels are written": partial(die_after, _MODULE, "encode_label", 4),
    "when images are written": partial(die_after, _MODULE, "_place_image", 5),
    "before the classes are written": partial(die_before, _MODULE, "format_class_list", 1),
    "before the record is written": partial(die_before, _MODULE, "write_json", 1),
    "before the record gets its name": partial(die_before, os, "replace", 1),
    "when the record is written": partial(die_after, _MODULE, "write_json", 1),
    "before the folder gets its name": partial(die_before, Path, "rename", 1),
    "when the folder has its name": partial(die_after, Path, "rename", 1),
    "when half of an empty folder is filled": partial(die_after, Path, "rename", 2),
}
"""Where an import may be killed, and what prepares that."""


def work(point: str | float, name: str, *arguments: str) -> None:
    number = signal.Signals[name]
    if isinstance(point, float):
        timer = threading.Timer(point, os.kill, (os.getpid(), number))
        timer.daemon = True
        timer.start()
    elif point:
        POINTS[point](number=number)
    # stdout is for exit statuses.
    with contextlib.redirect_stdout(sys.stderr):
        main(["data", "import", *arguments])


if __name__ == "__main__":
    run_forks(work)
