"""Which channels the others of their layer can make up for."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from fcn.models.net import SegmentationNet
from fcn.slimming.connections import LAYERS, find_sources
from fcn.slimming.moments import Floats, Moments

# Share of the mean variance that is added to each, so that channels that say the same can be told apart.
_RIDGE = 1e-4

_AT_ONCE = 64


def measure_reconstruction(net: SegmentationNet, moments: Mapping[str, Moments]) -> dict[str, Floats]:
    """Measures what is lost with each channel if the others of its layer make up for it.

    Channels go one by one, first the one whose loss the remaining ones make up for best: by linear
    regression, which goes into the kernels that read it (`fcn.slimming.channels.keep_channels`). Its
    importance is the variance that the outputs of these layers lose for good, relative to all of their
    variance, and a little more than that of the channels before it. So a channel that repeats others is
    unimportant only until they are gone, and numbers of different layers can be compared.

    Source: Hassibi & Stork, "Second order derivatives for network pruning: Optimal Brain Surgeon" (NIPS
    1992), on the squared error of each layer's outputs; that channels are chosen by this error is from He
    et al., "Channel pruning for accelerating very deep neural networks" (ICCV 2017), and Luo et al.,
    "ThiNet" (ICCV 2017). Places of a kernel are counted as if they were independent.

    Args:
        net: The net, which is not changed.
        moments: As measured on it, for each layer of `fcn.slimming.connections.find_sources`.
    """
    readers: dict[str, list[str]] = {name: [] for name in LAYERS}
    for reader, source in find_sources(net).items():
        readers[source].append(reader)
    found = {}
    for source, names in readers.items():
        covariance = moments[names[0]].covariance  # they read the same map
        found[source] = eliminate(covariance, sum(_products(net, name, covariance) for name in names))
    return found


def eliminate(covariance: Floats, products: Floats) -> Floats:
    """Returns the error that each channel leaves behind when it goes.

    Args:
        covariance: `float64[C, C]`, of the channels.
        products: `float64[C, C]`: for each two channels, the sum of the products of the weights that read
            them.

    Returns:
        `float64[C]`, of at least 0, ascending in the order in which the channels go.

    Example:
        The first channel is read by no weight; the second equals the third, so one of them can go.

        >>> covariance = np.array([[4.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
        >>> eliminate(covariance, np.diag([0.0, 1.0, 1.0])).round(3).tolist()
        [0.0, 0.0, 2.0]
    """
    count = len(covariance)
    errors = np.zeros(count)
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0)  # rounding makes some negative, of maps with few places
    precision = (vectors / (values + _RIDGE * values.mean() + np.finfo(np.float32).tiny)) @ vectors.T
    constant = np.diag(covariance) <= 0  # loses nothing, whatever the ridge says
    left, last = np.arange(count), -1.0
    while len(left):
        precision, products, gone, lost = _eliminate_some(precision, products, constant[left])
        for index, error in zip(left[gone], lost, strict=True):
            last = float(error) if error > last else float(np.nextafter(last, np.inf))
            errors[index] = last
        left = np.delete(left, gone)
    return errors


def _eliminate_some(
    precision: Floats, products: Floats, constant: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats, list[int], list[float]]:
    """Removes some channels, one by one.

    The matrices change after all of them, in one product: that is much faster than after each.

    Args:
        precision: Inverse of the covariance, of the channels that are left.
        products: Of the weights that read them.
        constant: `bool[C]`: which have no variance.

    Returns:
        Both matrices for those that are left then, the indices of the others in the order in which they
        went, and the error that each left behind.
    """
    count = len(precision)
    steps = min(_AT_ONCE, count)
    here = np.ones(count, bool)
    variances, sums = np.diag(precision).copy(), np.diag(products).copy()
    # precision - scaled @ scaled.T and products + factors @ moved.T + moved @ factors.T are those now.
    scaled, factors, moved = (np.zeros((count, steps)) for _ in range(3))
    gone, lost = [], []
    for step in range(steps):
        errors = np.where(constant, 0, np.maximum(sums, 0) / variances)
        at = int(np.argmin(np.where(here, errors, np.inf)))
        gone.append(at)
        lost.append(float(errors[at]))
        row = precision[at] - scaled[:, :step] @ scaled[at, :step]
        read = products[at] + factors[:, :step] @ moved[at, :step] + moved[:, :step] @ factors[at, :step]
        here[at] = False
        scaled[:, step] = row / np.sqrt(row[at])
        # What the others predict of it is read from them instead.
        factors[here, step] = -row[here] / row[at]
        moved[:, step] = read + factors[:, step] * (read[at] / 2)
        variances[here] -= scaled[here, step] ** 2
        sums += 2 * factors[:, step] * moved[:, step]
    changed = factors[here] @ moved[here].T
    rest = np.ix_(here, here)
    precision = precision[rest] - scaled[here] @ scaled[here].T
    return precision, products[rest] + changed + changed.T, gone, lost


def _products(net: SegmentationNet, name: str, covariance: Floats) -> Floats:
    """Returns the products of the weights that read each two channels, for outputs of variance 1 in all."""
    kernel = np.asarray(net.get_layer(name).get_weights()[0], np.float64)
    kernel = kernel * _normalization(net, name)
    rows = kernel.transpose(2, 0, 1, 3).reshape(kernel.shape[2], -1)
    products: Any = rows @ rows.T
    return np.asarray(products / max(float((products * covariance).sum()), np.finfo(np.float32).tiny))


def _normalization(net: SegmentationNet, name: str) -> Any:
    """Returns what the outputs of a layer are multiplied by, a number or `float64[out]`."""
    if f"{name}_bn" not in {layer.name for layer in net.layers}:
        return 1.0
    layer = net.get_layer(f"{name}_bn")
    gamma, _, _, variance = (np.asarray(array, np.float64) for array in layer.get_weights())
    return gamma / np.sqrt(variance + layer.epsilon)
