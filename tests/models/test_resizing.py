"""Tests of nets that work at a smaller size than that of their images."""

import json
import math
from fractions import Fraction
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.exports.export import export
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN
from fcn.models.resizing import ResizeLike, Shrink, shrunk_size
from fcn.runs.model_file import save_model


def small_net(input_scale: float) -> FCN:
    keras.utils.set_random_seed(1)
    net = FCN(num_classes=3, width=1 / 32, fc_channels=8, input_scale=input_scale)
    for weight in net.trainable_variables:
        weight.assign(np.random.default_rng(0).normal(0, 0.2, weight.shape))
    return net


@pytest.mark.parametrize("size", [(6, 4), (7, 5), (1, 1), (2, 31)])
def test_shrinking_is_tensorflows_own_with_its_filter(size: tuple[int, int]) -> None:
    images = np.random.default_rng(0).uniform(0, 255, (2, *size, 3)).astype(np.float32)
    wanted = [max(1, int(length / 2 + 0.5)) for length in size]
    np.testing.assert_allclose(
        Shrink(0.5)(images), tf.image.resize(images, wanted, antialias=True), rtol=1e-5, atol=1e-4
    )


def test_a_fine_pattern_does_not_become_a_coarse_one() -> None:
    stripes = np.tile(np.array([0, 255], np.float32), 30)[np.newaxis, np.newaxis, :, np.newaxis]
    shrunk = np.asarray(Shrink(0.5)(np.repeat(stripes, 60, 1)))
    assert np.ptp(shrunk[:, 2:-2, 2:-2]) < 1


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70), scale=st.sampled_from([0.5, 0.3, 0.75]))
def test_a_map_comes_back_to_the_size_of_its_image(height: int, width: int, scale: float) -> None:
    images = np.zeros((1, height, width, 3), np.float32)
    shrunk = Shrink(scale)(images)
    assert Shrink(scale).compute_output_shape(images.shape) == tuple(shrunk.shape)
    assert tuple(ResizeLike()([shrunk, images]).shape) == images.shape


def test_the_net_is_the_same_net_on_a_smaller_image() -> None:
    half, whole = small_net(0.5), small_net(1)
    whole.set_weights(half.get_weights())
    image = np.random.default_rng(1).uniform(0, 255, (1, 45, 62, 3)).astype(np.float32)
    within = whole(tf.image.resize(image, (23, 31), antialias=True), training=False)
    wanted = tf.image.resize(within, (45, 62))
    assert np.std(wanted) > 0.01
    np.testing.assert_allclose(half(image, training=False), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.exhaustive
def test_a_saved_and_an_exported_net_shrink_too(tmp_path: Path) -> None:
    net = small_net(0.5)
    save_model(net, tmp_path / "net.keras")
    version = export(tmp_path / "net.keras", tmp_path / "exported")
    image = np.random.default_rng(2).integers(0, 256, (33, 52, 3), np.uint8)
    label = Predictor(net).predict(image).label
    assert len(np.unique(label)) > 1
    assert json.loads(json.dumps(net.get_config()))["input_scale"] == 0.5
    np.testing.assert_array_equal(Predictor(tmp_path / "net.keras").predict(image).label, label)
    np.testing.assert_array_equal(Predictor(version).predict(image).label, label)


@given(size=st.integers(1, 100_000), scale=st.sampled_from([0.5, 0.37, 1 / 3, 0.35, 0.9999, 0.001, 1.0]))
def test_sizes_are_rounded_half_up_and_alike_everywhere(size: int, scale: float) -> None:
    small = shrunk_size(size, scale)
    assert small == max(1, math.floor(size * Fraction(scale).limit_denominator(10_000) + Fraction(1, 2)))
    assert int(shrunk_size(tf.constant(size), scale)) == small


@pytest.mark.parametrize("scale", [0, -1, 1.5, float("nan")])
def test_other_scales_are_refused(scale: float) -> None:
    with pytest.raises(ValueError, match=r"Expected a `scale` above 0 and at most 1\. Received: scale="):
        Shrink(scale)
