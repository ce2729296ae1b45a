"""Measures the time that a server adds to the engine: HTTP, the queue, decoding and encoding.

    python benchmarks/serving.py runs/quickstart/exported IMAGE.jpg --size 375 500

A client, and the engine alone in this process on the same decoded pixels, take turns; each round starts with
another one. "on top" is the median of the differences within a round. Batches do not wait for more images.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from machine import describe_cpu, describe_load
from served import Client, predict_body, served

BARE = "bare engine"
MILLI = 1000


def photograph(path: Path, size: tuple[int, int]) -> tuple[bytes, Any]:
    """Returns an image as a JPEG of a given size, and its decoded pixels, `uint8[H, W, 3]`."""
    from fcn.data.image_io import decode_image, encode_jpeg, read_image

    image = cv2.resize(read_image(path), size[::-1], interpolation=cv2.INTER_AREA).astype(
        np.uint8, copy=False
    )
    data = encode_jpeg(image)
    return data, decode_image(data)


def timed(function: Callable[[], object]) -> float:
    """Returns the seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def answered(client: Client, path: str, body: bytes) -> Callable[[], None]:
    """Returns a function that sends a request; it ends the benchmark if the request fails."""

    def ask() -> None:
        reply = client.post(path, body)
        if reply.status != 200:
            raise SystemExit(f"{path}: {reply.status} {reply.body[:500]!r}")

    return ask


def measure(
    model: Path, data: bytes, pixels: Any, rounds: int, arguments: list[str]
) -> dict[str, list[float]]:
    """Returns the seconds of each round, by kind of request."""
    from fcn.inference.predictor import Predictor

    engine = Predictor(model).engine
    with served(model, arguments) as server:
        client = Client(server.port)
        name = f"/v1/models/{server.about['name']}"
        print(f"engine: {server.about['engine']}; here {engine.name} {engine.precision}")
        calls = {
            BARE: lambda: engine.label(pixels[np.newaxis]),
            ":segment label": answered(client, f"{name}:segment?output=label", data),
            ":segment overlay": answered(client, f"{name}:segment?output=overlay", data),
            ":segment polygons": answered(client, f"{name}:segment?output=polygons", data),
            ":predict": answered(client, f"{name}:predict", predict_body(data)),
        }
        seconds: dict[str, list[float]] = {what: [] for what in calls}
        order = list(calls)
        for number in range(-5, rounds):
            for place in range(len(order)):
                what = order[(number + place) % len(order)]
                took = timed(calls[what])
                if number >= 0:
                    seconds[what].append(took)
        client.close()
    return seconds


def main() -> int:
    """Measures and prints a line for each kind of request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="a run folder, a .keras file or an exported folder")
    parser.add_argument("image", type=Path)
    parser.add_argument("--size", type=int, nargs=2, default=(375, 500), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--serve", nargs=argparse.REMAINDER, default=[], help="more arguments of `fcn serve`")
    options = parser.parse_args()
    print(describe_cpu())
    print(describe_load())
    data, pixels = photograph(options.image, tuple(options.size))
    print(f"{pixels.shape[1]} x {pixels.shape[0]} JPEG of {len(data)} bytes, {options.rounds} rounds")
    seconds = measure(options.model, data, pixels, options.rounds, options.serve)
    bare = seconds.pop(BARE)
    print(f"{BARE:20} median {MILLI * statistics.median(bare):7.1f} ms")
    for what, values in seconds.items():
        added = [MILLI * (value - engine) for value, engine in zip(values, bare, strict=True)]
        print(
            f"{what:20} median {MILLI * statistics.median(values):7.1f} ms, "
            f"on top {statistics.median(added):6.1f} ms"
        )
    print(describe_load())
    return 0


if __name__ == "__main__":
    sys.exit(main())
