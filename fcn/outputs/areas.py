"""Computes and writes the share of each image that each class covers."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fcn.classes import Classes, count_ids
from fcn.data.image_io import Pixels
from fcn.outputs.record import Record
from fcn.system.files import atomic_path
from fcn.system.text import csv_text

COLUMNS = ("path", "width", "height", "mean_confidence", "doubtful")
"""Columns before those of the classes. Tables of earlier versions have no "doubtful"."""


def class_areas(label: Pixels, classes: Classes) -> dict[str, float]:
    """Returns the share of a label that each class covers, by name; absent ones are left out.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.
        classes: The names of the ids.

    Example:
        >>> import numpy as np
        >>> class_areas(np.array([[0, 1, 1, 1]], np.uint8), Classes.named(("sky", "sea", "sun")))
        {'sky': 0.25, 'sea': 0.75}
    """
    return areas_of_counts(count_ids(label), classes)


def areas_of_counts(counts: npt.NDArray[np.int64], classes: Classes) -> dict[str, float]:
    """Returns what `class_areas` does, from how many pixels have each value, `int64[256]`."""
    shares = counts / max(1, int(counts.sum()))
    return {name: float(share) for name, share in zip(classes.names, shares, strict=False) if share > 0}


@contextmanager
def areas_file(path: Path, classes: Classes) -> Iterator[Callable[[str, Record], None]]:
    """Yields a function that takes each image's name and record; the table appears when the block succeeds.

    Raises:
        OutputError: If the file cannot be written or the disk is full.
    """
    # A name that is not valid UTF-8 is written as the bytes it has in its folder.
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow([*COLUMNS, *map(csv_text, classes.names)])

        def add(name: str, record: Record) -> None:
            shares = [f"{record['areas'].get(class_name, 0):.6f}" for class_name in classes.names]
            confidence = f"{record['mean_confidence']:.6f}"
            doubtful = f"{record['doubtful']:.6f}" if "doubtful" in record else ""
            size = record["width"], record["height"]
            rows.writerow([csv_text(name, "./"), *size, confidence, doubtful, *shares])

        yield add
