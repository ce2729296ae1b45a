"""Tests of changing an image and its label together."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.classes import VOID
from fcn.config.augmentation import AugmentationConfig
from fcn.data.augmentation import View, apply_view, jitter_color, random_view

Pixels = npt.NDArray[np.uint8]
BORDER = (124, 116, 104)

sides = st.integers(1, 40)
unturned = st.builds(
    lambda scale, flip, top, left: View(scale, flip, top, left),
    st.floats(0.25, 4),
    st.booleans(),
    st.integers(-30, 60),
    st.integers(-30, 60),
)
views = st.builds(
    View,
    scale=st.floats(0.25, 4),
    flip=st.booleans(),
    top=st.integers(-30, 60),
    left=st.integers(-30, 60),
    turns=st.integers(0, 3),
    vertical_flip=st.booleans(),
    rotation=st.just(0.0) | st.floats(-180, 180),
    shear=st.just(0.0) | st.floats(-60, 60),
)


def draw(height: int, width: int, seed: int = 0) -> tuple[Pixels, Pixels]:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    return image, rng.choice(np.array([3, 7, 200, VOID], np.uint8), (height, width))


def source(view: View, count: int, axis: int, length: int) -> npt.NDArray[np.float64]:
    """Returns the place in the image, in pixels, that each row (axis 0) or column of the view shows."""
    start = (view.top, view.left)[axis]
    places = (start + np.arange(count) + 0.5) / view.scale - 0.5
    return length - 1 - places if axis and view.flip else places


@given(height=sides, width=sides, crop=st.tuples(sides, sides), view=views, seed=st.integers(0, 9))
def test_ids_never_blend(height: int, width: int, crop: tuple[int, int], view: View, seed: int) -> None:
    image, label = draw(height, width, seed)
    shown, known = apply_view(image, label, view, crop)
    assert shown.shape == (*crop, 3)
    assert known.shape == crop
    assert shown.dtype == known.dtype == np.uint8
    assert set(np.unique(known)) <= {*np.unique(label), VOID}


@given(height=sides, width=sides, flip=st.booleans())
def test_scale_1_without_an_offset_is_the_image_itself(height: int, width: int, flip: bool) -> None:
    image, label = draw(height, width)
    shown, known = apply_view(image, label, View(1.0, flip, 0, 0), (height, width))
    step = -1 if flip else 1
    np.testing.assert_array_equal(shown, image[:, ::step])
    np.testing.assert_array_equal(known, label[:, ::step])


@given(height=sides, width=sides)
def test_flipping_twice_changes_nothing(height: int, width: int) -> None:
    image, label = draw(height, width)
    once = apply_view(image, label, View(1.0, True, 0, 0), (height, width))
    twice = apply_view(*once, View(1.0, True, 0, 0), (height, width))
    np.testing.assert_array_equal(twice[0], image)
    np.testing.assert_array_equal(twice[1], label)


@given(top=st.integers(0, 20), left=st.integers(0, 20), crop=st.tuples(sides, sides), more=st.integers(0, 5))
def test_a_crop_inside_is_a_slice(top: int, left: int, crop: tuple[int, int], more: int) -> None:
    image, label = draw(top + crop[0] + more, left + crop[1] + more)
    shown, known = apply_view(image, label, View(1.0, False, top, left), crop)
    part = np.s_[top : top + crop[0], left : left + crop[1]]
    np.testing.assert_array_equal(shown, image[part])
    np.testing.assert_array_equal(known, label[part])


@pytest.mark.parametrize(("top", "left"), [(-3, -5), (-3, 4), (6, -5), (6, 4)])
def test_what_lies_outside_is_void_and_of_the_border_color(top: int, left: int) -> None:
    image, label = draw(9, 12)
    shown, known = apply_view(image, label, View(1.0, False, top, left), (11, 15))
    expected_image = np.empty((40, 40, 3), np.uint8)
    expected_image[:] = BORDER
    expected_label = np.full((40, 40), VOID, np.uint8)
    expected_image[10:19, 10:22], expected_label[10:19, 10:22] = image, label
    part = np.s_[10 + top : 21 + top, 10 + left : 25 + left]
    np.testing.assert_array_equal(known, expected_label[part])
    np.testing.assert_array_equal(shown, expected_image[part])


@settings(max_examples=200)
@given(view=unturned, crop=st.tuples(sides, sides))
def test_image_and_label_show_the_same_place(view: View, crop: tuple[int, int]) -> None:
    # Red and the first label count columns, green and the second rows; 4 shades a pixel.
    rows, columns = np.mgrid[:50, :60].astype(np.uint8)
    image = np.stack([4 * columns, 4 * rows, 0 * rows], axis=-1)
    down, across = source(view, crop[0], 0, 50), source(view, crop[1], 1, 60)
    inside = np.outer((down >= 0) & (down <= 49), (across >= 0) & (across <= 59))
    outside = ~np.outer((down > -0.6) & (down < 49.6), (across > -0.6) & (across < 59.6))
    for channel, label, place in ((0, columns, across[np.newaxis]), (1, rows, down[:, np.newaxis])):
        shown, known = apply_view(image, label, view, crop)
        place = np.broadcast_to(place, crop)
        # OpenCV computes places to 1/32 pixel; a shade is a quarter of a pixel.
        np.testing.assert_allclose(shown[..., channel][inside] / 4, place[inside], atol=1 / 8 + 1 / 16)
        assert (np.abs(known[inside] - place[inside]) <= 0.5 + 1 / 16).all()
        assert (known[outside] == VOID).all()


@pytest.mark.parametrize("scale", [2.0, 0.5, 1.5])
def test_scaling_is_that_of_cv2_resize_away_from_the_border(scale: float) -> None:
    image, label = draw(32, 44)
    size = (int(32 * scale), int(44 * scale))
    shown, known = apply_view(image, label, View(scale, False, 0, 0), size)
    expected = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    inner = np.s_[3:-3, 3:-3]
    # Interpolation to 1/32 pixel: up to 255 / 32 shades in each direction of noise.
    np.testing.assert_allclose(shown[inner].astype(int), expected[inner], atol=16)
    if scale != 0.5:  # Half: each place lies exactly between two pixels.
        nearest = cv2.resize(label, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        np.testing.assert_array_equal(known[inner], nearest[inner])


@given(
    image_size=st.tuples(st.integers(1, 500), st.integers(1, 500)),
    crop_size=st.tuples(st.integers(1, 500), st.integers(1, 500)),
    low=st.floats(0.1, 4),
    span=st.floats(1, 4),
    seed=st.integers(0, 1000),
)
def test_a_random_view_lies_in_the_image_or_around_it(
    image_size: tuple[int, int], crop_size: tuple[int, int], low: float, span: float, seed: int
) -> None:
    view = random_view(
        image_size, crop_size, AugmentationConfig(scale=(low, low * span)), np.random.default_rng(seed)
    )
    assert low * (1 - 1e-9) <= view.scale <= low * span * (1 + 1e-9)
    for start, size, crop in zip((view.top, view.left), image_size, crop_size, strict=True):
        room = round(view.scale * size) - crop
        assert min(0, room) <= start <= max(0, room)


def test_random_views_cover_scales_mirrors_and_places() -> None:
    rng = np.random.default_rng(0)
    drawn = [random_view((100, 140), (64, 64), AugmentationConfig(), rng) for _ in range(1000)]
    scales = np.array([view.scale for view in drawn])
    assert scales.min() < 0.51
    assert scales.max() > 1.95
    # Halving is as likely as doubling.
    assert 0.45 < np.mean(scales < 1) < 0.55
    assert 0.45 < np.mean([view.flip for view in drawn]) < 0.55
    fixed = [random_view((70, 60), (64, 64), AugmentationConfig(scale=(1.0, 1.0)), rng) for _ in range(500)]
    assert {view.top for view in fixed} == set(range(7))
    assert {view.left for view in fixed} == set(range(-4, 1))
    assert {view.scale for view in fixed} == {1.0}


def test_without_flip_nothing_is_mirrored_and_all_else_stays() -> None:
    for seed in range(30):
        with_flip, without = (
            random_view((50, 60), (32, 32), AugmentationConfig(flip=flip), np.random.default_rng(seed))
            for flip in (True, False)
        )
        assert without == with_flip._replace(flip=False)


def test_color_jitter_of_strength_0_changes_nothing(rng: np.random.Generator) -> None:
    image, _ = draw(40, 50)
    changed = jitter_color(image, 0.0, rng)
    assert changed.dtype == np.uint8
    np.testing.assert_array_equal(changed, image)


@given(strength=st.floats(0, 1), seed=st.integers(0, 1000))
def test_grey_stays_grey_whatever_the_jitter(strength: float, seed: int) -> None:
    grey = np.repeat(draw(12, 13, seed)[0][..., :1], 3, axis=2)
    changed = jitter_color(grey, strength, np.random.default_rng(seed))
    assert changed.shape == grey.shape
    assert changed.dtype == np.uint8
    assert np.ptp(changed.astype(int), axis=2).max() <= 1


class Factors:
    """Stands for a random generator that draws the given brightness, contrast and saturation."""

    def __init__(self, *factors: float) -> None:
        self.factors = factors

    def uniform(self, low: float, high: float, count: int) -> npt.NDArray[np.float64]:
        assert (low, high, count) == (0.5, 1.5, 3)
        return np.array(self.factors)


@pytest.mark.parametrize("seed", [0, 1])
def test_each_factor_does_what_its_name_says(seed: int) -> None:
    image, _ = draw(20, 30, seed)
    image = (image // 4 + 96).astype(np.uint8)  # Nothing is clipped.

    def jitter(*factors: float) -> npt.NDArray[np.float64]:
        return jitter_color(image, 0.5, Factors(*factors)).astype(float)  # type: ignore[arg-type]

    np.testing.assert_allclose(jitter(1.4, 1, 1), image * 1.4, atol=0.6)
    middle = image[..., 1].mean()
    np.testing.assert_allclose(jitter(1, 0.5, 1), middle + (image - middle) / 2, atol=0.6)
    luma = (image @ [0.299, 0.587, 0.114])[..., np.newaxis]
    np.testing.assert_allclose(jitter(1, 1, 0.5), luma + (image - luma) / 2, atol=0.6)


def test_jitter_saturates_and_does_not_wrap_around() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2] = 250
    bright = jitter_color(image, 0.5, Factors(1.5, 1.5, 1.5))  # type: ignore[arg-type]
    assert (bright[:2] == 255).all()
    assert (bright[2:] == 0).all()


@given(
    height=sides,
    width=sides,
    turns=st.integers(0, 3),
    flip=st.booleans(),
    upside_down=st.booleans(),
)
def test_turns_and_mirrors_are_those_of_numpy(
    height: int, width: int, turns: int, flip: bool, upside_down: bool
) -> None:
    image, label = draw(height, width)
    crop_size = (height, width) if turns % 2 == 0 else (width, height)
    shown, known = apply_view(image, label, View(1.0, flip, 0, 0, turns, upside_down), crop_size)
    rows, columns = (slice(None, None, -1 if mirrored else 1) for mirrored in (upside_down, flip))
    np.testing.assert_array_equal(shown, np.rot90(image, turns)[rows, columns])
    np.testing.assert_array_equal(known, np.rot90(label, turns)[rows, columns])


@pytest.mark.parametrize(("rotation", "turns"), [(90, 3), (180, 2), (-90, 1), (-180, 2)])
def test_a_rotation_by_a_right_angle_is_a_turn(rotation: float, turns: int) -> None:
    image, label = draw(21, 21)
    shown, known = apply_view(image, label, View(1.0, False, 0, 0, rotation=rotation), (21, 21))
    np.testing.assert_array_equal(shown, np.rot90(image, turns))
    np.testing.assert_array_equal(known, np.rot90(label, turns))


def test_a_rotation_keeps_the_center_and_what_comes_from_outside_is_void() -> None:
    label = np.full((101, 101), 3, np.uint8)
    label[45:56, 45:56] = 7
    image = np.repeat(label[..., np.newaxis], 3, axis=2)
    shown, known = apply_view(image, label, View(1.0, False, 0, 0, rotation=45), (101, 101))
    assert known[50, 50] == 7
    # Corners come from outside; the middles of the sides do not.
    assert {int(known[row, column]) for row in (0, 100) for column in (0, 100)} == {VOID}
    assert {int(known[50, 5]), int(known[5, 50])} == {3}
    np.testing.assert_array_equal(shown[0, 0], BORDER)
    assert abs(int(np.count_nonzero(known == 7)) - 121) < 12


def test_shear_shifts_rows_against_each_other_and_keeps_areas() -> None:
    label = np.zeros((101, 101), np.uint8)
    label[:, 48:53] = 7
    image = np.repeat(label[..., np.newaxis], 3, axis=2)
    _, known = apply_view(image, label, View(1.0, False, 0, 0, shear=30), (101, 101))
    centers = [np.flatnonzero(known[row] == 7).mean() for row in (10, 50, 90)]
    assert centers[1] == 50
    assert centers[0] - centers[1] == pytest.approx(40 * np.tan(np.radians(30)), abs=1)
    assert centers[1] - centers[2] == pytest.approx(40 * np.tan(np.radians(30)), abs=1)


def test_what_is_not_wanted_draws_nothing() -> None:
    """Else trainings of earlier versions could not be resumed with the same examples."""
    rng, other = np.random.default_rng(3), np.random.default_rng(3)
    view = random_view((50, 60), (32, 32), AugmentationConfig(), rng)
    assert view[4:] == (0, False, 0.0, 0.0)
    other.uniform(), other.random(), other.integers(0, 9, endpoint=True), other.integers(0, 9, endpoint=True)
    assert rng.bit_generator.state["state"] == other.bit_generator.state["state"]


def test_each_turn_and_angle_is_drawn() -> None:
    wanted = AugmentationConfig(vertical_flip=True, quarter_turns=True, rotation=30, shear=10)
    rng = np.random.default_rng(0)
    drawn = [random_view((50, 90), (32, 32), wanted, rng) for _ in range(400)]
    assert {(view.turns, view.flip, view.vertical_flip) for view in drawn} == {
        (turns, flip, upside_down)
        for turns in range(4)
        for flip in (True, False)
        for upside_down in (True, False)
    }
    for values, most in (([view.rotation for view in drawn], 30), ([view.shear for view in drawn], 10)):
        assert -most <= min(values) < -0.9 * most
        assert 0.9 * most < max(values) <= most
    # The place is drawn in the turned image.
    widths = [50 if view.turns % 2 else 90 for view in drawn]
    rooms = [max(0, round(view.scale * width) - 32) for view, width in zip(drawn, widths, strict=True)]
    assert all(view.left <= room for view, room in zip(drawn, rooms, strict=True))
