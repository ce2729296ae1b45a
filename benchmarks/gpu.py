r"""Times FCN-8s in bfloat16 on a GPU: this package on JAX, and the same net in compiled PyTorch.

    python benchmarks/gpu.py --output gpu.json
    python benchmarks/gpu.py --output tiny.json --tiny     # a quick check on a CPU, in a few minutes

Measures training and inference at 512x512, in images per second and relative to the speed of a bfloat16
matrix product of 8192 in the same framework. PyTorch is compiled (`torch.compile`), channels last, with
autocast. This package builds the net as `fcn train` does with `train.precision: bfloat16`. Each framework has
its own process and an equal share of the GPU's memory; they compute in turns, round after round. Operations
are counted from the layers (transposed and other convolutions), and three times as many for a training step.
All frameworks must count the same.

A framework that fails at one task (out of memory, compiler errors) is restarted for the next one. After
`--limit` seconds no new round starts, and processes that hang are killed. JSON is written after each task.
Without JAX, `--frameworks keras_torch torch` measures this package on PyTorch. benchmarks/README.md explains
what to install on a machine without a network.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from machine import describe_cpu, describe_load
from rounds import Reply, Worker, WorkerError, take_turns

NAMES = {"jax": "ours, jax", "keras_torch": "ours, torch", "torch": "torch compiled"}
PASSES = {"train": 3, "infer": 1}
"""How many times the operations of a pass forward a task takes; backward, each layer has two products."""
MEMORY = 0.9
"""Share of the GPU's memory that the processes divide among them; their contexts take some more."""


def environment(framework: str, memory_share: float) -> dict[str, str]:
    """Returns the environment variables of a framework's process."""
    if framework == "jax":
        return {
            "KERAS_BACKEND": "jax",
            # Taken as it is needed, and at most this share: others need some too.
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
            "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{memory_share:.2f}",
        }
    return {"KERAS_BACKEND": "torch"}


