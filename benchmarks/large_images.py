"""Measures how fast crops of very large images come, decoded as a whole for each and unpacked once.

    python benchmarks/large_images.py [--side 9000] [--crop 512] [--rounds 3]

Makes a data set of three images, a JPEG, a PNG and a TIFF of tiles, with PNG labels, in a temporary folder.
Threads on all cores read items of the training stream, as a training does; no net is trained. In a round,
each way reads items of each image, in turns: "whole" as many as there are threads, the others `--items`.
"unpacked" has the pixels in the memory of the operating system, as usual; "from disk" not, for files that are
larger than memory together. "times" is the median of the ratios to "whole" within a round. Items of all ways
are compared.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import tifffile
from machine import describe_cpu, describe_load

from fcn.classes import Classes
from fcn.config.sections import AugmentationConfig
from fcn.data.examination import facts_of_all
from fcn.data.image_io import encode_jpeg, encode_label
from fcn.data.split_list import Example
from fcn.data.stream import TrainingStream
from fcn.data.unpacked import UnpackedExamples, find_large, unpack
from fcn.system.parallel import available_cores, map_on_all_cores

_CLASSES = Classes.named(tuple("abcdef"))
_WAYS = ("whole", "unpacked", "from disk")


def write_examples(root: Path, side: int) -> list[Example]:
    """Writes three images of one content, fields and noise as in a photograph from above, and their labels.

    Args:
        root: An empty folder.
        side: Height and width, in pixels.
    """
    rng = np.random.default_rng(0)
    fields = rng.integers(0, len(_CLASSES.names), (max(1, side // 100),) * 2, np.uint8)
    label = cv2.resize(fields, (side, side), interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)
    colors = cv2.resize(rng.integers(0, 240, (*fields.shape, 3), np.uint8), (side, side))
    image = cv2.add(colors, rng.integers(0, 16, (side, side, 3), np.uint8)).astype(np.uint8, copy=False)
    (root / "a.jpg").write_bytes(encode_jpeg(image))
    cv2.imwrite(str(root / "b.png"), image)
    tifffile.imwrite(root / "c.tif", image, tile=(256, 256), photometric="rgb", compression="deflate")
    (root / "label.png").write_bytes(encode_label(label, _CLASSES))
    return [Example(name, root / name, root / "label.png") for name in ("a.jpg", "b.png", "c.tif")]


def read_items(stream: TrainingStream, indices: Sequence[int], prepare: Callable[[], object]) -> float:
    """Reads items in threads; returns how many a second.

    Args:
        stream: Has the items.
        indices: Their numbers.
        prepare: Is called before each.
    """

    def read(index: int) -> None:
        prepare()
        stream[index]

    start = time.perf_counter()
    for _ in map_on_all_cores(read, indices):
        pass
    return len(indices) / (time.perf_counter() - start)


def forget(folder: Path) -> None:
    """Takes files out of the memory of the operating system; does nothing where it cannot be asked to."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in folder.glob("*.npy"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # what is not on the disk yet stays
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def check_same(streams: dict[str, TrainingStream], count: int) -> None:
    """Compares items of streams.

    Raises:
        ValueError: If they differ.
    """
    for index in range(count):
        items = [stream[index] for stream in streams.values()]
        for image, label in items[1:]:
            if not (np.array_equal(image, items[0][0]) and np.array_equal(label, items[0][1])):
                raise ValueError(f"Item {index} differs.")


def main() -> None:
    """Prints how long unpacking takes, and a row for each image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--side", type=int, default=9000)
    parser.add_argument("--crop", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--items", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root, folder = Path(name), Path(name) / "unpacked"
        examples = write_examples(root, options.side)
        start = time.perf_counter()
        facts = facts_of_all(examples, len(_CLASSES.names))
        checked = time.perf_counter()
        digests, sizes = [one.digest for one in facts], [one.size for one in facts]
        large = find_large(examples, digests, sizes, 0)
        unpack(large, folder, len(_CLASSES.names))
        seconds, size = time.perf_counter() - checked, sum(one.num_bytes for one in large) / 1e9
        print(f"{describe_cpu()}; {describe_load()}")
        print(f"checking the data {checked - start:.0f} s, unpacking {seconds:.0f} s, {size:.2f} GB")
        print(f"{'items a second':16}" + "".join(f"{way:>12}" for way in _WAYS) + f"{'times':>8}{'times':>8}")
        settings = AugmentationConfig(crop_size=(options.crop, options.crop))
        for example in examples:
            streams = {way: TrainingStream([example], len(_CLASSES.names), settings, 0) for way in _WAYS}
            for way in _WAYS[1:]:
                streams[way].unpacked = UnpackedExamples(folder, large)
            check_same(streams, 2)
            speeds: dict[str, list[float]] = {way: [] for way in _WAYS}
            for number in range(options.rounds):
                for way in _WAYS if number % 2 else reversed(_WAYS):
                    count = max(2, available_cores()) if way == "whole" else options.items
                    first = number * options.items
                    prepare = (lambda: forget(folder)) if way == "from disk" else (lambda: None)
                    speeds[way].append(read_items(streams[way], range(first, first + count), prepare))
            row = "".join(f"{statistics.median(speeds[way]):12.2f}" for way in _WAYS)
            for way in _WAYS[1:]:
                ratios = [fast / slow for fast, slow in zip(speeds[way], speeds["whole"], strict=True)]
                row += f"{statistics.median(ratios):8.0f}"
            print(f"{example.name:16}{row}", flush=True)


if __name__ == "__main__":
    main()
