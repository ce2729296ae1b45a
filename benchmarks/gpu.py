r"""Times FCN-8s in bfloat16 on a GPU: this package on JAX against the same net in compiled PyTorch.

    python benchmarks/gpu.py --output gpu.json
    python benchmarks/gpu.py --output tiny.json --tiny     # on a CPU, in a minute: does it run

Training and inference, 512x512, images a second; and the share of what a bfloat16 matrix product of 8192
reaches in the same framework. PyTorch is compiled (`torch.compile`), channels last, with autocast; ours is
what `fcn train` builds with `train.precision: bfloat16`. Each framework has a process of its own; they hold
the GPU in turns, round after round. Operations are counted from the layers (transposed and other
convolutions), three times as many for a step of training; both frameworks must count the same.

No TensorFlow is needed. Where the Python with JAX and PyTorch lacks packages and nothing can be fetched,
bring them as wheels. Here, in the repository (versions as pinned in requirements/dev.txt):

    echo /.whl/ >> .git/info/exclude
    python -m pip download --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
      --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
      -d .whl keras==3.15.1 namex==0.1.0 optree==0.20.0 pydantic==2.14.3 pydantic-core==2.50.4 \
      annotated-types==0.8.0 typing-inspection==0.4.5 ruamel.yaml==0.19.1

There, as one command in the repository, with `.whl` carried along and $OUT the folder that comes back:

    python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target /tmp/site .whl/*.whl
    export PYTHONPATH=/tmp/site:$PWD PYTHONUNBUFFERED=1
    set -o pipefail; nvidia-smi
    KERAS_BACKEND=jax python3 benchmarks/torch_fcn.py 2>&1 | tail -1
    timeout 560 python3 benchmarks/gpu.py --output $OUT/gpu.json --batch-sizes 16 8 32 2>&1 | tee $OUT/gpu.log
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from machine import describe_cpu, describe_load
from rounds import Reply, Worker, take_turns

ENVIRONMENTS = {
    # JAX would take most of the GPU's memory at once, and none would be left for the other process.
    "jax": {"KERAS_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
    "torch": {},
}
NAMES = {"jax": "ours, jax", "torch": "torch compiled"}
PASSES = {"train": 3, "infer": 1}
"""How many times the operations of a pass forward a task takes; backward, each layer has two products."""


def start(framework: str, options: argparse.Namespace) -> Worker:
    """Starts the process of a framework."""
    return Worker(
        framework,
        {"jax": options.jax_python, "torch": options.torch_python}[framework] or sys.executable,
        "gpu_worker.py",
        [
            framework,
            *("--size", *map(str, options.size)),
            *("--width", str(options.width)),
            *("--matmul", str(options.matmul)),
            *("--seconds", str(options.seconds)),
        ],
        ENVIRONMENTS[framework],
    )


def measure(workers: Sequence[Worker], task: str, batch_size: int, rounds: int) -> dict[str, list[float]]:
    """Returns the seconds a call of a task took in each round, by framework."""
    print(f"{task} {batch_size or ''}", file=sys.stderr, flush=True)
    replies = take_turns(workers, {"task": task, "batch_size": batch_size}, 1, rounds)
    return {name: [reply["seconds"] for reply in answers] for name, answers in replies.items()}


def rows(times: dict[str, list[float]], task: str, batch_size: int, found: Reply) -> list[Reply]:
    """Returns what one task's times mean, a row for each framework."""
    result = []
    flops = PASSES[task] * found["forward_flops"]
    for name, seconds in times.items():
        images = batch_size / statistics.median(seconds)
        row = {
            "task": task,
            "batch_size": batch_size,
            "framework": name,
            "images_per_second": images,
            "teraflops": images * flops / 1e12,
            "share_of_peak": images * flops / 1e12 / found["peak_teraflops"][name],
            "seconds": seconds,
        }
        if "torch" in times:
            row["ratio_to_torch"] = statistics.median(times["torch"]) / statistics.median(seconds)
        result.append(row)
    return result


def table(found: Reply) -> str:
    """Returns the rows as text."""
    lines = [
        f"{'task':6}{'batch':>6}  {'framework':16}{'images/s':>10}"
        f"{'of torch':>10}{'TFLOP/s':>10}{'of peak':>9}"
    ]
    for row in found["rows"]:
        ratio = f"{row['ratio_to_torch']:10.3f}" if "ratio_to_torch" in row else " " * 10
        lines.append(
            f"{row['task']:6}{row['batch_size']:6}  {NAMES[row['framework']]:16}"
            f"{row['images_per_second']:10.2f}{ratio}{row['teraflops']:10.4g}{row['share_of_peak']:9.1%}"
        )
    for name, peak in found["peak_teraflops"].items():
        lines.append(f"{NAMES[name]}: a bfloat16 product of {found['matmul']} reaches {peak:.4g} TFLOP/s")
    return "\n".join(lines)


def run(options: argparse.Namespace, workers: Sequence[Worker]) -> Reply:
    """Measures everything; what there is after each batch size is written at once."""
    about = {worker.name: worker.ask(task="describe", batch_size=0) for worker in workers}
    counts = {reply["forward_flops"] for reply in about.values()}
    if len(counts) > 1:
        raise ValueError(f"Expected the same net. Received different counts of operations: {about}.")
    found: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": describe_cpu(),
        "load": describe_load(),
        "frameworks": about,
        "size": list(options.size),
        "width": options.width,
        "forward_flops": counts.pop(),
        "matmul": options.matmul,
        "rows": [],
    }
    for name, reply in about.items():
        print(f"{NAMES[name]}: {reply['version']} on {reply['device']}")
    times = measure(workers, "matmul", 0, options.rounds)
    found["peak_teraflops"] = {
        name: 2 * options.matmul**3 / statistics.median(seconds) / 1e12 for name, seconds in times.items()
    }
    for batch_size in options.batch_sizes:
        for task in PASSES:
            workers = [worker for worker in workers if worker.name in times]  # others have failed
            times = measure(workers, task, batch_size, options.rounds)
            found["rows"] += rows(times, task, batch_size, found)
        options.output.write_text(json.dumps(found, indent=2) + "\n")
        print(f"\n{table(found)}", flush=True)
    return found


def main() -> int:
    """Reads the command line, measures and returns whether every framework answered to the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="where to write JSON")
    parser.add_argument("--frameworks", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--size", type=int, nargs=2, default=(512, 512), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--width", type=float, default=1.0, help="channels relative to VGG16 (1)")
    parser.add_argument("--matmul", type=int, default=8192, help="rows of the matrices (8192)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements that count (5)")
    parser.add_argument("--seconds", type=float, default=1.5, help="length of a measurement (1.5)")
    parser.add_argument("--jax-python", help="a Python with JAX and Keras, if not this one")
    parser.add_argument("--torch-python", help="a Python with PyTorch, if not this one")
    parser.add_argument(
        "--tiny", action="store_true", help="a thin net and small images, to see that it runs"
    )
    options = parser.parse_args()
    if options.tiny:
        options.size, options.width, options.matmul = (32, 32), 1 / 32, 256
        options.batch_sizes, options.rounds, options.seconds = [1, 2], 3, 0.02
    workers = []
    try:
        for framework in options.frameworks:
            workers.append(start(framework, options))
        found = run(options, workers)
    finally:
        for worker in workers:
            worker.close()
    complete = len(found["rows"]) == len(PASSES) * len(options.batch_sizes) * len(options.frameworks)
    print(f"Wrote {options.output}{'' if complete else ', without what failed'}")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
