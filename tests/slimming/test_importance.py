"""Tests of how much channels matter."""

from typing import Any

import numpy as np
import pytest
from net_kinds import odd_images, random_net

from fcn.config.sections import LossConfig
from fcn.models.net import SegmentationNet
from fcn.slimming.connections import LAYERS, count_channels
from fcn.slimming.importance import make_comparable, measure_importance
from fcn.slimming.moments import measure_moments
from fcn.slimming.options import CRITERIA, Criterion
from fcn.training.loss import build_loss

LOSS = build_loss(LossConfig(), None)


def examples() -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(3)
    images = [image for images in odd_images(((45, 67),)) for image in images]
    return [
        (image, rng.choice(np.array([0, 1, 2, 3, 4, 255], np.uint8), image.shape[:2])) for image in images
    ]


def loss_of(net: SegmentationNet, image: Any, label: Any) -> float:
    return float(LOSS(label[np.newaxis], net(image[np.newaxis].astype(np.float32), training=False)))


def scale_channel(net: SegmentationNet, name: str, channel: int, factor: float) -> None:
    """Multiplies what a layer gives to one channel."""
    arrays = net.get_layer(name).get_weights()
    for array in arrays[:2]:
        array[..., channel] *= factor
    net.get_layer(name).set_weights(arrays)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fcn8s", "normalized"])
def test_taylor_is_the_squared_part_of_the_loss(kind: str) -> None:
    net = random_net(kind)
    found = measure_importance(net, "taylor", examples(), LOSS, None)
    assert {name: len(values) for name, values in found.items()} == count_channels(net)
    suffix = "_bn" if net.batch_normalization else ""
    step = 1e-2
    for layer, channel in (("block4_conv3", 5), ("fc6", 2), ("fc7", 7)):
        squares = []
        for image, label in examples():
            losses = []
            for factor in (1 + step, (1 - step) / (1 + step)):
                scale_channel(net, layer + suffix, channel, factor)
                losses.append(loss_of(net, image, label))
            scale_channel(net, layer + suffix, channel, 1 / (1 - step))
            squares.append(((losses[0] - losses[1]) / (2 * step)) ** 2)
        assert found[layer][channel] == pytest.approx(np.mean(squares), rel=0.05, abs=1e-9)


def test_activations_and_norms_by_hand() -> None:
    net = random_net("fcn8s")
    norms = measure_importance(net, "norm", [], None, None)
    kernel = net.get_layer("block1_conv1").get_weights()[0]
    assert norms["block1_conv1"][1] == pytest.approx(np.abs(kernel[:, :, :, 1]).sum())
    net.get_layer("block1_conv1").set_weights([np.zeros_like(kernel), np.array([1.5, -1.0])])
    means = measure_importance(net, "activation", examples(), None, None)
    np.testing.assert_allclose(means["block1_conv1"], [1.5, 0])
    relative = make_comparable(means, "activation")
    assert all(relative[name].mean() in (0, pytest.approx(1)) for name in LAYERS)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_channel_that_is_zero_matters_least_and_nothing_is_changed(criterion: Criterion) -> None:
    net = random_net("fcn8s")
    scale_channel(net, "block3_conv2", 4, 0.0)
    net.get_layer("fc7").trainable = False
    before = [array.copy() for array in net.get_weights()]
    flags = [layer.trainable for layer in net.layers]
    moments = measure_moments(net, [image for image, _ in examples()])
    found = measure_importance(net, criterion, examples(), LOSS, moments)
    assert found["block3_conv2"][4] == 0
    assert found["block3_conv2"].argmin() == 4
    assert (found["fc7"] > 0).any()
    assert all(values.min() >= 0 for values in found.values())
    assert [layer.trainable for layer in net.layers] == flags
    for array, expected in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, expected)
