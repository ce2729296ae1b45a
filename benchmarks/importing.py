"""Measures `fcn data import` and `fcn data check` on many images: time, CPU time and peak memory.

    python benchmarks/importing.py [--images 5000] [--folder DIR]

Images of 375x500 are generated with 6 shapes of 20 classes each, as COCO's JSON with polygons and as masks of
ids. Each command runs in a process of its own, once, since files are in the cache after the first.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from machine import describe_cpu, describe_load

from fcn.classes import Classes
from fcn.data.image_io import Pixels, encode_jpeg, encode_label
from fcn.system.parallel import map_on_all_cores

_HEIGHT, _WIDTH = 375, 500
_SHAPES, _CLASSES, _CORNERS = 6, 20, 24
# A grid of random colors that is enlarged has files as large as a photo's.
_GRID = (60, 80)

Corners = npt.NDArray[np.int32]


class Cost(NamedTuple):
    """Costs of a command.

    Attributes:
        seconds: Its time.
        cpu_seconds: Time on all cores.
        megabytes: Its peak memory, in MB.
    """

    seconds: float
    cpu_seconds: float
    megabytes: float


def draw(number: int) -> tuple[Pixels, list[tuple[int, Corners]]]:
    """Returns an image, and its shapes: class id and corners, `int32[N, 2]`."""
    rng = np.random.default_rng(number)
    grid = rng.integers(0, 256, (*_GRID, 3), np.uint8)
    image = cv2.resize(grid, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    shapes: list[tuple[int, Corners]] = []
    for _ in range(_SHAPES):
        radius = rng.uniform(10, 80) * rng.uniform(0.7, 1, _CORNERS)
        center = rng.uniform((0, 0), (_WIDTH, _HEIGHT))
        corners = center + np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius[:, None]
        within = corners.clip((0, 0), (_WIDTH - 1, _HEIGHT - 1)).astype(np.int32)
        shapes.append((int(rng.integers(1, _CLASSES + 1)), within))
    return image, shapes


def generate(folder: Path, count: int) -> None:
    """Writes the images once, the masks, and COCO's JSON: `coco/` and `masks/`, with links to the images."""
    classes = Classes.named(tuple(f"class {number}" for number in range(_CLASSES + 1)))
    for name in ("coco/images", "coco/annotations", "masks/images", "masks/masks"):
        (folder / name).mkdir(parents=True)

    def write(number: int) -> list[tuple[int, Corners]]:
        image, shapes = draw(number)
        path = folder / "coco" / "images" / f"{number:05}.jpg"
        path.write_bytes(encode_jpeg(image))
        os.link(path, folder / "masks" / "images" / path.name)
        label = np.zeros((_HEIGHT, _WIDTH), np.uint8)
        for class_id, corners in shapes:
            cv2.fillPoly(label, [corners], [class_id])
        (folder / "masks" / "masks" / f"{number:05}.png").write_bytes(encode_label(label, classes))
        return shapes

    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, shapes in enumerate(map_on_all_cores(write, range(count))):
        name = f"{number:05}.jpg"
        images.append({"id": number, "file_name": name, "height": _HEIGHT, "width": _WIDTH})
        for class_id, corners in shapes:
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": class_id,
                    "segmentation": [corners.ravel().tolist()],
                }
            )
    categories = [{"id": number, "name": f"class {number}"} for number in range(1, _CLASSES + 1)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "coco" / "annotations" / "all.json").write_text(json.dumps(document))


def run(*arguments: str) -> Cost:
    """Runs `fcn data`, and returns what it cost.

    Raises:
        RuntimeError: If it fails.
    """
    start = time.perf_counter()
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "fcn", "data", *arguments],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - start
    if status:
        raise RuntimeError(f"fcn data {' '.join(arguments)}: exit code {os.waitstatus_to_exitcode(status)}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024 * 1.048576)


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5000, metavar="N", help="default: 5000")
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="where to write; default: a temporary folder"
    )
    options = parser.parse_args()
    print(describe_cpu(), describe_load(), sep="\n")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        generate(folder, options.images)
        root = folder / "root"
        commands = [
            ("import, COCO", ["import", str(folder / "coco"), "--output", f"{root}1"]),
            ("import, masks", ["import", str(folder / "masks"), "--output", f"{root}2"]),
            (
                "import, masks, --strip-metadata",
                ["import", str(folder / "masks"), "--output", f"{root}3", "--strip-metadata"],
            ),
            ("check of the first", ["check", f"{root}1"]),
        ]
        print(f"{options.images} images of {_HEIGHT}x{_WIDTH}; a process each:")
        for title, arguments in commands:
            cost = run(*arguments)
            print(
                f"{title:32}{cost.seconds:8.1f} s,{cost.cpu_seconds:8.1f} s of CPU,{cost.megabytes:7.0f} MB"
            )


if __name__ == "__main__":
    main()
