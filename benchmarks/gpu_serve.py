"""Measures how many images a second a server labels for several clients.

    KERAS_BACKEND=jax python benchmarks/gpu_serve.py runs/camvid IMAGES --serve --precision bfloat16

Starts `fcn serve` and sends JPEGs of one size, first for a while that does not count: on JAX, each size of a
batch is compiled at its first request. Then a few clients send requests as fast as they are answered. Prints
one line of JSON.
"""

import argparse
import itertools
import json
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from served import Client, Server, served


def ask(server: Server, bodies: Sequence[bytes], clients: int, seconds: float) -> tuple[list[float], float]:
    """Sends requests from several threads.

    Args:
        server: The server.
        bodies: Images, sent in turn.
        clients: Number of threads, each with a connection.
        seconds: How long new requests are sent.

    Returns:
        The seconds of each response, and the seconds until the last one.

    Raises:
        RuntimeError: If a request fails.
    """
    path = f"/v1/models/{server.about['name']}:segment?output=label"
    waiting = itertools.cycle(bodies)
    taken: list[float] = []
    failures: list[Exception] = []
    start = time.perf_counter()

    def send() -> None:
        client = Client(server.port)
        try:
            while not failures and (sent := time.perf_counter()) < start + seconds:
                reply = client.post(path, next(waiting))
                if reply.status != 200:
                    raise RuntimeError(f"{path}: {reply.status} {reply.body[:500]!r}")
                taken.append(time.perf_counter() - sent)
        except (OSError, RuntimeError) as error:
            failures.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=send) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(str(failures[0])) from failures[0]
    return taken, time.perf_counter() - start


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Starts the server, and returns its rate and times."""
    paths = sorted(options.images.glob("*.jpg"))[: options.number]
    if not paths:
        raise SystemExit(f"{options.images}: no JPEGs found.")
    bodies = [path.read_bytes() for path in paths]
    started = time.perf_counter()
    with served(options.model, options.serve) as server:
        ready = time.perf_counter() - started
        ask(server, bodies, options.clients, options.warm_up)
        taken, seconds = ask(server, bodies, options.clients, options.seconds)
    return {
        "engine": server.about["engine"],
        "clients": options.clients,
        "start_seconds": ready,
        "requests": len(taken),
        "images_per_second": len(taken) / seconds,
        "median_ms": 1000 * statistics.median(taken),
        "longest_ms": 1000 * max(taken),
    }


def main() -> int:
    """Reads the command line, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="a run folder, a .keras file or an exported folder")
    parser.add_argument("images", type=Path, help="folder of JPEGs of one size")
    parser.add_argument("--number", type=int, default=50, help="images to send in turn (50)")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--warm-up", type=float, default=15, help="seconds that do not count (15)")
    parser.add_argument("--seconds", type=float, default=10, help="seconds that count (10)")
    parser.add_argument("--serve", nargs=argparse.REMAINDER, default=[], help="more arguments of `fcn serve`")
    print(json.dumps(measure(parser.parse_args())), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
