"""Measures how long the backend takes to start, plainly and as commands start it.

Commands hide packages that nothing here uses, and stop the garbage collector while modules are imported.

    python benchmarks/backend_start.py [--rounds 5]

Both start in turns, each in a new process, and collect garbage at the end; medians of CPU time. Packages that
are not installed cost nothing in either.
"""

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys

from machine import describe_cpu, describe_load

_PROGRAMS = {
    "plain import": "import tensorflow as tf; tf.constant(0); import keras; import gc; gc.collect()",
    "start_backend": "from fcn.system.backend import start_backend; start_backend(); import gc; gc.collect()",
}
_HIDDEN = ("jax", "pandas", "scipy", "sklearn")


def cpu_seconds(program: str) -> float:
    """Returns the CPU time of a new process that runs a program."""
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{program}: exited with {process.returncode}.")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {name: [] for name in _PROGRAMS}
    for number in range(rounds + 1):
        for name, program in _PROGRAMS.items():
            taken = cpu_seconds(program)
            if number:  # the first round reads the files from disk
                seconds[name].append(taken)
    installed = [name for name in _HIDDEN if importlib.util.find_spec(name)]
    print(describe_cpu(), describe_load(), f"installed: {', '.join(installed) or 'none'}", sep="\n")
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name:15} {median:6.2f} s of CPU")
    print(f"ratio           {medians['start_backend'] / medians['plain import']:6.2f}")


if __name__ == "__main__":
    main()
