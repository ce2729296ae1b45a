"""Times labeling a folder of JPEGs, including reading and writing, and the engine alone.

    python benchmarks/folder.py MODEL VOCdevkit/VOC2012/JPEGImages --engine openvino --precision int8

The images are divided into parts. Each part is labeled twice, in turns: by the engine alone ("bare"), from
pixels in memory, without keeping the labels; and by `label_images`, from JPEGs to palette PNGs and overlays,
with its store. "share" is the first time divided by the second: at 100%, files would cost nothing. Memory is
that of the whole process.
"""

import argparse
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from machine import describe_cpu, describe_load


def copies(source: Path, number: int, folder: Path, parts: int) -> list[Path]:
    """Copies JPEGs (some twice, if they are too few) into one folder per part; returns the folders."""
    found = sorted(source.rglob("*.jpg"))
    if not found:
        raise SystemExit(f"{source}: no JPEGs found.")
    folders = [folder / f"part_{index:02}" for index in range(parts)]
    for path in folders:
        path.mkdir()
    for index, path in enumerate(islice(cycle(found), number)):
        shutil.copyfile(path, folders[index % parts] / f"{index:05}.jpg")
    return folders


def bare(engine: Any, folder: Path) -> float:
    """Returns the seconds that the engine takes for the pixels of a folder's images, one at a time."""
    from fcn.data.image_io import read_image

    images = [read_image(path) for path in sorted(folder.iterdir())]
    start = time.perf_counter()
    for image in images:
        engine.label(image[None])
    return time.perf_counter() - start


def with_files(predictor: Any, folder: Path, output: Path) -> float:
    """Returns the seconds for a folder, from JPEGs to PNGs and overlays."""
    from fcn.jobs.label_images import label_images

    start = time.perf_counter()
    result = label_images(predictor, [folder], output, ("palette", "overlay"), batch_size=1)
    seconds = time.perf_counter() - start
    if result.failed or result.written != len(list(folder.iterdir())):
        raise SystemExit(f"Expected all images to be labeled. Received: {result}.")
    return seconds


def resident_bytes() -> int:
    """Returns the current memory of the process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(predictor: Any, folders: Sequence[Path], output: Path) -> Iterator[tuple[float, float, int]]:
    """Yields the seconds of each part, bare and with files, and the memory after it."""
    for index, folder in enumerate(folders):
        if index % 2:
            whole = with_files(predictor, folder, output / folder.name)
            plain = bare(predictor.engine, folder)
        else:
            plain = bare(predictor.engine, folder)
            whole = with_files(predictor, folder, output / folder.name)
        yield plain, whole, resident_bytes()


def main() -> int:
    """Measures and prints a line for each part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="a run folder, a .keras file or an exported folder")
    parser.add_argument("images", type=Path, help="folder with JPEGs")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--number", type=int, default=500, help="images (500)")
    parser.add_argument("--parts", type=int, default=10, help="parts that are timed in turns (10)")
    options = parser.parse_args()

    from fcn.system.backend import start_backend

    start_backend(options.engine)
    from fcn.inference.predictor import Predictor

    predictor = Predictor(options.model, options.engine, options.precision)
    print(describe_cpu())
    print(f"{options.number} images, {predictor.engine.name} in {predictor.engine.precision}")
    print(describe_load())
    print(f"\n{'part':>4}{'bare':>11}{'with files':>12}{'share':>9}{'memory':>10}")
    with tempfile.TemporaryDirectory() as temporary:
        folders = copies(options.images, options.number + options.parts, Path(temporary), options.parts)
        warm = folders[0].parent / "warm"
        warm.mkdir()
        for folder in folders:  # the last of each part, so that parts are as large as they were asked for
            path = sorted(folder.iterdir())[-1]
            path.rename(warm / path.name)
        bare(predictor.engine, warm)
        with_files(predictor, warm, Path(temporary) / "warm_output")
        shares = []
        per_image = []
        parts = measure(predictor, folders, Path(temporary) / "output")
        for index, (plain, whole, memory) in enumerate(parts):
            shares.append(plain / whole)
            per_image.append(whole / len(list(folders[index].iterdir())))
            line = f"{index:4}{plain:9.2f} s{whole:10.2f} s{shares[-1]:9.1%}{memory / 2**30:6.2f} GiB"
            print(line, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    speed = 1 / statistics.median(per_image)
    share = statistics.median(shares)
    print(f"\nmedian share {share:.1%}, {speed:.2f} images per second, peak {peak / 2**30:.2f} GiB")
    print(describe_load())
    return 0


if __name__ == "__main__":
    sys.exit(main())
