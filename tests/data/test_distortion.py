"""Gray, blur, noise and compression of training images."""

import numpy as np
import pytest

from fcn.config.augmentation import AugmentationConfig
from fcn.data.distortion import add_noise, blur, compress, distort, make_gray

RNG = np.random.default_rng(0)
SMOOTH = np.repeat(np.repeat(RNG.integers(0, 256, (6, 8, 3), np.uint8), 10, axis=0), 10, axis=1)


def test_gray_has_the_luma_in_three_channels() -> None:
    gray = make_gray(SMOOTH)
    assert (gray[..., 0] == gray[..., 1]).all()
    assert (gray[..., 0] == gray[..., 2]).all()
    luma = SMOOTH @ np.array([0.299, 0.587, 0.114])
    assert np.abs(gray[..., 0] - luma).max() <= 1


def test_blur_spreads_a_point_as_a_gaussian() -> None:
    image = np.zeros((41, 41, 3), np.uint8)
    image[20, 20] = 255
    found = blur(image, 1.5)[..., 1].astype(float)
    offsets = np.arange(-20, 21)
    gaussian = np.exp(-(offsets**2) / (2 * 1.5**2))
    expected = 255 * np.outer(gaussian, gaussian) / gaussian.sum() ** 2
    assert np.abs(found - expected).max() <= 1


def test_noise_has_its_deviation_and_no_mean() -> None:
    image = np.full((200, 200, 3), 128, np.uint8)
    noise = add_noise(image, 10.0, np.random.default_rng(0)).astype(float) - 128
    assert noise.mean() == pytest.approx(0, abs=0.1)
    assert noise.std() == pytest.approx(10, rel=0.02)
    white = add_noise(np.full((50, 50, 3), 255, np.uint8), 10.0, np.random.default_rng(0))
    assert white.min() > 200  # nothing wraps around


def test_compression_loses_more_at_a_lower_quality() -> None:
    low, high = (np.abs(compress(SMOOTH, quality).astype(float) - SMOOTH).mean() for quality in (30, 90))
    assert 0 < high < low < 20


def test_nothing_wanted_changes_and_draws_nothing() -> None:
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    assert distort(SMOOTH, AugmentationConfig(), rng) is SMOOTH
    assert rng.bit_generator.state == before


@pytest.mark.parametrize("key", ["gray", "blur", "noise", "jpeg"])
def test_the_share_of_the_changed_is_that_of_the_configuration(key: str) -> None:
    settings = AugmentationConfig.model_validate({key: 0.3})
    rng = np.random.default_rng(1)
    changed = [distort(SMOOTH, settings, rng) is not SMOOTH for _ in range(400)]
    assert np.mean(changed) == pytest.approx(0.3, abs=0.06)
    always = AugmentationConfig.model_validate({key: 1.0})
    one, other = (distort(SMOOTH, always, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert (one != SMOOTH).any()
    assert one.shape == SMOOTH.shape
    assert one.dtype == np.uint8
