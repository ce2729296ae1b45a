"""Downloads that kill themselves, one for each line of stdin: JSON of [POINT, URL, MD5, SIZE, OUTPUT].

Each runs `fcn data download` in a fork of this process, with another place and content of the archive. It
dies with SIGKILL at a point, each of them a moment in which files are about to change, or with SIGALRM after
that many seconds for a number, or ends as usual for the point "". Its exit status is a line of stdout.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial

from deaths import die_after, die_before, run_forks

import fcn.data.download.archive
import fcn.data.download.published
import fcn.system.download.transfer
from fcn.cli.main import main
from fcn.data.download.catalog import DATASETS, PublishedDataset
from fcn.system.download.file import Checksum, PublishedFile

NAME, ARCHIVE, INSIDE, FOLDER = "sbd", "set.tgz", "Outer/Set", "devkit/Set"
"""The data set to ask for; what its archive is called, the folder wanted of it, and where that goes."""

POINTS: dict[str, Callable[[], None]] = {
    "before anything came": partial(die_before, fcn.system.download.transfer.Transfer, "_resume", 1),
    "when a part has come": partial(die_before, time, "sleep", 1),
    "when all has come": partial(die_before, fcn.system.download.transfer, "find_difference", 1),
    "before the archive gets its name": partial(die_before, os, "replace", 1),
    "when the archive has its name": partial(die_after, os, "replace", 1),
    "before anything is unpacked": partial(die_before, fcn.data.download.archive, "extract_tar", 1),
    "when a part is unpacked": partial(die_after, fcn.data.download.archive, "_write_member", 2),
    "when all is unpacked": partial(die_after, fcn.data.download.archive, "extract_tar", 1),
    "before the folder gets its name": partial(die_before, os, "rename", 1),
    "when the folder has its name": partial(die_after, os, "rename", 1),
    "when all is done": partial(die_after, fcn.data.download.published, "unpack", 1),
}
"""Where a download may be killed, and what prepares that."""


def work(point: str | float, url: str, md5: str, size: int | None, output: str) -> None:
    if isinstance(point, float):
        signal.setitimer(signal.ITIMER_REAL, point)
    elif point:
        POINTS[point]()
    file = PublishedFile(ARCHIVE, (url,), Checksum("md5", md5, "this test"), size)
    DATASETS[NAME] = PublishedDataset("a set", file, INSIDE, FOLDER)
    # stdout is for exit statuses.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            main(["data", "download", NAME, "--output", output])
        except SystemExit as stopped:
            if stopped.code:
                raise


if __name__ == "__main__":
    run_forks(work)
