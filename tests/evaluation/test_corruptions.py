from itertools import pairwise

import cv2
import numpy as np
import pytest

from fcn.classes import VOID
from fcn.evaluation.corruptions.corrupt import CORRUPTIONS, ELASTIC, corrupt
from fcn.evaluation.corruptions.kind import STRENGTHS
from fcn.evaluation.corruptions.weather import draw_clouds

NOISE = ("gaussian_noise", "shot_noise", "impulse_noise")
BLUR = ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur")
SIZE = 150, 220


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """Clouds with edges and colors: smooth parts, and all values."""
    rng = np.random.default_rng(0)
    layers = [draw_clouds(SIZE, 1.5, rng) for _ in range(3)]
    image = np.rint(np.dstack(layers) * 255).astype(np.uint8)
    cv2.rectangle(image, (60, 40), (150, 110), (200, 60, 40), -1)
    return image


def corrupted(image: np.ndarray, name: str, strength: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    label = np.zeros(image.shape[:2], np.uint8)
    label[40:111, 60:151] = 1
    return corrupt(image, label, name, strength, np.random.default_rng(seed))


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def loss_of_detail(one: np.ndarray, other: np.ndarray) -> float:
    return float(1 - np.corrcoef(one.ravel(), other.ravel())[0, 1])


def sharpness(image: np.ndarray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def test_there_are_fifteen() -> None:
    assert len(CORRUPTIONS) == 15


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_strength_changes_more(photograph: np.ndarray, name: str) -> None:
    if name == ELASTIC:  # its strengths are of two kinds: far and smooth, then near and rough
        pytest.skip("its strengths do not grow")
    # Fog and frost brighten less and less of what they cover.
    measure = loss_of_detail if name in ("fog", "frost") else distance
    kept = photograph.copy()
    changes: list[float] = []
    for strength in STRENGTHS:
        image, label = corrupted(photograph, name, strength)
        assert image.dtype == np.uint8
        assert image.shape == photograph.shape
        assert label.sum() == 71 * 91
        changes.append(measure(image, photograph))
    np.testing.assert_array_equal(photograph, kept)
    assert distance(corrupted(photograph, name, 1)[0], photograph) > 1
    assert all(after >= 0.9 * before for before, after in pairwise(changes)), changes
    assert changes[-1] > 1.1 * changes[0], changes


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_seed_repeats_it(photograph: np.ndarray, name: str) -> None:
    for one, other in zip(corrupted(photograph, name, 3, 7), corrupted(photograph, name, 3, 7), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", [*NOISE, "glass_blur", "motion_blur", "snow", "frost", "fog", ELASTIC])
def test_another_seed_makes_another_image(photograph: np.ndarray, name: str) -> None:
    assert (corrupted(photograph, name, 3, 0)[0] != corrupted(photograph, name, 3, 1)[0]).any()


@pytest.mark.parametrize("name", [*BLUR, "pixelate", "jpeg_compression"])
def test_brightness_stays(photograph: np.ndarray, name: str) -> None:
    for strength in STRENGTHS:
        image, _ = corrupted(photograph, name, strength)
        assert image.mean() == pytest.approx(photograph.mean(), abs=3)


@pytest.mark.parametrize("name", BLUR)
def test_blur_removes_details_and_noise_adds_them(photograph: np.ndarray, name: str) -> None:
    assert sharpness(corrupted(photograph, name, 3)[0]) < 0.5 * sharpness(photograph)
    for noise in NOISE:
        assert sharpness(corrupted(photograph, noise, 1)[0]) > 2 * sharpness(photograph)


@pytest.mark.parametrize(("strength", "deviation"), [(1, 0.08), (2, 0.12), (3, 0.18), (4, 0.26), (5, 0.38)])
def test_gaussian_noise_has_the_published_deviation(strength: int, deviation: float) -> None:
    gray = np.full((200, 200, 3), 128, np.uint8)
    noise = corrupted(gray, "gaussian_noise", strength)[0] / 255 - 128 / 255
    inside = np.abs(noise) < 0.45  # the rest is clipped
    expected = np.random.default_rng(1).normal(0, deviation, 10**6)
    expected = expected[np.abs(expected) < 0.45].std()
    assert noise[inside].std() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(("strength", "share"), [(1, 0.03), (2, 0.06), (3, 0.09), (4, 0.17), (5, 0.27)])
def test_impulses_are_half_black_and_half_white(strength: int, share: float) -> None:
    gray = np.full((300, 300, 3), 128, np.uint8)
    values, counts = np.unique(corrupted(gray, "impulse_noise", strength)[0], return_counts=True)
    assert values.tolist() == [0, 128, 255]
    assert counts[[0, 2]] / counts.sum() == pytest.approx([share / 2] * 2, rel=0.05)


def test_a_point_is_blurred_to_what_the_lens_shows() -> None:
    point = np.zeros((61, 61, 3), np.uint8)
    point[30, 30] = 255
    disk = corrupted(point, "defocus_blur", 4)[0][..., 0]
    lit = np.argwhere(disk > 0) - 30
    assert 7.5 < np.hypot(*lit.T).max() < 10
    line = corrupted(point, "motion_blur", 1)[0][..., 0].astype(float)
    _, x = np.argwhere(line > 0).T
    assert np.ptp(x) > 4
    assert x.max() <= 30, "to one side"


def test_contrast_is_lowered_around_the_mean(photograph: np.ndarray) -> None:
    image, _ = corrupted(photograph, "contrast", 3)
    assert image.std(axis=(0, 1)) == pytest.approx(0.2 * photograph.std(axis=(0, 1)), rel=0.05)
    assert image.mean(axis=(0, 1)) == pytest.approx(photograph.mean(axis=(0, 1)), abs=1)


def test_an_elastic_transform_moves_image_and_label_alike() -> None:
    label = np.zeros((120, 160), np.uint8)
    label[30:90, 40:120] = 1
    image = np.repeat(label[..., None] * 255, 3, axis=-1)
    for strength in STRENGTHS:
        moved, ids = corrupt(image, label, ELASTIC, strength, np.random.default_rng(strength))
        known = ids != VOID
        assert known.mean() > 0.5
        # They differ at most where the image is interpolated between both.
        assert ((moved[..., 0] > 127) != (ids == 1))[known].mean() < 0.03
        assert (ids != label).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 2), (7, 9)])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_small_images(name: str, size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 90, np.uint8)
    changed, ids = corrupt(image, np.zeros(size, np.uint8), name, 5, np.random.default_rng(0))
    assert changed.shape == image.shape
    assert ids.shape == size


def test_what_there_is_not_is_refused() -> None:
    image, label = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)
    for name, strength in (("rain", 1), ("fog", 0), ("fog", 6)):
        with pytest.raises(ValueError, match=r"Expected one of gaussian_noise, .*Received: "):
            corrupt(image, label, name, strength, np.random.default_rng(0))
