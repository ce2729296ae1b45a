"""Tests of decimation: LargeFOV's layers against the full ones with all else set to zero."""

import numpy as np
import pytest
from keras.ops import convert_to_numpy
from net_kinds import randomize

from fcn.models.decimation import decimate
from fcn.models.dilated import DilatedNet
from fcn.models.fcn import FCN
from fcn.models.net import SegmentationNet

CHANNELS, FEWER = 16, 4
THIN = {"num_classes": 3, "width": 1 / 32}


def test_decimated_layers_are_the_full_ones_at_every_third_tap_and_fourth_channel() -> None:
    rng = np.random.default_rng(0)
    kernel, bias = rng.standard_normal((7, 7, 5, CHANNELS)), rng.standard_normal(CHANNELS)
    few, few_bias = decimate([kernel, bias], [(3, 3, 5, FEWER), (FEWER,)])
    for row in range(3):
        for column in range(3):
            for channel in range(FEWER):
                np.testing.assert_array_equal(
                    few[row, column, :, channel], kernel[3 * row, 3 * column, :, 4 * channel]
                )
    np.testing.assert_array_equal(few_bias, bias[[0, 4, 8, 12]])
    square = rng.standard_normal((1, 1, CHANNELS, CHANNELS))
    (few,) = decimate([square], [(1, 1, FEWER, FEWER)])
    np.testing.assert_array_equal(few[0, 0], square[0, 0][::4, ::4])


# Every third of 7x7 taps: 3x3 taps dilated by 3, or by 12 where the 7x7 are dilated by 4.
@pytest.mark.parametrize(
    ("build", "geometry"), [(DilatedNet, "same"), (FCN, "same"), (FCN, "reference")], ids=str
)
def test_largefov_says_what_the_net_says_with_all_else_set_to_zero(
    build: type[SegmentationNet], geometry: str
) -> None:
    full = build(**THIN, fc_channels=CHANNELS, geometry=geometry)
    few = build(**THIN, fc_channels=FEWER, geometry=geometry, fc6="largefov")
    randomize(full)
    for layer in few.layers:
        shapes = [weight.shape for weight in layer.weights]
        layer.set_weights(decimate(full.get_layer(layer.name).get_weights(), shapes))
    kept = np.zeros(CHANNELS)
    kept[::4] = 1
    taps = np.zeros((7, 7, 1, 1))
    taps[::3, ::3] = 1
    kernel, bias = full.get_layer("fc6").get_weights()
    full.get_layer("fc6").set_weights([kernel * taps * kept, bias * kept])
    kernel, bias = full.get_layer("fc7").get_weights()
    full.get_layer("fc7").set_weights([kernel * kept * kept[:, np.newaxis], bias * kept])
    image = np.random.default_rng(1).integers(0, 256, (1, 90, 120, 3)).astype(np.float32)
    expected, logits = convert_to_numpy(full(image)), convert_to_numpy(few(image))
    assert expected.std() > 0.01
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_what_fits_or_cannot_be_thinned_stays_as_it_is() -> None:
    kernel = np.ones((3, 3, 2, 4), np.float32)
    assert decimate([kernel], [(3, 3, 2, 4)])[0] is kernel
    assert decimate([kernel], [(3, 3, 2, 8)])[0] is kernel
    assert decimate([kernel], [(4,)])[0] is kernel
