"""Which channels the others of their layer can make up for."""

from collections.abc import Mapping

import numpy as np

from fcn.models.net import SegmentationNet
from fcn.slimming.connections import LAYERS, find_normalizations, find_sources
from fcn.slimming.moments import Floats, Moments
from fcn.system.progress import track

# Share of its variance that is added to each channel, so that equal channels can be told apart. It is smaller
# than that of the regression in channels.py, which has to hold on other images too.
_RIDGE = 1e-4

# Variance relative to the mean square below which a channel is constant: float32 sums are no more exact.
_CONSTANT = 1e-6

# Channels that are removed before the matrices are updated in one product: a block that caches hold.
_AT_ONCE = 64


def measure_reconstruction(net: SegmentationNet, moments: Mapping[str, Moments]) -> dict[str, Floats]:
    """Measures what is lost with each channel if the others of its layer make up for it.

    Channels are removed one by one, each time the one that the remaining ones make up for best: by linear
    regression, which goes into the kernels that read it (`fcn.slimming.channels.keep_channels`). The
    importance of a channel is the variance that is lost with it in the outputs of a layer that reads it,
    relative to all variance there, added up over the layers that read it: usually one, two if a skip reads
    it too. So two equal channels are important only together, and layers can be compared.

    Source: Hassibi & Stork, "Second order derivatives for network pruning: Optimal Brain Surgeon" (NIPS
    1992), on the squared error of each layer's outputs; that channels are chosen by this error is from He
    et al., "Channel pruning for accelerating very deep neural networks" (ICCV 2017), and Luo et al.,
    "ThiNet" (ICCV 2017). Places of a kernel are counted as if they were independent.

    Args:
        net: The net, which is not changed.
        moments: As measured on it, for each layer of `fcn.slimming.connections.find_sources`.

    Returns:
        `float64[C]` for each of `fcn.slimming.connections.LAYERS`, at least 0; of a layer they sum up to the
        number of layers that read it.
    """
    readers: dict[str, list[str]] = {name: [] for name in LAYERS}
    for reader, source in find_sources(net).items():
        readers[source].append(reader)
    found = {}
    for source, names in track(readers.items(), "choosing channels", len(readers), lines=True):
        covariance = _without_rounding(moments[names[0]])  # of the others it differs by a factor at most
        products = np.zeros_like(covariance)
        for name in names:
            own = _sum_weight_products(net, name)
            variance = float((own * covariance).sum())
            if variance > 0:
                products += own / variance
        found[source] = eliminate(covariance, products)
    return found


def eliminate(covariance: Floats, products: Floats) -> Floats:
    """Returns how much error the removal of each channel adds, if the remaining ones make up for it.

    Args:
        covariance: `float64[C, C]` of the channels; 0 for those that are constant.
        products: `float64[C, C]`: for each two channels, the sum of the products of the weights that read
            them.

    Returns:
        `float64[C]`, at least 0, ascending in the order in which channels are removed: the errors that they
        add, averaged where a later one adds less than one before it.

    Example:
        The first channel is read by no weight; the second equals the third, so one of them is enough.

        >>> covariance = np.array([[4.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
        >>> eliminate(covariance, np.diag([0.0, 1.0, 1.0])).round(3).tolist()
        [0.0, 0.0, 2.0]
    """
    varying = np.flatnonzero(np.diag(covariance) > 0)
    order = np.flatnonzero(np.diag(covariance) <= 0).tolist()
    errors = [0.0] * len(order)
    if len(varying):
        deviations = np.sqrt(np.diag(covariance)[varying])
        scales = np.outer(deviations, deviations)
        values, vectors = np.linalg.eigh(covariance[np.ix_(varying, varying)] / scales)
        # Rounding makes some values negative.
        precision = (vectors / (np.maximum(values, 0) + _RIDGE)) @ vectors.T / scales
        remaining, products = varying, products[np.ix_(varying, varying)]
        while len(remaining):
            precision, products, removed, added = _remove_some(precision, products)
            order += remaining[removed].tolist()
            errors += added
            remaining = np.delete(remaining, removed)
    found = np.zeros(len(covariance))
    found[order] = _ascending(errors)
    return found


