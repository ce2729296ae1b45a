"""Tests of the pictures drawn from labels."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.classes import VOC_CLASS_NAMES, VOID, Classes
from fcn.outputs.overlay import LegendEntry, legend_strip, overlay_image, tint
from fcn.outputs.overlay_style import DEFAULT_STYLE, OverlayStyle

CLASSES = Classes.named(("background", "cat", "dog"))
COLORFUL = Classes(("background", "red", "green"), ((0, 0, 255), (255, 0, 0), (0, 255, 0)))
OWN = OverlayStyle("voc", 0.5)


def photograph(height: int, width: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def halves(height: int, width: int, left: int, right: int) -> npt.NDArray[np.uint8]:
    label = np.full((height, width), left, np.uint8)
    label[:, width // 2 :] = right
    return label


def legend(label: npt.NDArray[np.uint8], classes: Classes) -> npt.NDArray[np.uint8]:
    overlay = overlay_image(np.zeros((*label.shape, 3), np.uint8), label, classes, OWN)
    return overlay[label.shape[0] :]


def has_color(pixels: npt.NDArray[np.uint8], color: tuple[int, int, int]) -> bool:
    return bool((pixels == color).all(axis=-1).any())


@settings(deadline=None, max_examples=30)
@given(height=st.integers(1, 200), width=st.integers(1, 200), seed=st.integers(0, 99))
def test_any_size_gives_a_picture_of_the_same_width_with_a_legend_below(
    height: int, width: int, seed: int
) -> None:
    classes = Classes.named(VOC_CLASS_NAMES)
    label = np.random.default_rng(seed).integers(0, 21, (height, width), np.uint8)
    overlay = overlay_image(photograph(height, width), label, classes)
    assert overlay.dtype == np.uint8
    assert overlay.shape[1:] == (width, 3)
    assert overlay.shape[0] > height


def test_the_background_is_left_as_it_is() -> None:
    image, label = photograph(60, 80), halves(60, 80, 0, 1)
    overlay = overlay_image(image, label, CLASSES)
    np.testing.assert_array_equal(overlay[:60, :39], image[:, :39])
    shaded = 0.45 * image[:, 39]  # a dark line beside the light one of the region
    np.testing.assert_allclose(overlay[:60, 39], shaded, atol=0.51)
    assert (overlay[:60, 40:] != image[:, 40:]).mean() > 0.9


def test_a_first_class_that_is_no_background_is_tinted() -> None:
    classes = Classes(("sky", "road"), ((10, 200, 30), (200, 10, 30)))
    overlay = overlay_image(np.full((60, 80, 3), 100, np.uint8), np.zeros((60, 80), np.uint8), classes, OWN)
    np.testing.assert_array_equal(np.unique(overlay[:60].reshape(-1, 3), axis=0), [[55, 150, 65]])


def test_regions_have_contours_and_borders_of_the_image_have_none() -> None:
    overlay = overlay_image(np.full((60, 80, 3), 100, np.uint8), halves(60, 80, 1, 2), COLORFUL, OWN)
    row = overlay[30].tolist()
    inside_red, inside_green = [178, 50, 50], [50, 178, 50]
    assert row[:39] == [inside_red] * 39
    assert row[41:] == [inside_green] * 39
    assert row[39:41] == [[255, 153, 153], [153, 255, 153]]
    np.testing.assert_array_equal(overlay[0], overlay[30])


def test_the_input_is_not_changed() -> None:
    image, label = photograph(30, 40), halves(30, 40, 1, 2)
    before = image.copy(), label.copy()
    overlay_image(image, label, CLASSES)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(label, before[1])


def test_the_legend_shows_the_classes_that_occur_and_only_those() -> None:
    strip = legend(halves(200, 300, 0, 2), COLORFUL)
    assert has_color(strip, (0, 255, 0))
    assert not has_color(strip, (255, 0, 0))
    # Background is not tinted, so its swatch is empty.
    assert not has_color(strip, (0, 0, 255))


def test_void_is_listed_in_its_color() -> None:
    void = (224, 224, 192)
    assert has_color(legend(halves(200, 300, 0, VOID), COLORFUL), void)
    assert not has_color(legend(halves(200, 300, 0, 1), COLORFUL), void)


def test_the_largest_class_comes_first() -> None:
    label = np.full((200, 300), 2, np.uint8)
    label[:, :100] = 1
    strip = legend(label, COLORFUL)
    columns = [np.flatnonzero((strip == color).all(axis=-1).any(axis=0)) for color in COLORFUL.palette[1:]]
    assert columns[1].max() < columns[0].min()


def test_the_share_is_part_of_the_legend() -> None:
    one, other = np.zeros((200, 300), np.uint8), np.zeros((200, 300), np.uint8)
    one[:, :30] = 1
    other[:, :60] = 1
    assert not np.array_equal(legend(one, CLASSES), legend(other, CLASSES))
    np.testing.assert_array_equal(legend(one, CLASSES), legend(one.copy(), CLASSES))


@pytest.mark.parametrize(("width", "rows"), [(2000, 1), (250, 3), (60, 3)])
def test_the_legend_wraps_to_the_width(width: int, rows: int) -> None:
    label = np.arange(width, dtype=np.int64)[np.newaxis].repeat(40, axis=0) * 3 // width
    strip = legend(label.astype(np.uint8), Classes(("sky" * 5, "sea" * 5, "sun" * 5), COLORFUL.palette))
    tops = set()
    for color in COLORFUL.palette:
        tops.add(int(np.flatnonzero((strip == color).all(axis=-1).any(axis=1))[0]))
    assert len(tops) == rows


def test_letters_grow_with_the_image_within_bounds() -> None:
    heights = [
        legend(np.zeros((2 * side // 3, side), np.uint8), CLASSES).shape[0] for side in (90, 500, 3000)
    ]
    assert heights[0] >= 16
    assert heights[0] < heights[1] < heights[2]
    assert legend(np.zeros((1500, 12_000), np.uint8), CLASSES).shape[0] < 220


def test_a_name_that_is_too_long_is_shortened_and_keeps_its_share() -> None:
    one, other = np.zeros((200, 300), np.uint8), np.zeros((200, 300), np.uint8)
    one[:, :30] = 1
    other[:, :60] = 1
    long, longer = (Classes.named(("sky" * times, "sea")) for times in (60, 90))
    assert legend(one, CLASSES).shape[1:] == legend(one, long).shape[1:]
    np.testing.assert_array_equal(legend(one, long), legend(one, longer))
    first_row = slice(0, 24)
    assert not np.array_equal(legend(one, long)[first_row], legend(other, long)[first_row])


@pytest.mark.parametrize("at_once", [1, 500, 2000])
def test_a_picture_that_is_drawn_in_parts_is_the_same(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    image = photograph(420, 60)
    label = np.random.default_rng(1).choice(np.array([0, 1, 2, VOID], np.uint8), (42, 6))
    label = label.repeat(10, axis=0).repeat(10, axis=1)
    whole = overlay_image(image, label, COLORFUL)
    monkeypatch.setattr("fcn.outputs.overlay._TINTED_PIXELS", at_once)
    np.testing.assert_array_equal(overlay_image(image, label, COLORFUL), whole)


@pytest.mark.parametrize("letter", ["x", "W"])
@pytest.mark.parametrize("width", [64, 300])
def test_a_name_is_shortened_to_the_longest_that_fits(letter: str, width: int) -> None:
    """The legend is that of this shorter name, and of longer ones, which are shortened to it too."""
    most = 80

    def legend(name: str) -> npt.NDArray[np.uint8]:
        return legend_strip([LegendEntry(name, "50.0%", (1, 2, 3))], (60, width))

    long = legend(letter * most)
    same = [count for count in range(1, most) if np.array_equal(legend(f"{letter * count}…"), long)]
    assert 1 <= same[0] < most - 1
    assert same == [*range(same[0], most)]


def test_colors_and_opacity_are_those_of_the_style() -> None:
    image, label = np.full((60, 80, 3), 100, np.uint8), halves(60, 80, 1, 2)
    for style in (DEFAULT_STYLE, OWN, OverlayStyle("voc", 0.25), OverlayStyle("bright", 1)):
        overlay = overlay_image(image, label, COLORFUL, style)
        cat, dog = np.array(style.recolor(COLORFUL).palette[1:])
        for place, color in (((5, 5), cat), ((5, 75), dog)):
            expected = (1 - style.opacity) * 100 + style.opacity * color
            np.testing.assert_allclose(overlay[place], expected, atol=1)
        assert has_color(overlay[60:], (*cat.tolist(),))
        np.testing.assert_array_equal(tint(image, label, COLORFUL, style), overlay[:60])


def specks(height: int, width: int, period: int) -> npt.NDArray[np.uint8]:
    """A label with a square of class 2, half as long as the period, in each square of that length."""
    label = np.ones((height, width), np.uint8)
    for top in range(period // 4, height, period):
        for left in range(period // 4, width, period):
            label[top : top + period // 2, left : left + period // 2] = 2
    return label


def contoured(label: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Returns which pixels of an overlay have neither the image's color nor a tinted one."""
    picture = tint(np.full((*label.shape, 3), 100, np.uint8), label, COLORFUL, OWN)
    tinted = [(100 + np.array(color) + 1) // 2 for color in COLORFUL.palette[1:]]
    return np.all([np.abs(picture - color).max(axis=-1) > 1 for color in tinted], axis=0)


def test_crowded_regions_have_no_contours_and_others_beside_them_do() -> None:
    label = np.ones((200, 400), np.uint8)
    label[:, :200] = specks(200, 200, 6)
    label[80:120, 280:320] = 2
    found = contoured(label)
    assert not found[20:180, 20:180].any()
    assert found[80, 285:315].all()
    # Coarser ones are outlined; a speck alone is too.
    assert contoured(specks(200, 200, 40)).any()
    alone = np.ones((200, 200), np.uint8)
    alone[100:104, 100:104] = 2
    assert contoured(alone).any()
