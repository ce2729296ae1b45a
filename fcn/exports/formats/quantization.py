"""Layers in int8, by NNCF's post-training quantization: scales from images, weights rounded, no training."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from fcn.data.image_io import Pixels, read_image
from fcn.data.pillow_decoding import MOST_BITS
from fcn.exports.photographs import find_photographs, middle, spread
from fcn.inference.engines.openvino import import_openvino
from fcn.system.optional import import_optional
from fcn.system.parallel import map_ahead
from fcn.system.progress import track

CALIBRATION_IMAGES = 300
"""Images that the ranges of activations are taken from, at most; NNCF's own number."""
AGREEMENT_IMAGES = 30
"""Images, at most, on which labels are compared."""

KEPT_IN_FLOAT = ("nothing", "the first layer and the scores", "block 1, fc7 and the scores")
"""The layers that stay in float, in the order in which they are tried: the first layer, whose channels are
pixels, and the scores, whose differences decide; then more around them."""


def choose_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """Chooses images to calibrate with, and others to compare labels on.

    Args:
        folder: Searched at any depth, for images alone.

    Returns:
        Paths spread evenly over the folder, the same ones wherever it lies. With fewer than ten images both
        are all of them.

    Raises:
        DataError: If there are none, or some cannot be read.
    """
    paths = find_photographs(folder)
    if len(paths) < 10:
        return paths, paths
    compared = spread(paths[::10], AGREEMENT_IMAGES)
    rest = [path for index, path in enumerate(paths) if index % 10]
    return spread(rest, CALIBRATION_IMAGES), compared


def read_images(paths: Sequence[Path], description: str, bits: int = MOST_BITS) -> Iterator[Pixels]:
    """Yields images `uint8[H, W, 3]` RGB at their own sizes, of large ones the middle.

    Args:
        paths: The images.
        description: Of the work, for the progress bar: a present participle.
        bits: How many bits the values of files of 16 bits use.

    Raises:
        DataError: If one cannot be read.
    """
    images = map_ahead(lambda path: read_image(path, bits), paths)
    for image in track(images, description, len(paths), lines=True):
        yield middle(image)


def float_layers(model: Any, kept: str) -> list[str]:
    """Returns the names of the operations that stay in float.

    OpenVINO keeps no names of layers, so they are told by their shapes: scores have a kernel of 1x1 and a
    channel for each class, fc7 has a kernel of 1x1 and other channels.

    Args:
        model: `openvino.Model` from images to logits.
        kept: One of `KEPT_IN_FLOAT`.
    """
    if kept == KEPT_IN_FLOAT[0]:
        return []
    num_classes = model.output(0).get_partial_shape()[-1].get_length()
    operations = model.get_ordered_ops()
    convolutions = [found for found in operations if found.get_type_name() == "Convolution"]
    # Both inputs of the sums of scores are computed; of a bias, one is a constant.
    sums = [
        found
        for found in operations
        if found.get_type_name() == "Add" and _is_computed_from(found, "ConvolutionBackpropData")
    ]
    enlarged = [found for found in operations if found.get_type_name() == "ConvolutionBackpropData"]
    # From kernels [out, in, rows, columns].
    shapes = [tuple(found.input(1).get_shape()) for found in convolutions]
    wide = kept == KEPT_IN_FLOAT[2]
    chosen = [
        found
        for index, (found, (filters, _, *kernel)) in enumerate(zip(convolutions, shapes, strict=True))
        if index < 1 + wide or (kernel == [1, 1] and (wide or filters == num_classes))
    ]
    return [found.get_friendly_name() for found in (*chosen, *enlarged, *sums)]


def _is_computed_from(operation: Any, type_name: str, depth: int = 4) -> bool:
    """Returns whether an operation of a type is among the last few before this one."""
    sources = [value.get_node() for value in operation.input_values()]
    return any(
        source.get_type_name() == type_name or (depth > 0 and _is_computed_from(source, type_name, depth - 1))
        for source in sources
    )


def quantize(model: Any, paths: Sequence[Path], kept: str = KEPT_IN_FLOAT[0], bits: int = MOST_BITS) -> Any:
    """Returns `openvino.Model` with layers in int8.

    Args:
        model: `openvino.Model` from `uint8[B, H, W, 3]` to logits.
        paths: Images that are like those to come.
        kept: The layers that stay in float, one of `KEPT_IN_FLOAT`.
        bits: How many bits the values of images of 16 bits use.

    Raises:
        BackendError: If NNCF is not installed.
        DataError: If an image cannot be read.
    """
    import_openvino()  # keeps it from reporting
    nncf = import_optional("nncf", "int8", "openvino")
    nncf.set_log_level(logging.ERROR)
    images = nncf.Dataset(_Repeatable(paths, bits), lambda image: image[np.newaxis])
    scope = nncf.IgnoredScope(names=float_layers(model, kept))
    with redirect_stdout(sys.stderr):  # its progress; stdout is for results
        return nncf.quantize(
            model, images, subset_size=len(paths), preset=nncf.QuantizationPreset.MIXED, ignored_scope=scope
        )


class _Repeatable:
    """Images that are read again in each iteration."""

    def __init__(self, paths: Sequence[Path], bits: int) -> None:
        self._paths, self._bits = paths, bits

    def __iter__(self) -> Iterator[Pixels]:
        return read_images(self._paths, "calibrating", self._bits)
