"""Tests of nets with some of the channels of another one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from net_kinds import NET_KINDS, odd_images, random_net

import fcn
from fcn.inspection.facts import inspect_model
from fcn.models.net import SegmentationNet
from fcn.slimming.channels import Indices, keep_channels
from fcn.slimming.connections import LAYERS, count_channels, find_sources
from fcn.slimming.cost import measure_cost
from fcn.slimming.moments import measure_moments
from fcn.training.average import copy_of

SIZES = ((45, 67), (1, 1), (33, 1))
# Those with layers, geometries or sources that the others lack.
USUAL = ("normalized", "fcn8s_reference", "context_reference")
KINDS = [pytest.param(kind, marks=() if kind in USUAL else pytest.mark.exhaustive) for kind in NET_KINDS]


def all_channels(net: SegmentationNet) -> dict[str, Indices]:
    return {name: np.arange(count) for name, count in count_channels(net).items()}


def some_channels(net: SegmentationNet, seed: int = 0) -> dict[str, Indices]:
    """Returns about half of the channels of each layer."""
    rng = np.random.default_rng(seed)
    counts = count_channels(net)
    return {
        name: np.sort(rng.choice(counts[name], (counts[name] + 1) // 2, replace=False)) for name in LAYERS
    }


def without_others(net: SegmentationNet, kept: Mapping[str, Indices]) -> SegmentationNet:
    """Returns a net of the same size that reads the kept channels alone: kernels are 0 for the others."""
    masked = copy_of(net)
    for name, source in find_sources(net).items():
        kernel, *others = masked.get_layer(name).get_weights()
        wanted = np.isin(np.arange(kernel.shape[2]), kept[source])
        masked.get_layer(name).set_weights([kernel * wanted[:, np.newaxis], *others])
    return masked


def check_same(one: SegmentationNet, other: SegmentationNet, tolerance: float = 1e-4) -> None:
    for images in odd_images(SIZES):
        expected = np.asarray(one(images.astype(np.float32), training=False))
        found = np.asarray(other(images.astype(np.float32), training=False))
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_net_reads_the_kept_channels_alone(kind: str, tmp_path: Path) -> None:
    net = random_net(kind)
    before = net.get_config()
    net.temperatures = (2.0,)  # of a calibrated net, which those of another one are not
    kept = some_channels(net)
    small = keep_channels(net, kept)
    assert count_channels(small) == {name: len(indices) for name, indices in kept.items()}
    check_same(without_others(net, kept), small)
    # It saves, loads and inspects as any other, and all else is as before.
    small.save(tmp_path / "small.keras")
    loaded = fcn.load_model(tmp_path / "small.keras")
    assert loaded.get_config() == small.get_config()
    assert loaded.get_config() == before | {"channels": small.channels}
    check_same(small, loaded, 0)
    inspected = inspect_model(loaded, (64, 96))
    assert inspected.gflop == pytest.approx(measure_cost(net, (64, 96)).gflop(count_channels(loaded)))
    assert inspected.field == inspect_model(net, (64, 96)).field


@pytest.mark.exhaustive
def test_a_slim_net_can_become_smaller_once_more() -> None:
    net = random_net("fcn8s")
    small = keep_channels(net, some_channels(net))
    kept = some_channels(small, seed=1)
    smaller = keep_channels(small, kept)
    assert count_channels(smaller) == {name: len(indices) for name, indices in kept.items()}
    check_same(without_others(small, kept), smaller)


def with_doubles(net: SegmentationNet, layer: str) -> SegmentationNet:
    """Makes the second half of the channels of a layer equal to the first half, twice as large."""
    half = net.get_layer(layer).filters // 2
    kernel, *bias = net.get_layer(layer).get_weights()
    if bias:
        net.get_layer(layer).set_weights([double(kernel, half), double(bias[0], half)])
        return net
    net.get_layer(layer).set_weights([double(kernel, half, 1.0)])
    gamma, beta, mean, variance = net.get_layer(f"{layer}_bn").get_weights()
    arrays = [double(gamma, half), double(beta, half), double(mean, half, 1.0), double(variance, half, 1.0)]
    net.get_layer(f"{layer}_bn").set_weights(arrays)
    return net


def double(array: Any, half: int, factor: float = 2.0) -> Any:
    return np.concatenate([array[..., :half], factor * array[..., :half]], axis=-1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "layer"), [("fcn8s", "block4_conv3"), ("normalized", "fc6")]
)  # the first is read by a skip too, the second by a convolution without a bias
def test_a_channel_that_others_predict_costs_nothing(kind: str, layer: str) -> None:
    net = with_doubles(random_net(kind), layer)
    kept = all_channels(net) | {layer: np.arange(net.get_layer(layer).filters // 2)}
    images = [image for images in odd_images(((45, 67), (70, 70))) for image in images]
    moments = measure_moments(net, images)
    check_same(net, keep_channels(net, kept, moments), 0.01)
    with pytest.raises(AssertionError):
        check_same(net, keep_channels(net, kept), 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fcn8s", "normalized"])
def test_a_constant_channel_goes_into_the_bias(kind: str) -> None:
    net = random_net(kind)
    kernel, *bias = net.get_layer("fc6").get_weights()
    kernel[..., 3] = 0
    net.get_layer("fc6").set_weights([kernel, *(np.where(np.arange(8) == 3, 5.0, one) for one in bias)])
    if not bias:
        gamma, beta, mean, variance = net.get_layer("fc6_bn").get_weights()
        beta[3] = 50.0
        net.get_layer("fc6_bn").set_weights([gamma, beta, mean, variance])
    kept = all_channels(net) | {"fc6": np.array([0, 1, 2, 4, 5, 6, 7])}
    images = [image for images in odd_images(((45, 67),)) for image in images]
    moments = measure_moments(net, images)
    check_same(net, keep_channels(net, kept, moments), 1e-3)
