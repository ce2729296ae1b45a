"""Measures what decoding in a process of its own costs, against decoding in this process.

    python benchmarks/decoding.py IMAGE... [--size 375 500] [--rounds 300]

Both decode the same bytes in turns. "on top" is the median of the differences within a round. With `--size`
images are shrunk and encoded as JPEG and PNG first.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from machine import describe_cpu, describe_load

from fcn.data.decoder import Decoder
from fcn.data.image_io import (
    Pixels,
    decode_image,
    encode_jpeg,
    encode_png,
    read_image,
)
from fcn.data.orientation import exif_orientation

_SECONDS = 60.0


def timed(function: Callable[[], object]) -> float:
    """Returns the milliseconds that a call takes."""
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def measure(data: bytes, rounds: int) -> tuple[float, float, float]:
    """Returns the medians in this process, in another, and of the differences, in milliseconds."""

    def here() -> None:
        decode_image(data)
        exif_orientation(data)

    with Decoder() as decoder:

        def there() -> None:
            decoder.open(data, "image", _SECONDS)
            decoder.decode(_SECONDS)

        there()  # starts the process
        here_times: list[float] = []
        there_times: list[float] = []
        for number in range(rounds):
            for function in (here, there) if number % 2 else (there, here):
                (here_times if function is here else there_times).append(timed(function))
    on_top = [slow - fast for fast, slow in zip(here_times, there_times, strict=True)]
    return statistics.median(here_times), statistics.median(there_times), statistics.median(on_top)


def main() -> None:
    """Prints a row for each image and format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"))
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    print(f"{describe_cpu()}; {describe_load()}; {options.rounds} rounds, milliseconds")
    print(f"{'image':32}{'here':>8}{'there':>8}{'on top':>8}")
    for path in options.images:
        encoded = {path.name: path.read_bytes()}
        if options.size:
            pixels: Pixels = cv2.resize(
                read_image(path), tuple(options.size[::-1]), interpolation=cv2.INTER_AREA
            ).astype(np.uint8, copy=False)
            encoded = {f"{path.stem}.jpg": encode_jpeg(pixels), f"{path.stem}.png": encode_png(pixels)}
        for name, data in encoded.items():
            print(f"{name:32}" + "".join(f"{value:8.2f}" for value in measure(data, options.rounds)))


if __name__ == "__main__":
    main()
