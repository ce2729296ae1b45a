"""Tests of the effective field, against TensorFlow's own gradient and by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from fcn.errors import RunError
from fcn.inspection.effective import measure_effective_field, randomize_zero_kernels, smallest_square


def test_it_is_the_gradient_of_the_element_in_the_middle(thin_net, rng: np.random.Generator) -> None:
    net = thin_net(dropout=0.5, upsampling="frozen", batch_normalization=True)
    trainable = [layer.trainable for layer in net.layers]
    weights = [np.array(weight) for weight in net.get_weights()]
    image = rng.uniform(0, 255, (48, 40, 3)).astype(np.float32)
    found = measure_effective_field(net, image, seed=5)
    signs = np.random.default_rng(5).choice([-1.0, 1.0], 3).astype(np.float32)
    pixels = tf.Variable(image[np.newaxis])
    with tf.GradientTape() as tape:
        answer = tf.reduce_sum(net(pixels, training=False)[0, 24, 20] * signs)
    gradient = np.abs(tape.gradient(answer, pixels)[0]).sum(axis=-1)
    np.testing.assert_allclose(found.shares, gradient / gradient.sum(), rtol=1e-3, atol=1e-8)
    assert found.element == found.center == (24, 20)
    assert found.shares.sum() == pytest.approx(1)
    assert 0 < found.half < found.most
    # Measuring changes nothing.
    assert [layer.trainable for layer in net.layers] == trainable
    assert all(np.array_equal(*pair) for pair in zip(weights, net.get_weights(), strict=True))


def test_the_element_of_a_coarse_map_lies_in_the_middle_of_its_pixels() -> None:
    net = keras.Sequential([keras.Input((None, None, 1)), keras.layers.AveragePooling2D(4)])
    found = measure_effective_field(net, np.ones((12, 20, 1), np.float32))
    assert (found.element, found.center) == ((1, 2), (6, 10))
    assert np.argwhere(found.shares).min(axis=0).tolist() == [4, 8]
    assert np.argwhere(found.shares).max(axis=0).tolist() == [7, 11]
    assert found.shares.max() == pytest.approx(1 / 16)


def test_scores_that_are_zero_look_at_nothing_until_they_are_awake() -> None:
    convolution = keras.layers.Conv2D
    scores = (convolution(3, 1, kernel_initializer="zeros", name=name) for name in ("score_fr", "final"))
    net = keras.Sequential([keras.Input((9, 9, 1)), convolution(2, 3), *scores])
    image = np.ones((9, 9, 1), np.float32)
    assert measure_effective_field(net, image) is None
    assert randomize_zero_kernels(net) == ("score_fr", "final")
    assert randomize_zero_kernels(net) == ()
    assert measure_effective_field(net, image) is not None


def test_the_smallest_square_by_hand() -> None:
    shares = np.zeros((5, 7))
    shares[2, 2], shares[1, 3], shares[4, 2], shares[2, 6] = 0.4, 0.2, 0.3, 0.1
    sides = [smallest_square(shares, (2, 2), share) for share in (0.4, 0.41, 0.6, 0.9, 0.91, 1.0)]
    assert sides == [1, 3, 3, 5, 9, 9]


def test_an_answer_without_places_belongs_to_the_middle_of_the_image() -> None:
    stack = [keras.layers.Conv2D(2, 3), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4)]
    found = measure_effective_field(
        keras.Sequential([keras.Input((9, 11, 1)), *stack]), np.ones((9, 11, 1), np.float32)
    )
    assert (found.element, found.center) == ((), (4, 5))
    # All pixels count, those of the border less: the square reaches almost to the ends of the longer side.
    assert found.shares.shape == (9, 11)
    assert np.all(found.shares > 0)
    assert found.shares[0, 0] < found.shares[4, 5]
    assert found.most in (9, 11)


@pytest.mark.parametrize("kind", ["class ids", "whole numbers"])
def test_answers_without_a_gradient_have_no_field(kind: str) -> None:
    images = keras.Input((9, 9, 2), dtype="uint8" if kind == "whole numbers" else "float32")
    answer = keras.layers.Conv2D(2, 3)(keras.layers.Rescaling(0.5)(images))
    answer = keras.ops.argmax(answer, axis=-1) if kind == "class ids" else answer
    net = keras.Model(images, answer)
    assert measure_effective_field(net, np.ones((9, 9, 2), np.float32)) is None


def test_one_answer_in_a_dict_is_measured_and_several_are_refused() -> None:
    images = keras.Input((9, 9, 1))
    answer = keras.layers.Conv2D(1, 3, padding="same")(images)
    image = np.ones((9, 9, 1), np.float32)
    assert measure_effective_field(keras.Model(images, {"scores": answer}), image).center == (4, 4)
    both = keras.Model(images, {"scores": answer, "features": images}, name="both")
    with pytest.raises(RunError, match=r"both: expected a model with one output\. Received: 2 outputs"):
        measure_effective_field(both, image)


def test_names_that_tensorflow_does_not_take_are_told() -> None:
    net = keras.Sequential([keras.Input((9, 9, 1)), keras.layers.Conv2D(1, 3, name="odd name?")])
    with pytest.raises(RunError, match=r"effective field cannot be measured \(.*odd name\?"):
        measure_effective_field(net, np.ones((9, 9, 1), np.float32))
