"""Times `fcn infer` on a folder of many files of which most are broken, and its memory.

    git worktree add ../before main
    python benchmarks/broken_folder.py --before ../before

A file in ten is an image of 24 x 32 pixels; the others are empty, cut, texts, web pages or noise, named as
images. Each checkout labels them with the same thin net, in a process of its own, in turns: into a new folder
("labeling"), and once more, when nothing is left to do ("again"). CPU seconds are those of all its threads
and processes; memory is the most that one of its processes had.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from machine import describe_cpu, describe_load
from rounds import REPOSITORY

from fcn.data.image_io import encode_jpeg

_GOOD = 10
"""One file in so many is an image."""
_SAVE_NET = """
import sys, keras
sys.path.insert(0, sys.argv[2])
from fcn.models.fcn import FCN
keras.utils.set_random_seed(0)
FCN(num_classes=3, stride=8, width=1 / 32, fc_channels=16).save(sys.argv[1])
"""


class Cost(NamedTuple):
    """Time and memory of a command."""

    seconds: float
    cpu_seconds: float
    gigabytes: float


def write_files(folder: Path, number: int) -> int:
    """Writes images and broken files, a thousand in each folder; returns how many are images."""
    rng = np.random.default_rng(0)
    images = [encode_jpeg(rng.integers(0, 256, (24, 32, 3), np.uint8)) for _ in range(50)]
    data = images[0]
    broken = [
        b"",
        data[:100],
        data[: len(data) // 2],
        b"no image\n",
        b"<!doctype html><title>404</title>",
        b"\x89PNG\r\n\x1a\n" + bytes(20),
        rng.bytes(2000),
    ]
    for index in range(number):
        path = folder / f"{index // 1000:03}" / f"{index:06}.{'jpg' if index % 3 else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        is_image = index % _GOOD == 0
        path.write_bytes(images[index % len(images)] if is_image else broken[index % len(broken)])
    return -(-number // _GOOD)


def run(command: Sequence[object], expected_code: int = 0, expected_words: Sequence[str] = ("",)) -> Cost:
    """Runs a command, and checks that it ends so and says one of these words; returns what it took."""
    start = time.monotonic()
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment.pop("PYTHONPATH", None)  # each checkout has its own code
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, *map(str, command)], env=environment, stdout=log, stderr=log
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        said = log.read().decode(errors="replace")
        if process.returncode != expected_code or not any(words in said for words in expected_words):
            wanted = f"Expected exit code {expected_code} and {' or '.join(map(repr, expected_words))}"
            raise SystemExit(f"{wanted}. Received: {process.returncode} and\n{said[-2000:]}")
    seconds = time.monotonic() - start
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20)


def measure(
    checkouts: dict[str, Path], model: Path, folder: Path, output: Path, rounds: int, broken: int
) -> dict[tuple[str, str], list[Cost]]:
    """Returns what each checkout took, in each round, for a folder with so many broken files."""
    costs: dict[tuple[str, str], list[Cost]] = {}
    names = [*checkouts]
    # The second as f92f868 said it.
    words = [f"{broken} files could not be labeled", f"could not be labeled ({broken})"]
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            command = [checkouts[name] / "infer.py", model, folder, "--output", output]
            for what in ("labeling", "again"):
                cost = run(command, 1, words)
                costs.setdefault((name, what), []).append(cost)
                print(
                    f"{number:5}  {name:8}{what:10}{cost.seconds:9.1f} s{cost.cpu_seconds:9.1f} s CPU"
                    f"{cost.gigabytes:7.2f} GiB",
                    flush=True,
                )
            shutil.rmtree(output)
    return costs


def main() -> int:
    """Measures and prints a line for each command, then the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--number", type=int, default=100_000, help="files (100000)")
    parser.add_argument("--before", type=Path, help="another checkout of this repository")
    parser.add_argument("--rounds", type=int, default=1, help="rounds (1)")
    options = parser.parse_args()
    checkouts = {"before": options.before.resolve()} if options.before else {}
    checkouts["now"] = REPOSITORY
    print(f"{describe_cpu()}; {describe_load()}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        # Not in this process: a child counts what its parent had when it was forked as its own memory.
        run(["-c", _SAVE_NET, place / "net.keras", REPOSITORY])
        images = write_files(place / "files", options.number)
        print(f"{options.number:,} files, of which {images:,} are images")
        model, output, broken = place / "net.keras", place / "out", options.number - images
        costs = measure(checkouts, model, place / "files", output, options.rounds, broken)
    for what in ("labeling", "again") if options.before else ():
        pairs = list(zip(costs["now", what], costs["before", what], strict=True))
        ratios = [statistics.median(now[part] / before[part] for now, before in pairs) for part in range(3)]
        print(f"now / before, {what}: time {ratios[0]:.3f}, CPU {ratios[1]:.3f}, memory {ratios[2]:.3f}")
    print(describe_load())
    return 0


if __name__ == "__main__":
    sys.exit(main())
