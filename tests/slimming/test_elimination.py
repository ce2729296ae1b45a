"""Tests of which channels the others can make up for."""

from typing import Any

import numpy as np
import pytest
from net_kinds import odd_images, random_net

from fcn.models.net import SegmentationNet
from fcn.slimming.channels import keep_channels
from fcn.slimming.connections import LAYERS, count_channels, find_sources
from fcn.slimming.elimination import eliminate, measure_reconstruction
from fcn.slimming.moments import Moments, measure_moments


def moments_of(net: SegmentationNet) -> dict[str, Moments]:
    images = [image for images in odd_images(((45, 67), (70, 70))) for image in images]
    return measure_moments(net, tuple(find_sources(net)), images)


def eliminate_slowly(covariance: Any, weights: Any) -> tuple[list[int], list[float]]:
    """Returns the order and the errors, by a regression of its own for each channel at each step."""
    weights, left = weights.copy(), list(range(len(covariance)))
    order, errors = [], []
    while left:
        best: Any = None
        for channel in left:
            others = [one for one in left if one != channel]
            factors = np.linalg.solve(covariance[np.ix_(others, others)], covariance[others, channel])
            variance = covariance[channel, channel] - factors @ covariance[others, channel]
            error = variance * np.square(weights[channel]).sum()
            if best is None or error < best[0]:
                best = error, channel, others, factors
        error, channel, others, factors = best
        weights[others] += np.outer(factors, weights[channel])
        order.append(channel)
        errors.append(error)
        left = others
    return order, errors


@pytest.mark.parametrize("count", [12, 70])  # the second is more than are removed in one product
def test_channels_go_as_regressions_say(count: int) -> None:
    rng = np.random.default_rng(count)
    values = rng.normal(size=(count, 3 * count)) * rng.uniform(0.1, 2, (count, 1))
    values[1] = values[0] + 0.01 * values[1]  # what two channels share
    covariance, weights = values @ values.T, rng.normal(size=(count, 20))
    ridge = 1e-4 * np.trace(covariance) / count * np.eye(count)
    order, errors = eliminate_slowly(covariance + ridge, weights)
    found = eliminate(covariance, weights @ weights.T)
    assert np.argsort(found).tolist() == order
    np.testing.assert_allclose(np.sort(found), np.maximum.accumulate(errors), rtol=1e-6)
    assert min(order.index(0), order.index(1)) < count // 2


def test_what_is_constant_or_not_read_goes_first_in_a_fixed_order() -> None:
    found = eliminate(np.diag([1.0, 0.0, 2.0, 0.0]), np.diag([3.0, 5.0, 0.0, 7.0]))
    assert np.argsort(found).tolist() == [1, 2, 3, 0]
    assert found[:1] == pytest.approx([3.0], rel=1e-3)
    assert len(set(found)) == 4


@pytest.mark.parametrize("kind", ["fcn8s", "normalized"])
def test_errors_are_relative_to_the_outputs_of_each_layer(kind: str) -> None:
    net = random_net(kind)
    moments = moments_of(net)
    before = measure_reconstruction(net, moments)
    assert {name: len(values) for name, values in before.items()} == count_channels(net)
    # What the outputs are multiplied by does not matter, nor what a normalization takes back.
    scaled = "fc7" if kind == "fcn8s" else "fc7_bn"
    arrays = net.get_layer(scaled).get_weights()
    net.get_layer(scaled).set_weights([7 * arrays[0], *arrays[1:]])
    after = measure_reconstruction(net, moments)
    np.testing.assert_allclose(after["fc6"], before["fc6"], rtol=1e-4, atol=1e-12)
    if kind == "normalized":
        # A channel whose normalization has no weight is not read.
        gamma, *others = net.get_layer("fc7_bn").get_weights()
        net.get_layer("fc7_bn").set_weights([np.zeros_like(gamma), *others])
        assert measure_reconstruction(net, moments)["fc6"].max() < 1e-9


def test_the_kept_channels_lose_less_than_the_largest_ones() -> None:
    net = random_net("fcn8s")
    moments = moments_of(net)
    found = measure_reconstruction(net, moments)
    images = next(iter(odd_images(((45, 67),)))).astype(np.float32)
    expected = np.asarray(net(images, training=False))
    errors = []
    for importance in (found, {name: -values for name, values in found.items()}):
        kept = {name: np.sort(np.argsort(-importance[name])[: -(-len(found[name]) // 2)]) for name in LAYERS}
        small = keep_channels(net, kept, moments)
        errors.append(np.square(np.asarray(small(images, training=False)) - expected).mean())
    assert errors[0] < 0.7 * errors[1]
