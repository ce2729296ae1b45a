"""Tests of upsampling: against bilinear resizing, and by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.ops import convert_to_numpy

from fcn.models.upsampling import Bilinear, CropLike, bilinear_kernel, upscore

STRIDES = [2, 8, 16, 32]


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("size", [(5, 7), (2, 3)])
def test_the_start_is_bilinear_resizing_away_from_the_border(stride: int, size: tuple[int, int]) -> None:
    height, width = size
    scores = np.random.default_rng(0).standard_normal((2, height, width, 3)).astype(np.float32)
    inputs = keras.Input((None, None, 3))
    net = keras.Model(inputs, upscore(inputs, stride, 3, trainable=True, name="upscore"))
    upsampled = convert_to_numpy(net(scores))
    expected = tf.image.resize(scores, (height * stride, width * stride), "bilinear").numpy()
    assert upsampled.shape == expected.shape
    # Up to `stride` from the border; in truth half of it, beyond which there is no score to mix in:
    # resizing repeats the last one, a transposed convolution takes it for zero.
    border = stride // 2
    inner = np.s_[:, border:-border, border:-border]
    np.testing.assert_allclose(upsampled[inner], expected[inner], rtol=1e-5, atol=1e-5)
    assert np.abs(upsampled - expected).max() > 0.1


@pytest.mark.parametrize("stride", [2, 4, 6, 8, 16, 32])
def test_the_weights_that_reach_a_pixel_sum_to_1(stride: int) -> None:
    kernel = bilinear_kernel(stride)
    assert kernel.dtype == np.float32
    assert kernel.shape == (2 * stride, 2 * stride)
    np.testing.assert_array_equal(kernel, kernel.T)
    np.testing.assert_array_equal(kernel, kernel[::-1, ::-1])
    assert (kernel > 0).all()
    # A kernel twice as large as the stride overlaps itself once in each direction.
    folded = kernel.reshape(2, stride, 2, stride).sum(axis=(0, 2))
    np.testing.assert_allclose(folded, 1, rtol=1e-6)


def test_a_kernel_worked_by_hand() -> None:
    weights = [1 / 8, 3 / 8, 5 / 8, 7 / 8, 7 / 8, 5 / 8, 3 / 8, 1 / 8]
    np.testing.assert_allclose(bilinear_kernel(4), np.outer(weights, weights), rtol=1e-6)


@pytest.mark.parametrize("stride", [-2, 0, 1, 3, 7])
def test_a_stride_that_has_no_center_is_refused(stride: int) -> None:
    with pytest.raises(ValueError, match=rf"even `stride` >= 2. Received: stride={stride}"):
        bilinear_kernel(stride)


def test_classes_do_not_mix() -> None:
    kernel = np.array(Bilinear()((4, 4, 3, 3)))
    for target in range(3):
        for source in range(3):
            expected = bilinear_kernel(2) if source == target else np.zeros((4, 4))
            np.testing.assert_array_equal(kernel[:, :, target, source], expected)


@pytest.mark.parametrize("shape", [(4, 6, 3, 3), (4, 4, 3, 2)])
def test_a_kernel_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="square kernel from C to C channels"):
        Bilinear()(shape)
    with pytest.raises(ValueError, match="even `stride`"):
        Bilinear()((6, 6, 2, 2))


@pytest.mark.parametrize("trainable", [True, False])
def test_a_frozen_upsampling_stays_bilinear(trainable: bool) -> None:
    inputs = keras.Input((None, None, 2))
    net = keras.Model(inputs, upscore(inputs, 2, 2, trainable=trainable, name="upscore2"))
    layer = net.get_layer("upscore2")
    assert len(layer.weights) == 1
    assert len(net.trainable_variables) == int(trainable)


def test_cropping_cuts_bottom_and_right() -> None:
    x = np.arange(2 * 5 * 6 * 3, dtype=np.float32).reshape(2, 5, 6, 3)
    for height, width in ((5, 6), (4, 6), (1, 1), (3, 2)):
        partner = np.zeros((2, height, width, 7), np.float32)
        np.testing.assert_array_equal(CropLike()([x, partner]), x[:, :height, :width])


def test_the_shape_of_a_crop_is_known_as_far_as_its_partner_is() -> None:
    layer = CropLike()
    assert layer.compute_output_shape([(2, 5, 6, 3), (2, 4, None, 7)]) == (2, 4, None, 3)
    cropped = layer([keras.Input((None, None, 3)), keras.Input((4, 5, 7))])
    assert cropped.shape == (None, 4, 5, 3)


def test_the_start_can_be_saved() -> None:
    copy = keras.initializers.deserialize(keras.initializers.serialize(Bilinear()))
    assert isinstance(copy, Bilinear)
    copied = keras.layers.deserialize(keras.layers.serialize(CropLike(name="crop")))
    assert isinstance(copied, CropLike)
    assert copied.name == "crop"
