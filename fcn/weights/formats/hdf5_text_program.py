"""Reads attributes of an HDF5 file in a process with little memory and time.

The HDF5 library allocates whatever length a text of variable length claims to have, and offers no way to look
at the length first; it also loads a heap of texts again and again if there is another beside it. Where the
system is Linux, this process limits itself, so that a damaged file ends it and nothing else.

Run by its path, `python -P hdf5_text_program.py FILE`. Each request on stdin is a line of JSON, `[group,
attribute]`, and is answered on stdout with a line of JSON: a list of the texts in the attribute, or
`{"error": reason}`.
"""

import json
import math
import os
import sys
import time
from pathlib import Path

import h5py
import numpy as np

# Names are a few kilobytes, read in milliseconds.
_MAX_MEMORY = 256 << 20
_MAX_CPU_SECONDS = 60
MAX_CHARACTERS = 4 << 20
"""The characters of all texts in a file together: twenty each in the largest nets make a twentieth of it."""


def limit_resources() -> None:
    """Limits address space and CPU time to what is used now and what names need, on Linux."""
    statistics = Path("/proc/self/statm")
    if not statistics.exists():
        return
    import resource

    used = int(statistics.read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limits = [used + _MAX_MEMORY, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    seconds = math.ceil(time.process_time()) + _MAX_CPU_SECONDS
    limits = [seconds, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_CPU, (min(limits), hard))


def main() -> None:
    """Answers all requests."""
    # Other output must not mix with the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    limit_resources()
    with h5py.File(sys.argv[1], "r") as file:
        for line in sys.stdin:
            group, attribute = json.loads(line)
            answer: object
            try:
                texts = np.atleast_1d(file[group].attrs[attribute])
                names = [text.decode() if isinstance(text, bytes) else str(text) for text in texts]
                too_long = sum(map(len, names)) > MAX_CHARACTERS
                answer = {"error": f"more than {MAX_CHARACTERS} characters"} if too_long else names
            # A damaged file makes h5py raise OSError, KeyError, RuntimeError, TypeError and others.
            except Exception as error:
                answer = {"error": str(error)}
            answers.write(f"{json.dumps(answer)}\n")
            answers.flush()


if __name__ == "__main__":
    main()
