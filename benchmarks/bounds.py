"""Measures what the bounds of hostile input cost for input that is not hostile: loading, decoding, labeling.

    git worktree add ../before 98b9704
    python benchmarks/bounds.py IMAGE --before ../before [--exported EXPORTED] [--keras FILE.keras]

All variants of a row are timed in turns, each round in another order. "more" is the median over the rounds of
the time of one variant divided by that of the first in the same round, less 1.

loading     a model with `trust=True` ("unchecked"), and with the check of what it may hold ("checked")
decoding    the image, as JPEG of `--size`: with OpenCV alone, without the bounds, and with them
before/now  the same image, and a folder of small images that are labeled with their store, by the code of
            another checkout and by this one, in processes of their own; with a thin net, so that all but the
            store takes little
"""

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from machine import describe_cpu, describe_load
from rounds import REPOSITORY, Worker

from fcn.data import encoded_image, image_header, image_io
from fcn.data.image_io import encode_jpeg, read_image

Seconds = Callable[[], float]
"""Runs a variant once, and returns how long it took."""

_DECODED = 50
"""Images that are decoded between two looks at the clock."""
_BOUNDS = (
    (encoded_image, "check_content"),
    *((image_header, name) for name in ("check_sides", "check_tiles", "check_tags", "check_boxes")),
)


def timed(function: Callable[[], object], repeats: int = 1) -> Seconds:
    """Returns a variant that times a function."""

    def seconds() -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            function()
        return (time.perf_counter() - start) / repeats

    return seconds


@contextmanager
def without_bounds() -> Iterator[None]:
    """Lets the checks of image files do nothing."""
    kept = [getattr(module, name) for module, name in _BOUNDS]
    for module, name in _BOUNDS:
        setattr(module, name, lambda *_: None)
    try:
        yield
    finally:
        for (module, name), check in zip(_BOUNDS, kept, strict=True):
            setattr(module, name, check)


def measure(
    variants: Mapping[str, Seconds], rounds: int, clear: Callable[[], object] | None = None
) -> dict[str, list[float]]:
    """Returns the seconds of each variant in each round, after one round that does not count.

    Args:
        variants: The variants by name.
        rounds: Rounds that count.
        clear: Removes what a variant may have left, before each.
    """
    times: dict[str, list[float]] = {name: [] for name in variants}
    names = [*variants]
    for number in range(-1, rounds):
        for place in range(len(names)):
            name = names[(number + place) % len(names)]
            if clear is not None:
                clear()
            seconds = variants[name]()
            if number >= 0:
                times[name].append(seconds)
    return times


def report(title: str, times: Mapping[str, Sequence[float]]) -> None:
    """Prints a line for each variant."""
    first = next(iter(times.values()))
    for name, seconds in times.items():
        more = statistics.median(mine / other for mine, other in zip(seconds, first, strict=True)) - 1
        print(
            f"{title:28}{name:16}{1000 * statistics.median(seconds):10.3f} ms{1000 * min(seconds):10.3f} ms"
            f"{more:+9.1%}",
            flush=True,
        )


def loading(exported: Path | None, keras_file: Path | None, rounds: int) -> None:
    """Measures how long models take to load."""
    if exported is not None:
        from fcn.inference.engines.tensorflow import exported_engine
        from fcn.runs.model_file import exported_version

        version = exported_version(exported)
        variants = {
            "unchecked": timed(partial(exported_engine, version, "float32", True)),
            "checked": timed(partial(exported_engine, version, "float32")),
        }
        report("loading a SavedModel", measure(variants, rounds, gc.collect))
    if keras_file is not None:
        from fcn.runs.model_file import load_model

        variants = {
            "unchecked": timed(partial(load_model, keras_file, True)),
            "checked": timed(partial(load_model, keras_file)),
        }
        report("loading a .keras file", measure(variants, rounds, gc.collect))


def decoding(data: bytes, rounds: int) -> None:
    """Measures how long an image takes to decode in this process."""
    array = np.frombuffer(data, np.uint8)
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    bounded = timed(lambda: image_io.decode_image(data), _DECODED)

    def unbounded() -> float:
        with without_bounds():
            return bounded()

    opencv = timed(lambda: cv2.imdecode(array, flags), _DECODED)
    report("decoding", measure({"without bounds": unbounded, "with bounds": bounded}, rounds))
    report("decoding", measure({"OpenCV alone": opencv, "with bounds": bounded}, rounds))


def ask(worker: Worker, task: str) -> float:
    """Returns the seconds that a worker takes for a task."""
    return float(worker.ask({"task": task, "repeats": _DECODED})["seconds"])


def compare(before: Path, image: Path, options: argparse.Namespace) -> None:
    """Measures the same work by the code of another checkout and by this one."""
    workers = {
        name: Worker(
            name,
            sys.executable,
            "bounds_worker.py",
            [str(checkout.resolve()), str(image), str(options.images), str(options.pixels)],
            {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"},
        )
        for name, checkout in (("before", before), ("now", REPOSITORY))
    }
    try:
        for task, title in (
            ("decode", "decoding"),
            ("infer", f"labeling {options.images} of {options.pixels}x{options.pixels}"),
        ):
            variants = {name: partial(ask, worker, task) for name, worker in workers.items()}
            report(title, measure(variants, options.rounds))
    finally:
        for worker in workers.values():
            worker.close()


def main() -> int:
    """Measures and prints a line for each variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("image", type=Path, help="image to decode")
    parser.add_argument("--before", type=Path, help="a checkout of this repository from before the bounds")
    parser.add_argument("--exported", type=Path, help="an exported model to load")
    parser.add_argument("--keras", type=Path, help="a .keras file to load")
    parser.add_argument("--size", type=int, nargs=2, default=(375, 500), metavar=("H", "W"))
    parser.add_argument("--images", type=int, default=200, help="images to label (200)")
    parser.add_argument("--pixels", type=int, default=64, help="rows and columns of these (64)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds that count (15)")
    options = parser.parse_args()
    print(f"{describe_cpu()}; {describe_load()}; {options.rounds} rounds")
    print(f"{'':44}{'median':>13}{'fastest':>13}{'more':>9}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        pixels = cv2.resize(
            read_image(options.image), tuple(options.size[::-1]), interpolation=cv2.INTER_AREA
        ).astype(np.uint8, copy=False)
        image = Path(folder) / "image.jpg"
        image.write_bytes(encode_jpeg(pixels))
        decoding(image.read_bytes(), options.rounds)
        loading(options.exported, options.keras, options.rounds)
        if options.before is not None:
            compare(options.before, image, options)
    print(describe_load())
    return 0


if __name__ == "__main__":
    sys.exit(main())
