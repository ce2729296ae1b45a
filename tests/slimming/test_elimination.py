"""Tests of which channels the others can make up for."""

from typing import Any

import numpy as np
import pytest
from net_kinds import odd_images, random_net

from fcn.models.net import SegmentationNet
from fcn.slimming.channels import keep_channels
from fcn.slimming.connections import count_channels, find_sources
from fcn.slimming.elimination import eliminate, measure_reconstruction
from fcn.slimming.importance import measure_importance
from fcn.slimming.moments import Moments, measure_moments
from fcn.slimming.slim import choose_channels


def moments_of(net: SegmentationNet) -> dict[str, Moments]:
    images = [image for images in odd_images(((45, 67), (70, 70))) for image in images]
    return measure_moments(net, images)


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


def ascending(errors: list[float]) -> list[float]:
    """Returns the isotonic regression by its formula of largest and smallest means."""
    places = range(len(errors))
    return [
        max(min(np.mean(errors[first : last + 1]) for last in places[at:]) for first in places[: at + 1])
        for at in places
    ]


@pytest.mark.parametrize("count", [12, 70])  # the second is more than are removed in one product
def test_channels_are_removed_as_regressions_say(count: int) -> None:
    rng = np.random.default_rng(count)
    values = rng.normal(size=(count, 3 * count)) * rng.uniform(0.1, 2, (count, 1))
    values[1] = values[0] + 0.01 * values[1]  # what two channels share
    covariance, weights = values @ values.T, rng.normal(size=(count, 20))
    weights[3] = -weights[2]
    ridge = 1e-4 * np.diag(np.diag(covariance))
    order, errors = eliminate_slowly(covariance + ridge, weights)
    found = eliminate(covariance, weights @ weights.T)
    assert np.argsort(found).tolist() == order
    np.testing.assert_allclose(np.sort(found), ascending(errors), rtol=1e-6)
    assert found.sum() == pytest.approx(sum(errors))
    assert min(order.index(0), order.index(1)) < count // 2


def test_channels_that_cancel_cost_only_once() -> None:
    covariance = np.array([[1.0, 0.999], [0.999, 1.0]])
    found = eliminate(covariance, np.array([[1.0, -1.0], [-1.0, 1.0]]))
    assert found == pytest.approx([0.001, 0.001], rel=0.2)  # 0.002 is all of the variance
    assert found[0] < found[1]


def test_what_is_constant_or_not_read_is_removed_first_in_a_fixed_order() -> None:
    found = eliminate(np.diag([1.0, 0.0, 2.0, 0.0]), np.diag([3.0, 5.0, 0.0, 7.0]))
    assert np.argsort(found).tolist() == [1, 3, 2, 0]
    assert found[0] == pytest.approx(3.0, rel=1e-3)
    assert found[1:].max() < 1e-300
    assert len(set(found)) == 4


@pytest.mark.parametrize("kind", ["fcn8s", "normalized"])
def test_errors_are_relative_to_the_outputs_of_each_layer(kind: str) -> None:
    net = random_net(kind)
    moments = moments_of(net)
    found = measure_reconstruction(net, moments)
    assert {name: len(values) for name, values in found.items()} == count_channels(net)
    # Of a layer that two others read, both count.
    for name, values in found.items():
        readers = list(find_sources(net).values()).count(name)
        assert readers == (2 if name in ("block3_conv3", "block4_conv3") else 1)
        assert values.sum() == pytest.approx(readers, rel=1e-3)
    # What a layer's outputs are multiplied by as a whole does not matter.
    scaled = "fc7" if kind == "fcn8s" else "fc7_bn"
    arrays = net.get_layer(scaled).get_weights()
    net.get_layer(scaled).set_weights([7 * arrays[0], *arrays[1:]])
    after = measure_reconstruction(net, moments)
    np.testing.assert_allclose(after["fc6"], found["fc6"], rtol=1e-4, atol=1e-12)


def test_what_a_normalization_takes_back_does_not_matter() -> None:
    net = random_net("normalized")
    moments = moments_of(net)
    before = measure_reconstruction(net, moments)["fc6"]
    layer = net.get_layer("fc7_bn")
    factors = np.geomspace(0.1, 10, net.get_layer("fc7").filters).astype(np.float32)
    kernel, *bias = net.get_layer("fc7").get_weights()
    assert not bias
    net.get_layer("fc7").set_weights([kernel * factors])
    gamma, beta, mean, variance = layer.get_weights()
    epsilon = layer.epsilon
    layer.set_weights([gamma, beta, factors * mean, np.square(factors) * (variance + epsilon) - epsilon])
    np.testing.assert_allclose(measure_reconstruction(net, moments)["fc6"], before, rtol=1e-3)


def test_a_channel_that_never_changes_is_removed_first() -> None:
    net = random_net("fcn8s")
    kernel, bias = net.get_layer("fc6").get_weights()
    kernel[..., 3], bias[3] = 0, 0.3  # not the sum of powers of 2: its mean is rounded
    net.get_layer("fc6").set_weights([kernel, bias])
    read, *others = net.get_layer("fc7").get_weights()
    read[:, :, 3] *= 1000
    net.get_layer("fc7").set_weights([read, *others])
    assert measure_reconstruction(net, moments_of(net))["fc6"].argmin() == 3


def test_layers_that_see_one_place_alone_have_nothing_to_lose() -> None:
    net = random_net("fcn8s")
    image = next(iter(odd_images(((24, 24),))))[0]
    found = measure_reconstruction(net, measure_moments(net, [image]))
    assert found["fc6"].max() < 1e-300
    assert max(values.sum() for values in found.values()) < 2.01
    assert found["block1_conv1"].sum() == pytest.approx(1, rel=1e-3)


def test_the_kept_channels_lose_less_than_others() -> None:
    net = random_net("fcn8s")
    moments = moments_of(net)
    images = next(iter(odd_images(((45, 67),)))).astype(np.float32)
    expected = np.asarray(net(images, training=False))
    rng = np.random.default_rng(0)
    ways = [
        measure_reconstruction(net, moments),
        measure_importance(net, "norm", [], None, None),
        {name: rng.random(count) for name, count in count_channels(net).items()},
    ]
    errors = []
    for importance in ways:
        counts = {name: (count + 1) // 2 for name, count in count_channels(net).items()}
        small = keep_channels(net, choose_channels(importance, counts), moments)
        errors.append(np.square(np.asarray(small(images, training=False)) - expected).mean())
    assert errors[0] < 0.5 * min(errors[1:])
