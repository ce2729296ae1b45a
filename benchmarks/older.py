"""Compares an older checkout with this one: engines, what a server adds to them, and the first label.

    git worktree add ../before f92f868
    python benchmarks/older.py MODEL IMAGE.jpg --before ../before --engine openvino --precision int8

Both checkouts take turns in each row, each round in another order, with the packages of this environment.
Ratios are of medians; below 1 this checkout is faster.

engine      labels the decoded pixels, in a process of its own
:segment    the time of a request less that of the engine in the same round
first       from the command `fcn infer` to the first label on disk, with all files in the system's cache
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from first_label import first_label
from machine import describe_cpu, describe_load
from rounds import REPOSITORY, Worker
from served import Client, served

MILLI = 1000
SEGMENT = "/v1/models/{name}:segment?output=label"

Seconds = Callable[[], float]
"""Runs a variant once, and returns how long it took."""


def in_turns(variants: Mapping[str, Seconds], rounds: int, warm_up: int) -> dict[str, list[float]]:
    """Returns the seconds of each variant in each round that counts."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    order = list(variants)
    for number in range(-warm_up, rounds):
        for place in range(len(order)):
            name = order[(number + place) % len(order)]
            took = variants[name]()
            if number >= 0:
                seconds[name].append(took)
    return seconds


def asked(port: int, name: str, data: bytes) -> Seconds:
    """Returns a variant that asks a server for a label; it ends the benchmark if the request fails."""
    client = Client(port)

    def ask() -> float:
        start = time.perf_counter()
        reply = client.post(SEGMENT.format(name=name), data)
        if reply.status != 200:
            raise SystemExit(f"{reply.status} {reply.body[:500]!r}")
        return time.perf_counter() - start

    return ask


def labeled(worker: Worker) -> Seconds:
    """Returns a variant that labels the image in a worker."""
    return lambda: float(worker.ask({})["seconds"])


def row(what: str, before: float, now: float) -> None:
    """Prints a row of two times and their ratio."""
    print(
        f"{what:10} before {MILLI * before:8.1f} ms, now {MILLI * now:8.1f} ms, ratio {now / before:.3f}",
        flush=True,
    )


def compare_engines_and_servers(options: argparse.Namespace, checkouts: Mapping[str, Path]) -> None:
    """Prints the rows "engine" and ":segment"."""
    data = options.image.read_bytes()
    chosen = ["--engine", options.engine, "--precision", options.precision]
    variants: dict[str, Seconds] = {}
    with ExitStack() as stack:
        for when, checkout in checkouts.items():
            arguments = [
                str(checkout),
                str(options.model),
                str(options.image),
                options.engine,
                options.precision,
            ]
            worker = Worker(when, sys.executable, "older_worker.py", arguments, {})
            stack.callback(worker.close)
            server = stack.enter_context(served(options.model, chosen, checkout))
            variants[f"{when} engine"] = labeled(worker)
            variants[f"{when} server"] = asked(server.port, server.about["name"], data)
        seconds = in_turns(variants, options.rounds, 5)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    on_top = {
        when: statistics.median(
            request - engine
            for request, engine in zip(seconds[f"{when} server"], seconds[f"{when} engine"], strict=True)
        )
        for when in checkouts
    }
    row("engine", median["before engine"], median["now engine"])
    row(":segment", on_top["before"], on_top["now"])


def compare_first_labels(options: argparse.Namespace, checkouts: Mapping[str, Path]) -> None:
    """Prints the row "first"."""
    arguments = [str(options.model), "--engine", options.engine, "--precision", options.precision]
    with tempfile.TemporaryDirectory() as folder:

        def variant(checkout: Path) -> Seconds:
            return lambda: first_label(
                arguments, options.image, Path(tempfile.mkdtemp(dir=folder)) / "labels", checkout
            )

        variants = {when: variant(checkout) for when, checkout in checkouts.items()}
        seconds = in_turns(variants, options.starts, 1)
    row("first", *(statistics.median(seconds[when]) for when in checkouts))


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="an exported folder that both checkouts can read")
    parser.add_argument("image", type=Path, help="a JPEG")
    parser.add_argument("--before", type=Path, required=True, help="the older checkout")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rounds", type=int, default=60, help="rounds of engines and servers; default: 60")
    parser.add_argument(
        "--starts", type=int, default=5, help="starts of `fcn infer` of each, or 0; default: 5"
    )
    options = parser.parse_args()
    print(describe_cpu())
    print(describe_load())
    checkouts = {"before": options.before.resolve(), "now": REPOSITORY}
    options.model = options.model.resolve()
    compare_engines_and_servers(options, checkouts)
    if options.starts:
        compare_first_labels(options, checkouts)
    print(describe_load())
    return 0


if __name__ == "__main__":
    sys.exit(main())
