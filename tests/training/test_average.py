"""Tests of the average of the weights."""

import numpy as np
import pytest

from fcn.training.average import WeightAverage, copy_of


def test_it_is_the_average_worked_by_hand(thin_net) -> None:
    model = thin_net(batch_normalization=True)
    averaged = copy_of(model)
    callback = WeightAverage(model, averaged, momentum=0.25)
    names = [weight.path for weight in model.weights]
    assert any("moving_mean" in name for name in names)
    expected = [weight.numpy().astype(np.float64) for weight in model.weights]
    rng = np.random.default_rng(0)
    for step in (1, 2, 3):
        for place, weight in enumerate(model.weights):
            weight.assign(rng.normal(size=weight.shape))
            momentum = min(0.25, (1 + step) / (10 + step))
            expected[place] = momentum * expected[place] + (1 - momentum) * weight.numpy()
        callback.on_step(step, 0.0)
    for name, average, wanted in zip(names, averaged.weights, expected, strict=True):
        np.testing.assert_allclose(average.numpy(), wanted, rtol=1e-5, atol=1e-6, err_msg=name)


def test_the_first_steps_forget_the_beginning(thin_net) -> None:
    model = thin_net()
    averaged = copy_of(model)
    model.weights[0].assign(model.weights[0] + 1)
    WeightAverage(model, averaged, momentum=0.9999).on_step(1, 0.0)
    moved = averaged.weights[0] - (model.weights[0] - 1)
    np.testing.assert_allclose(moved, 1 - 2 / 11, rtol=1e-4)


def test_a_copy_labels_alike_and_has_no_part_in_the_training(thin_net) -> None:
    model = thin_net(num_classes=4, stride=16, input_scale=0.5)
    copy = copy_of(model)
    image = np.random.default_rng(0).uniform(0, 255, (1, 20, 30, 3)).astype(np.float32)
    before = model(image)
    np.testing.assert_array_equal(copy(image), before)
    copy.weights[0].assign(copy.weights[0] * 2)
    np.testing.assert_array_equal(model(image), before)
    assert copy.class_names == model.class_names
    assert np.ptp(copy(image)) != pytest.approx(np.ptp(before))
