"""Times one training step of FCN-8s on a CPU: this package, stock Keras and PyTorch.

    python benchmarks/training_step.py --torch-python TORCH_VENV/bin/python

21 classes, one image, SGD with momentum 0.9, cross entropy without void. Each variant has its own process.
They take turns, one step each, so that other load on the machine affects all. Ratios are relative to "keras
plain", which is in every group: TensorFlow in float32, stock layers, optimizer and loss, no XLA.
"""

import argparse
import math
import statistics
import sys
from collections.abc import Sequence

from machine import describe_cpu, describe_load
from rounds import Reply, Worker, take_turns

BASELINE = "keras plain"
VARIANTS = (
    "ours bf16",
    "torch bf16 autocast",
    "torch bf16 compiled",
    "ours fp32",
    "ours bf16 xla",
    "torch fp32",
)
"""In groups of three beside the baseline: what is compared most should be in the same group."""


def start(variant: str, options: argparse.Namespace) -> Worker:
    """Starts the process of a variant."""
    on_torch = variant.startswith("torch")
    size = [str(length) for length in options.size]
    return Worker(
        variant,
        options.torch_python if on_torch else sys.executable,
        "training_worker.py",
        [variant, "--size", *size, "--width", str(options.width)],
        {} if on_torch else {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"},
    )


def measure(variants: Sequence[str], options: argparse.Namespace) -> dict[str, list[Reply]]:
    """Returns the replies of the baseline and some variants, which take turns."""
    workers = []
    try:
        for variant in (BASELINE, *variants):
            workers.append(start(variant, options))
        return take_turns(workers, {}, options.warm_up, options.rounds)
    finally:
        for worker in workers:
            worker.close()


def report(replies: dict[str, list[Reply]]) -> bool:
    """Prints a table of one group and returns whether all its losses are finite."""
    times = {name: [reply["seconds"] for reply in answers] for name, answers in replies.items()}
    if BASELINE not in times:
        print(f"No ratios: {BASELINE} failed.")
        return False
    baseline = statistics.median(times[BASELINE])
    print(
        f"\n{'variant':22}{'median':>9}{'fastest':>9}{'slowest':>9}{'of plain':>10}"
        f"{'peak':>10}{'last loss':>11}"
    )
    for name, seconds in times.items():
        median, peak = statistics.median(seconds), max(reply["peak_bytes"] for reply in replies[name])
        print(
            f"{name:22}{median:7.3f} s{min(seconds):7.3f} s{max(seconds):7.3f} s{median / baseline:10.3f}"
            f"{peak / 2**30:6.2f} GiB{replies[name][-1]['loss']:11.4f}"
        )
    return all(math.isfinite(reply["loss"]) for answers in replies.values() for reply in answers)


def main() -> int:
    """Measures all variants, group by group."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--torch-python", help="a Python with torch; without it PyTorch is left out")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS, metavar="VARIANT",
                        help=f"among: {', '.join(VARIANTS)}")  # fmt: skip
    parser.add_argument("--size", type=int, nargs=2, default=(384, 512), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--width", type=float, default=1.0, help="channels relative to VGG16 (1)")
    parser.add_argument("--rounds", type=int, default=7, help="steps of each variant that count (7)")
    parser.add_argument("--warm-up", type=int, default=2, help="steps before them that do not (2)")
    parser.add_argument(
        "--together", type=int, default=4, help="processes at a time, 4 to 5 GB each at full size (4)"
    )
    options = parser.parse_args()
    if min(options.rounds, options.together - 1) < 1:
        parser.error("expected at least one round, and at least two processes together")
    variants = [name for name in options.variants if options.torch_python or not name.startswith("torch")]
    for name in sorted(set(options.variants) - set(variants)):
        print(f"{name}: left out; name a Python that has torch with --torch-python")
    print(describe_cpu())
    height, width = options.size
    print(f"FCN-8s, {height}x{width}, batch 1, width {options.width:g}; medians of {options.rounds} steps")
    finite, others = True, options.together - 1
    for first in range(0, len(variants), others):
        print(describe_load(), flush=True)
        finite &= report(measure(variants[first : first + others], options))
    print(f"\n{describe_load()}")
    return 0 if finite else 1


if __name__ == "__main__":
    sys.exit(main())
