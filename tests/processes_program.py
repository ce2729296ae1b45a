"""A job in worker processes, without a net: `python processes_program.py NET SECONDS WORKERS OUTPUT INPUT`.

What computes is that of `job_program`; batches are of 3 images. The file that the environment variable OPENED
names gets a line for each net that is opened: its process and its threads.
"""

import os
import signal
import sys
from functools import partial
from pathlib import Path

from failing_nets import broken, deadly, refused
from job_program import Brightness

from fcn.errors import FcnError
from fcn.inference.predictor import Predictor
from fcn.jobs.job import open_job
from fcn.jobs.processes.pool import run_in_processes
from fcn.system.stop_signals import StopSignals
from fcn.system.text import print_notice


def opened(seconds: float) -> Predictor:
    if path := os.environ.get("OPENED"):
        with open(path, "a") as file:
            file.write(f"{os.getpid()} {os.environ['TF_NUM_INTRAOP_THREADS']}\n")
    print_notice("opened")
    return Predictor.from_engine(Brightness(seconds))


def other_precision(seconds: float) -> Predictor:
    engine = Brightness(seconds)
    engine.precision = "int8"
    return Predictor.from_engine(engine)


NETS = {
    "brightness": opened,
    "deadly": deadly,
    "refused": refused,
    "broken": broken,
    "int8": other_precision,
}


def main() -> None:
    name, seconds, workers, output, folder = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what started the tests may have it ignored
    stop_signals = StopSignals()
    # Workers must find these by name, in a module that they can import.
    import processes_program

    net = partial(processes_program.NETS[name], float(seconds))
    kinds = ("palette", "overlay")
    try:
        with open_job(Path(output), [Path(folder)], {"model": "brightness"}, kinds, batch_size=3) as job:
            result = run_in_processes(job, net, int(workers))
    except FcnError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    finally:
        stop_signals.close()
    print(result.written, result.labeled, len(result.failed))


if __name__ == "__main__":
    main()
