"""Means and covariances of what layers read."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from fcn.data.image_io import Pixels
from fcn.models.net import SegmentationNet
from fcn.slimming.connections import find_sources

Floats = npt.NDArray[np.float64]

# Places of a map that are enough: neighbors see nearly the same.
_MOST_PLACES = 4096


class Moments(NamedTuple):
    """The channels that a layer reads, over all places of all images.

    Attributes:
        mean: `float64[C]`.
        covariance: `float64[C, C]`.
    """

    mean: Floats
    covariance: Floats


def measure_moments(net: SegmentationNet, images: Iterable[Pixels]) -> dict[str, Moments]:
    """Measures what the layers of `fcn.slimming.connections.find_sources` read.

    Args:
        net: The net.
        images: Images `uint8[H, W, 3]`, at least one.
    """
    layers = tuple(find_sources(net))
    reading = keras.Model(net.input, [net.get_layer(name).input for name in layers])
    places = dict.fromkeys(layers, 0)
    sums: dict[str, Any] = dict.fromkeys(layers, 0.0)
    products: dict[str, Any] = dict.fromkeys(layers, 0.0)
    for image in images:
        maps = reading.predict_on_batch(image[np.newaxis].astype(np.float32))
        for name, values in zip(layers, maps, strict=True):
            rows = np.asarray(values, np.float32).reshape(-1, values.shape[-1])
            rows = rows[:: max(1, -(-len(rows) // _MOST_PLACES))]
            places[name] += len(rows)
            sums[name] = sums[name] + rows.sum(axis=0, dtype=np.float64)
            products[name] = products[name] + (rows.T @ rows).astype(np.float64)
    found = {}
    for name in layers:
        mean = sums[name] / places[name]
        found[name] = Moments(mean, products[name] / places[name] - np.outer(mean, mean))
    return found