def _remove_some(precision: Floats, products: Floats) -> tuple[Floats, Floats, list[int], list[float]]:
    """Removes some channels, one by one.

    The matrices are updated after all of them, in one product: that is much faster than after each.

    Args:
        precision: `float64[C, C]`: inverse of the covariance of the channels that remain.
        products: `float64[C, C]`: of the weights that read them.

    Returns:
        Both matrices of the channels that remain, indices of the others in the order in which they were
        removed, and the error that each added.
    """
    count = len(precision)
    steps = min(_AT_ONCE, count)
    kept = np.ones(count, bool)
    diagonal, squares = np.diag(precision).copy(), np.diag(products).copy()
    # precision - scaled @ scaled.T and products + factors @ halves.T + halves @ factors.T are those now.
    scaled, factors, halves = (np.zeros((count, steps)) for _ in range(3))
    removed, added = [], []
    for step in range(steps):
        errors = np.maximum(squares, 0) / diagonal
        index = int(np.argmin(np.where(kept, errors, np.inf)))
        removed.append(index)
        added.append(float(errors[index]))
        precision_row = precision[index] - scaled[:, :step] @ scaled[index, :step]
        products_row = products[index] + factors[:, :step] @ halves[index, :step]
        products_row += halves[:, :step] @ factors[index, :step]
        kept[index] = False
        scaled[:, step] = precision_row / np.sqrt(precision_row[index])
        # What the others predict of it is read from them instead.
        factors[kept, step] = -precision_row[kept] / precision_row[index]
        halves[:, step] = products_row + factors[:, step] * (products_row[index] / 2)
        diagonal[kept] -= scaled[kept, step] ** 2
        squares += 2 * factors[:, step] * halves[:, step]
    update = factors[kept] @ halves[kept].T
    both = np.ix_(kept, kept)
    return precision[both] - scaled[kept] @ scaled[kept].T, products[both] + update + update.T, removed, added


def _ascending(errors: list[float]) -> Floats:
    """Returns numbers that ascend, by averaging neighbors that do not; their sum stays.

    Source: Ayer et al., "An empirical distribution function for sampling with incomplete information" (1955).

    Example:
        >>> _ascending([1.0, 5.0, 3.0, 6.0]).round(3).tolist()
        [1.0, 4.0, 4.0, 6.0]
    """
    groups: list[tuple[float, int]] = []  # sum and number
    for error in errors:
        total, count = error, 1
        while groups and groups[-1][0] * count >= total * groups[-1][1]:
            before = groups.pop()
            total, count = total + before[0], count + before[1]
        groups.append((total, count))
    values = np.repeat([total / count for total, count in groups], [count for _, count in groups])
    for index in range(1, len(values)):  # the smallest steps keep the order within a group
        values[index] = max(values[index], np.nextafter(values[index - 1], np.inf))
    return values


def _without_rounding(moments: Moments) -> Floats:
    """Returns a covariance, `float64[C, C]`, that is 0 for channels whose variance is rounding alone."""
    variances = np.diag(moments.covariance)
    varying = variances > _CONSTANT * (np.square(moments.mean) + np.maximum(variances, 0))
    return np.where(np.outer(varying, varying), moments.covariance, 0)


def _sum_weight_products(net: SegmentationNet, name: str) -> Floats:
    """Returns the sum of the products of the weights that read each two channels, `float64[in, in]`.

    Weights are those that a batch normalization makes of the kernel, if there is one.

    Args:
        net: The net.
        name: Of a convolution.
    """
    kernel = np.asarray(net.get_layer(name).get_weights()[0])
    factors = np.ones(kernel.shape[3])
    if normalization := find_normalizations(net).get(name):
        layer = net.get_layer(normalization)
        gamma, _, _, variance = (np.asarray(array, np.float64) for array in layer.get_weights())
        factors = gamma / np.sqrt(variance + layer.epsilon)
    total = np.zeros((kernel.shape[2], kernel.shape[2]))
    for place in kernel.reshape(-1, *kernel.shape[2:]):  # each alone: fc6 of a full net has 411 MB
        weights = place * factors
        total += weights @ weights.T
    return total
