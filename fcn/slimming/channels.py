"""Builds a net with some of the channels of another one."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.models.architecture import layer_channels
from fcn.models.net import SegmentationNet
from fcn.slimming.connections import LAYERS, count_channels, find_sources
from fcn.slimming.moments import Moments

Indices = npt.NDArray[np.intp]
Array = npt.NDArray[np.floating[Any]]

# Share of the mean variance that is added to each, so that channels that say the same can be told apart.
_RIDGE = 1e-3


class Reading(NamedTuple):
    """The input of a layer once channels are removed.

    Attributes:
        kept: Indices of the channels that it still reads.
        moments: What it has read so far; None: it does without the others.
    """

    kept: Indices
    moments: Moments | None


def keep_channels(
    net: SegmentationNet, kept: Mapping[str, Indices], moments: Mapping[str, Moments] | None = None
) -> SegmentationNet:
    """Returns a net with some of the channels of another one.

    Kernels, biases and batch normalizations lose what belongs to the other channels. With `moments`, the
    layers that read them also learn to do without: each removed channel is predicted from the kept ones by
    linear regression, and the prediction goes into the kernel and bias of the layer. That is the least
    squares reconstruction of He et al., "Channel pruning for accelerating very deep neural networks" (ICCV
    2017), for all places of a kernel at once. It is exact for channels that are constant or a sum of others,
    apart from constants at the border of the image, where kernels read padding.

    Args:
        net: A net, which is not changed.
        kept: Indices of the channels to keep, ascending, of each of `fcn.slimming.connections.LAYERS`.
        moments: As measured on `net`, for each layer of `fcn.slimming.connections.find_sources`; None:
            the channels are only left out.
    """
    counts = {name: len(kept[name]) for name in LAYERS}
    usual = layer_channels(net.fc6, net.width, net.fc_channels, {})
    own = {name: count for name, count in counts.items() if count != usual[name]}
    # Temperatures were fitted to another net.
    config = net.get_config() | {"channels": own or None, "temperatures": None}
    small: SegmentationNet = type(net).from_config(config)
    full, read = count_channels(net), find_sources(net)
    shifts: dict[str, Array] = {}
    for layer in small.layers:  # each in front of what normalizes it
        if not layer.weights:
            continue
        name, convolution = layer.name, layer.name.removesuffix("_bn")
        arrays = [np.asarray(array) for array in net.get_layer(name).get_weights()]
        if name in read and len(kept[read[name]]) < full[read[name]]:
            reading = Reading(kept[read[name]], None if moments is None else moments[name])
            arrays[0], shifts[name] = _without(arrays[0], reading)
            if len(arrays) > 1:
                arrays[1] = arrays[1] + shifts[name]
        elif name != convolution and convolution in shifts:
            # What it normalizes has no bias: the mean becomes lower in place of it.
            gamma, beta, mean, variance = arrays
            arrays = [gamma, beta, mean - shifts[convolution], variance]
        if convolution in kept:
            arrays = [array[..., kept[convolution]] for array in arrays]
        layer.set_weights(arrays)
    return small


def _without(kernel: Array, reading: Reading) -> tuple[Array, Array]:
    """Returns a kernel that reads fewer channels, and what is missing in its outputs, `float[out]`.

    Args:
        kernel: `float[height, width, in, out]`.
        reading: What it reads.
    """
    kept, moments = reading
    if moments is None:
        return kernel[:, :, kept], np.zeros(kernel.shape[-1], kernel.dtype)
    removed = np.setdiff1d(np.arange(kernel.shape[2]), kept)
    own = moments.covariance[np.ix_(kept, kept)]
    own = own + np.eye(len(kept)) * (_RIDGE * np.trace(own) / len(kept) + np.finfo(np.float32).tiny)
    # float64[removed, kept]: each removed channel from the kept ones.
    factors = np.linalg.solve(own, moments.covariance[np.ix_(kept, removed)]).T
    constants = moments.mean[removed] - factors @ moments.mean[kept]
    lost = kernel[:, :, removed].astype(np.float64)
    predicted = np.einsum("hwro,rk->hwko", lost, factors, optimize=True)
    shift = np.einsum("hwro,r->o", lost, constants)
    return (kernel[:, :, kept] + predicted).astype(kernel.dtype), shift.astype(kernel.dtype)
