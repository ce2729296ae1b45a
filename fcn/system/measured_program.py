"""Program of the process of `fcn.system.measured_process`: does one task and answers with its result.

Task and answer are pickles, which only this package writes and reads, through pipes of its own.
"""

import os
import pickle
import signal
import sys

from fcn.errors import FcnError
from fcn.system.memory import peak_bytes


def main() -> None:
    """Does the task on stdin, and writes its result and the peak memory to stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and ends this process
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the task prints is no answer
    task = pickle.load(sys.stdin.buffer)
    try:
        answer: object = task()
    except FcnError as error:
        answer = error
    with answers:
        pickle.dump((answer, peak_bytes()), answers)
        answers.flush()
        os._exit(0)  # without waiting for threads of a backend
