"""Times `fcn infer` from the command to the first label, with all files in the operating system's cache.

python benchmarks/first_label.py MODEL IMAGE --runs 5
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe_cpu, describe_load
from rounds import REPOSITORY

WAIT_SECONDS = 120


def first_label(arguments: list[str], image: Path, output: Path, checkout: Path = REPOSITORY) -> float:
    """Returns the seconds until the label of an image is written, by the code of a checkout."""
    command = [sys.executable, str(checkout / "infer.py"), *arguments, str(image), "--output", str(output)]
    start = time.perf_counter()
    paths = [str(checkout), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    try:
        while process.poll() is None and time.perf_counter() - start < WAIT_SECONDS:
            if (output / f"{image.stem}.png").exists():
                break
            time.sleep(0.005)
        seconds = time.perf_counter() - start
        _, errors = process.communicate(timeout=WAIT_SECONDS)
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        raise SystemExit(errors)
    return seconds


def main() -> int:
    """Measures and prints each run and the median."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="a run folder, a .keras file or an exported folder")
    parser.add_argument("image", type=Path)
    parser.add_argument("--runs", type=int, default=5, help="runs that count, after one that does not (5)")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()
    print(describe_cpu())
    print(describe_load())
    arguments = [str(options.model), "--engine", options.engine, "--precision", options.precision]
    with tempfile.TemporaryDirectory() as folder:
        seconds = [
            first_label(arguments, options.image, Path(folder) / str(run)) for run in range(options.runs + 1)
        ]
    print("seconds:", ", ".join(f"{value:.2f}" for value in seconds[1:]))
    print(f"median {statistics.median(seconds[1:]):.2f} s (first, not counted: {seconds[0]:.2f} s)")
    print(describe_load())
    return 0


if __name__ == "__main__":
    sys.exit(main())
