"""Tests of heatmaps: probabilities are high where the class is."""

import keras
import numpy as np
import pytest
from keras import layers

from fcn.errors import RunError
from fcn.models.surgery import convolutionalize
from fcn.proof.heatmap import class_probabilities, heatmap_image


def red_or_not(*end: layers.Layer, channels: int = 3) -> keras.Model:
    """Says how red a window of 16x16 is (or how bright), at stride 4."""
    model = keras.Sequential(
        [
            keras.Input((16, 16, channels)),
            layers.AveragePooling2D(4),
            layers.Flatten(),
            layers.Dense(2),
            *end,
        ]
    )
    kernel = np.zeros((4, 4, channels, 2), np.float32)
    kernel[1:3, 1:3, 0, 1] = 0.02
    model.layers[2].set_weights([kernel.reshape(-1, 2), np.array([8.0, 0])])
    return convolutionalize(model)


@pytest.fixture
def picture() -> np.ndarray:
    """Black, with a red square at rows 20 to 60 and columns 100 to 140."""
    image = np.zeros((100, 160, 3), np.uint8)
    image[20:60, 100:140, 0] = 255
    return image


@pytest.mark.parametrize("end", [[], [layers.Softmax()], [layers.Activation("softmax")]])
def test_the_probability_stands_where_the_class_is(end: list[layers.Layer], picture: np.ndarray) -> None:
    probabilities = class_probabilities(red_or_not(*end), picture, 1)
    assert probabilities.shape == (100, 160)
    # 4 x 0.02 x 255 against a bias of 8: the logistic function of 12.4, and of -8 elsewhere.
    assert probabilities[40, 120] == pytest.approx(1 / (1 + np.exp(-12.4)), abs=1e-4)
    assert probabilities[40, 40] == pytest.approx(1 / (1 + np.exp(8)), abs=1e-5)
    rows, columns = np.nonzero(probabilities > 0.5)
    center = rows.mean(), columns.mean()
    assert center == pytest.approx((39.5, 119.5), abs=1.5)
    other = class_probabilities(red_or_not(*end), picture, 0)
    np.testing.assert_allclose(probabilities + other, 1, atol=1e-5)


@pytest.mark.parametrize("size", [(5, 9), (16, 16), (33, 400), (700, 90)])
def test_a_picture_of_any_size_keeps_its_size(size: tuple[int, int]) -> None:
    image = np.zeros((*size, 3), np.uint8)
    image[..., : size[1] // 2, 0] = 255
    probabilities = class_probabilities(red_or_not(), image, 1)
    assert probabilities.shape == size
    assert probabilities[:, 0].min() > 0.9
    assert probabilities[:, -1].max() < 0.1


def test_one_answer_is_a_logistic_one() -> None:
    net = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(1, 1)])
    net.layers[0].set_weights([np.zeros((1, 1, 3, 1)), np.log([3.0])])
    np.testing.assert_allclose(class_probabilities(net, np.zeros((9, 9, 3), np.uint8), 0), 0.75, rtol=1e-5)


def test_a_grey_net_sees_grey(picture: np.ndarray) -> None:
    probabilities = class_probabilities(red_or_not(channels=1), np.full_like(picture, 255), 1)
    assert probabilities.min() > 0.99


def test_preprocessing_is_applied(picture: np.ndarray) -> None:
    dark = class_probabilities(red_or_not(), picture, 1, preprocess=lambda pixels: 0 * pixels)
    assert dark.max() < 0.01


def test_the_picture_is_brightest_at_the_class_and_has_a_scale(picture: np.ndarray) -> None:
    shown = heatmap_image(red_or_not(), picture, 1, "red things")
    assert shown.dtype == np.uint8
    height, width, _ = shown.shape
    assert (width, height > 110) == (160, True)
    brightness = shown[:100].astype(int).sum(axis=-1)
    assert brightness[40, 120] > 2 * brightness[80, 30]
    scale = shown[100:]
    assert np.ptp(scale) > 100
    assert not np.array_equal(scale, heatmap_image(red_or_not(), picture, 1, "others")[100:])


def test_a_class_that_is_nowhere_makes_a_dark_picture() -> None:
    net = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(2, 1), layers.Softmax()])
    net.layers[0].set_weights([np.zeros((1, 1, 3, 2)), np.array([0, -200.0])])
    assert heatmap_image(net, np.zeros((90, 90, 3), np.uint8), 1)[:90].max() < 10


@pytest.mark.parametrize("class_index", [-1, 2])
def test_a_class_that_is_none_is_refused(class_index: int, picture: np.ndarray) -> None:
    with pytest.raises(RunError, match=f"from 0 to 1.*Received: {class_index}"):
        heatmap_image(red_or_not(), picture, class_index)


def test_a_net_of_five_channels_is_refused(picture: np.ndarray) -> None:
    with pytest.raises(RunError, match="5 channels"):
        heatmap_image(red_or_not(channels=5), picture, 0)
