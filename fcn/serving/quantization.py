"""Layers in int8, by NNCF's post-training quantization: scales from images, weights rounded, no training."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from fcn.data.image_io import Pixels, read_image
from fcn.errors import BackendError, DataError
from fcn.inference.openvino_engine import import_openvino
from fcn.inference.search import FORMATS, Unusable, find_images
from fcn.parallel import map_ahead
from fcn.progress import track

CALIBRATION_IMAGES = 300
"""Images that the ranges of activations are taken from, at most; NNCF's own number."""
AGREEMENT_IMAGES = 30
"""Images, at most, on which labels are compared."""
CALIBRATION_SIDE = 1024
"""Rows and columns, at most, of what is used of an image: of larger ones the middle."""

SENSITIVE = (
    (),
    ("block1_conv1", "score", "upscore", "fuse", "logits"),
    ("block1", "score", "upscore", "fuse", "logits", "fc7"),
)
"""Parts of the names of layers that stay in float, in the order in which it is tried: none; then the first,
whose channels are pixels, and the scores, whose differences decide; then more around them."""


def choose_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """Chooses images to calibrate with, and others to compare labels on.

    Args:
        folder: Searched at any depth.

    Returns:
        Paths spread evenly over the folder. With fewer than ten images both are all of them.

    Raises:
        DataError: If there are none, or some cannot be read.
    """
    paths = []
    for found in find_images([folder], folder / "nowhere"):
        if isinstance(found, Unusable):
            raise DataError(f"{found.path}: {found.reason}")
        paths.append(Path(found.path))
    if not paths:
        raise DataError(f"{folder}: no images found. Expected {FORMATS}, at any depth.")
    if len(paths) < 10:
        return paths, paths
    compared = _spread(paths[::10], AGREEMENT_IMAGES)
    rest = [path for index, path in enumerate(paths) if index % 10]
    return _spread(rest, CALIBRATION_IMAGES), compared


def _spread(paths: Sequence[Path], number: int) -> list[Path]:
    chosen = np.linspace(0, len(paths) - 1, min(number, len(paths))).round().astype(int)
    return [paths[index] for index in chosen]


def read_images(paths: Sequence[Path], description: str) -> Iterator[Pixels]:
    """Yields images `uint8[H, W, 3]` RGB at their own sizes, of large ones the middle.

    Args:
        paths: What to read.
        description: What is being done with them, as a present participle.

    Raises:
        DataError: If one cannot be read.
    """
    for image in track(map_ahead(read_image, paths), description, total=len(paths)):
        top, left = ((length - CALIBRATION_SIDE) // 2 for length in image.shape[:2])
        rows, columns = (slice(max(0, first), max(0, first) + CALIBRATION_SIDE) for first in (top, left))
        yield image[rows, columns]


def quantize(model: Any, paths: Sequence[Path], kept: Sequence[str]) -> Any:
    """Returns `openvino.Model` with layers in int8.

    Args:
        model: `openvino.Model` from `uint8[B, H, W, 3]` to logits.
        paths: Images that are like those to come.
        kept: Parts of the names of layers that stay in float.

    Raises:
        BackendError: If NNCF is not installed.
        DataError: If an image cannot be read.
    """
    import_openvino()  # keeps it from reporting
    try:
        import nncf
    except ImportError as error:
        raise BackendError(
            "int8: NNCF, which chooses its scales, is not installed. Install it: pip install 'fcn[openvino]'."
        ) from error
    nncf.set_log_level(logging.ERROR)
    images = nncf.Dataset(_Repeatable(paths), lambda image: image[np.newaxis])
    scope = nncf.IgnoredScope(patterns=[f".*{name}.*" for name in kept], validate=False)
    with redirect_stdout(sys.stderr):  # its progress; stdout is for results
        return nncf.quantize(
            model, images, subset_size=len(paths), preset=nncf.QuantizationPreset.MIXED, ignored_scope=scope
        )


class _Repeatable:
    """Images that are read anew each time somebody goes through them."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __iter__(self) -> Iterator[Pixels]:
        return read_images(self._paths, "calibrating")