class Contest:
    """The frameworks that are compared, each with a process.

    Args:
        options: Of the command line.

    Attributes:
        frameworks: Properties of each framework, as its process reports them.
        failures: What could not be measured, and why.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.frameworks: dict[str, Reply] = {}
        self.failures: list[Reply] = []
        self._options = options
        self._deadline = time.monotonic() + options.limit
        self._workers = {name: self._start(name) for name in options.frameworks}
        try:
            for name in options.frameworks:
                self._introduce(name)
        except BaseException:
            self.close()
            raise

    def measure(self, task: str, batch_size: int) -> dict[str, list[float]]:
        """Returns the seconds per call of a task in each round, by framework, without those that failed."""
        print(f"{task} {batch_size or ''}", file=sys.stderr, flush=True)
        workers = list(self._workers.values())
        request = {"task": task, "batch_size": batch_size}
        replies = take_turns(workers, request, 1, self._options.rounds, self._deadline)
        for worker in workers:
            if not replies.get(worker.name):
                reason = worker.failure or "the time was up"
                self.failures.append({**request, "framework": worker.name, "reason": reason})
            if worker.failure and time.monotonic() < self._deadline:
                self._workers[worker.name] = self._start(worker.name)
        return {name: [reply["seconds"] for reply in answers] for name, answers in replies.items() if answers}

    def close(self) -> None:
        """Ends all processes."""
        for worker in self._workers.values():
            worker.close()

    def _start(self, framework: str) -> Worker:
        options = self._options
        share = MEMORY / len(options.frameworks)
        return Worker(
            framework,
            (options.jax_python if framework == "jax" else options.torch_python) or sys.executable,
            "gpu_worker.py",
            [
                framework,
                *("--size", *map(str, options.size)),
                *("--width", str(options.width)),
                *("--matmul", str(options.matmul)),
                *("--seconds", str(options.seconds)),
                *("--memory-share", str(share)),
            ],
            environment(framework, share),
        )

    def _introduce(self, framework: str) -> None:
        """Asks a framework for its properties; excludes it if it does not answer or has no GPU."""
        try:
            reply = self._workers[framework].ask({"task": "describe", "batch_size": 0}, self._deadline)
            print(f"{NAMES[framework]}: {reply['version']} on {reply['device']}", flush=True)
            if reply["device"] != "cpu" or self._options.tiny:
                self.frameworks[framework] = reply
                return
            reason = "it finds no GPU; on a CPU there is only --tiny"
        except WorkerError as error:
            reason = str(error)
        print(f"{NAMES[framework]} is left out: {reason}", file=sys.stderr, flush=True)
        self.failures.append({"task": "all", "batch_size": None, "framework": framework, "reason": reason})
        self._workers.pop(framework).close()


def rows(times: Mapping[str, list[float]], task: str, batch_size: int, found: Reply) -> list[Reply]:
    """Computes the results of one task, one row per framework."""
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
            "seconds": seconds,
        }
        if name in found["peak_teraflops"]:
            row["share_of_peak"] = row["teraflops"] / found["peak_teraflops"][name]
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
        ratio = f"{row['ratio_to_torch']:.3f}" if "ratio_to_torch" in row else "-"
        share = f"{row['share_of_peak']:.1%}" if "share_of_peak" in row else "-"
        lines.append(
            f"{row['task']:6}{row['batch_size']:6}  {NAMES[row['framework']]:16}"
            f"{row['images_per_second']:10.2f}{ratio:>10}{row['teraflops']:10.4g}{share:>9}"
        )
    for name, peak in found["peak_teraflops"].items():
        lines.append(f"{NAMES[name]}: a bfloat16 product of {found['matmul']} reaches {peak:.4g} TFLOP/s")
    for failure in found["failures"]:
        batch = failure["batch_size"] or ""
        lines.append(f"not measured: {failure['task']} {batch} {NAMES[failure['framework']]}")
    return "\n".join(lines)


def run(options: argparse.Namespace, contest: Contest) -> Reply:
    """Measures everything, and writes the results after each task."""
    counts = {reply["forward_flops"] for reply in contest.frameworks.values()}
    if len(counts) != 1:
        raise ValueError(
            f"Expected one count of operations, of the same net. Received: {contest.frameworks}."
        )
    found: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": describe_cpu(),
        "load": describe_load(),
        "frameworks": contest.frameworks,
        "size": list(options.size),
        "width": options.width,
        "forward_flops": counts.pop(),
        "matmul": options.matmul,
        "peak_teraflops": {},
        "rows": [],
        "failures": contest.failures,
    }
    tasks = [(task, batch_size) for batch_size in options.batch_sizes for task in PASSES]
    for task, batch_size in [("matmul", 0), *tasks]:
        times = contest.measure(task, batch_size)
        if task == "matmul":
            found["peak_teraflops"] = {
                name: 2 * options.matmul**3 / statistics.median(seconds) / 1e12
                for name, seconds in times.items()
            }
        else:
            found["rows"] += rows(times, task, batch_size, found)
        options.output.write_text(json.dumps(found, indent=2) + "\n")
        print(f"\n{table(found)}", flush=True)
    return found


def main() -> int:
    """Reads the command line, measures and returns whether every framework answered to the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="where to write JSON")
    parser.add_argument("--frameworks", nargs="+", choices=NAMES, default=["jax", "torch"])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[16, 8, 32],
                        help="in this order (16 8 32)")  # fmt: skip
    parser.add_argument("--size", type=int, nargs=2, default=(512, 512), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--width", type=float, default=1.0, help="channels relative to VGG16 (1)")
    parser.add_argument("--matmul", type=int, default=8192, help="rows of the matrices (8192)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements that count (5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a measurement (1)")
    parser.add_argument("--limit", type=float, default=540, help="seconds for everything (540)")
    parser.add_argument("--jax-python", help="a Python with JAX and Keras, if not this one")
    parser.add_argument("--torch-python", help="a Python with PyTorch, if not this one")
    parser.add_argument(
        "--tiny", action="store_true", help="a thin net and small images, to see that it runs"
    )
    options = parser.parse_args()
    if options.tiny:
        options.size, options.width, options.matmul = (32, 32), 1 / 32, 256
        options.batch_sizes, options.rounds, options.seconds = [1, 2], 3, 0.02
    contest = Contest(options)
    try:
        found = run(options, contest)
    finally:
        contest.close()
    print(f"Wrote {options.output}{', without the tasks that failed' if found['failures'] else ''}")
    return 1 if found["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
