"""Times a slim net beside the net that it was made of: int8 on OpenVINO, and compiled PyTorch.

    python benchmarks/slim_speed.py RUN SMALL --torch-python TORCH_VENV/bin/python

One image per call, label and confidence out. Each variant has its own process. They take turns, one image
each, so that other load on the machine affects all. Ratios are relative to "full int8".

full int8            the net of RUN, as `fcn export --format openvino --calibrate` makes it
small int8           the same of SMALL
4096 int8            a net as RUN's with 4,096 channels in fc6 and fc7, with random weights
full torch bf16      PyTorch's FCN-8s of the size of RUN's net, compiled, with random weights; its batch
full torch fp32      normalization, if the net has one, counts as folded into the convolutions

The int8 scales are calibrated on noise, which is enough for timing: no layer stays in float. Scores are those
of `fcn evaluate`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from machine import describe_cpu, describe_load
from rounds import REPOSITORY, Reply, Worker, take_turns
from slim_speed_worker import NETS, TORCH, describe_torch

BASELINE = "full int8"
_SCRIPT = "slim_speed_worker.py"
_QUIET = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}


def prepare(folder: Path, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Writes the nets of all variants in a process of their own, and returns what they are, by name."""
    arguments = [str(options.run), str(options.small), "--folder", str(folder)]
    subprocess.run(
        [sys.executable, str(REPOSITORY / "benchmarks" / _SCRIPT), "prepare", *arguments, *_size(options)],
        check=True,
        env={**os.environ, **_QUIET, "PYTHONPATH": str(REPOSITORY)},
    )
    facts: dict[str, dict[str, Any]] = json.loads((folder / "nets.json").read_text())
    return facts


def _size(options: argparse.Namespace) -> list[str]:
    return ["--size", *(str(length) for length in options.size)]


def measure(variants: Sequence[str], folder: Path, options: argparse.Namespace) -> dict[str, list[Reply]]:
    """Returns the replies of the variants, which take turns."""
    workers = []
    try:
        for variant in variants:
            python = options.torch_python if variant in TORCH else sys.executable
            arguments = [variant, "--folder", str(folder), *_size(options)]
            workers.append(Worker(variant, python, _SCRIPT, arguments, {} if variant in TORCH else _QUIET))
        return take_turns(workers, {}, options.warm_up, options.rounds)
    finally:
        for worker in workers:
            worker.close()


def report(facts: Mapping[str, Mapping[str, Any]], replies: Mapping[str, Sequence[Reply]]) -> bool:
    """Prints the table; returns whether it has ratios."""
    medians = {name: statistics.median(one["seconds"] for one in some) for name, some in replies.items()}
    if BASELINE not in medians:
        print(f"No ratios: {BASELINE} failed.")
        return False
    print(
        f"\n{'variant':18}{'GFLOP':>8}{'parameters':>13}{'MB':>8}{'median':>11}{'images/s':>10}{'speed':>9}"
    )
    for name, median in medians.items():
        net = facts[name.split()[0]]
        print(
            f"{name:18}{net['gflop']:8.1f}{net['parameters']:13,}{net['bytes'] / 1e6:8.1f}"
            f"{1000 * median:8.1f} ms{1 / median:10.2f}{medians[BASELINE] / median:7.2f} x"
        )
    print("MB: of the file of the net in float32")
    return True


def main() -> int:
    """Measures all variants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder or a .keras file: the full net")
    parser.add_argument("small", type=Path, metavar="SMALL", help="the same of the slim net")
    parser.add_argument("--torch-python", help="a Python with torch; without it PyTorch is left out")
    parser.add_argument("--size", type=int, nargs=2, default=(384, 512), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--cores", type=int, default=2, help="cores that each variant may use (2)")
    parser.add_argument("--rounds", type=int, default=15, help="images of each variant that count (15)")
    parser.add_argument("--warm-up", type=int, default=3, help="images before them that do not (3)")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("expected at least one round")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    print(describe_cpu())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        facts = prepare(folder, options)
        variants = [f"{net} int8" for net in NETS]
        reason = describe_torch(facts["full"])
        if options.torch_python and reason is None:
            variants += TORCH
        else:
            print(f"PyTorch: left out; {reason or 'name a Python that has it with --torch-python'}")
        height, width = options.size
        print(f"{height}x{width}, batch 1, {options.cores} cores; medians of {options.rounds} images")
        print(describe_load(), flush=True)
        measured = report(facts, measure(variants, folder, options))
    print(f"\n{describe_load()}")
    return 0 if measured else 1


if __name__ == "__main__":
    sys.exit(main())
