"""Times labeling one image with FCN-8s on a CPU: each engine of this package and stock Keras.

    python benchmarks/engines.py --torch-python TORCH_VENV/bin/python

21 classes, one image, label and confidence out. Each variant has its own process. They take turns, one image
each, so that other load on the machine affects all. Ratios are relative to "keras plain": stock layers in a
`tf.function` in float32. All have the same random weights: this measures speed, not quality.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from machine import describe_cpu, describe_load
from rounds import REPOSITORY, Reply, Worker, take_turns

BASELINE = "keras plain"
VARIANTS = (
    BASELINE,
    "tensorflow fp32",
    "tensorflow bf16",
    "openvino fp32",
    "openvino bf16",
    "openvino int8",
    "torch fp32",
    "torch bf16",
    "torch bf16 compiled",
    "onnxruntime fp32",
)
PEERS = ("torch", "onnx")
_SCRIPT = "engines_worker.py"
_QUIET = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}


def worker_arguments(variant: str, folder: Path, options: argparse.Namespace) -> list[str]:
    """Returns the arguments for the process of a variant."""
    size = [str(length) for length in options.size]
    return [variant, "--folder", str(folder), "--size", *size, "--width", str(options.width)]


def measure(variants: Sequence[str], folder: Path, options: argparse.Namespace) -> dict[str, list[Reply]]:
    """Returns the replies of the variants, which take turns."""
    workers = []
    try:
        for variant in variants:
            on_torch = variant.startswith(PEERS)
            python = options.torch_python if on_torch else sys.executable
            arguments = worker_arguments(variant, folder, options)
            workers.append(Worker(variant, python, _SCRIPT, arguments, {} if on_torch else _QUIET))
        return take_turns(workers, {}, options.warm_up, options.rounds)
    finally:
        for worker in workers:
            worker.close()


def report(replies: dict[str, list[Reply]]) -> bool:
    """Prints the table; returns whether it has ratios."""
    times = {name: [reply["seconds"] for reply in answers] for name, answers in replies.items()}
    if BASELINE not in times:
        print(f"No ratios: {BASELINE} failed.")
        return False
    baseline = statistics.median(times[BASELINE])
    print(f"\n{'variant':22}{'median':>9}{'fastest':>9}{'slowest':>9}{'speed':>10}{'peak':>10}")
    for name, seconds in times.items():
        median, peak = statistics.median(seconds), max(reply["peak_bytes"] for reply in replies[name])
        print(
            f"{name:22}{median:7.3f} s{min(seconds):7.3f} s{max(seconds):7.3f} s{baseline / median:8.2f} x"
            f"{peak / 2**30:6.2f} GiB"
        )
    return True


def main() -> int:
    """Measures all variants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--torch-python",
        help="a Python with torch, onnxscript and onnxruntime; without it these are left out",
    )
    others = VARIANTS[1:]
    parser.add_argument("--variants", nargs="+", choices=others, default=others, metavar="VARIANT",
                        help=f"among: {', '.join(others)}")  # fmt: skip
    parser.add_argument("--size", type=int, nargs=2, default=(384, 512), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--width", type=float, default=1.0, help="channels relative to VGG16 (1)")
    parser.add_argument("--rounds", type=int, default=9, help="images of each variant that count (9)")
    parser.add_argument("--warm-up", type=int, default=2, help="images before them that do not (2)")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("expected at least one round")
    variants = [
        BASELINE,
        *(name for name in options.variants if options.torch_python or not name.startswith(PEERS)),
    ]
    for name in sorted(set(options.variants) - set(variants)):
        print(f"{name}: left out; name a Python that has it with --torch-python")
    print(describe_cpu())
    height, width = options.size
    print(f"FCN-8s, {height}x{width}, batch 1, width {options.width:g}; medians of {options.rounds} images")
    with tempfile.TemporaryDirectory() as folder:
        if any(name.startswith(("openvino", *PEERS)) for name in variants):
            script = str(REPOSITORY / "benchmarks" / _SCRIPT)
            arguments = worker_arguments("prepare", Path(folder), options)
            environment = {**os.environ, **_QUIET, "PYTHONPATH": str(REPOSITORY)}
            subprocess.run([sys.executable, script, *arguments], check=True, env=environment)
        print(describe_load(), flush=True)
        measured = report(measure(variants, Path(folder), options))
    print(f"\n{describe_load()}")
    return 0 if measured else 1


if __name__ == "__main__":
    sys.exit(main())
