"""Tests of the colors and the opacity that someone chooses for overlays."""

from pathlib import Path

import pytest

from fcn.classes import VOC_CLASS_NAMES, Classes
from fcn.errors import DataError
from fcn.outputs.bright_palette import bright_palette
from fcn.outputs.overlay_style import (
    DEFAULT_STYLE,
    EARLIER_STYLE,
    make_style,
    read_style_json,
)

CLASSES = Classes(("background", "cat", "dog"), ((0, 0, 0), (60, 0, 0), (0, 60, 0)))
SKY = Classes(("sky", "sea"), ((1, 2, 3), (4, 5, 6)))


def test_bright_colors_are_in_the_order_of_the_classes_without_background() -> None:
    colors = [tuple(color) for color in bright_palette(20).tolist()]
    assert DEFAULT_STYLE.recolor(CLASSES) == Classes(CLASSES.names, ((0, 0, 0), *colors[:2]))
    assert DEFAULT_STYLE.recolor(SKY).palette == (*colors[:2],)
    assert DEFAULT_STYLE.recolor(Classes.named(VOC_CLASS_NAMES)).palette[1:] == (*colors,)
    assert DEFAULT_STYLE.recolor(Classes.named(("background",))).palette == ((0, 0, 0),)
    assert DEFAULT_STYLE.recolor(Classes((), ())).palette == ()


def test_voc_means_the_colors_of_labels() -> None:
    assert make_style("voc").recolor(CLASSES) is CLASSES


@pytest.mark.parametrize(
    "text",
    [
        "cat:255,128,0\ndog:0,200,255\n",
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ndog:0,200,255::\ncat:255,128,0::\n",
        "name,r,g,b\ncat,255,128,0\nbird,1,1,1\ndog,0,200,255\n",
    ],
)
def test_a_list_gives_colors_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "colors.txt"
    path.write_text(text)
    style = make_style(str(path), 0.25)
    assert style.recolor(CLASSES).palette == ((0, 0, 0), (255, 128, 0), (0, 200, 255))
    assert style.opacity == 0.25
    assert str(path) in style.describe()


def test_a_list_of_some_classes_leaves_the_others_bright(tmp_path: Path) -> None:
    path = tmp_path / "colors.txt"
    path.write_text("dog:0,200,255\n")
    bright = DEFAULT_STYLE.recolor(CLASSES).palette
    assert make_style(str(path)).recolor(CLASSES).palette == (*bright[:2], (0, 200, 255))


def test_a_list_with_a_misspelled_class_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "colors.txt"
    path.write_text("background:0,0,0\ncat:255,128,0\nbird:0,0,255\n")
    with pytest.raises(
        DataError, match=r"colors\.txt: has no color for dog, and the model has no class bird\. Correct"
    ):
        make_style(str(path)).recolor(CLASSES)
    many = Classes.named(("background", *(f"class {number}" for number in range(9))))
    with pytest.raises(DataError, match="class 3, class 4 and 4 more"):
        make_style(str(path)).recolor(many)
    with pytest.raises(DataError, match="for sky, sea, and the model has no class cat"):
        make_style(str(path)).recolor(SKY)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat\ndog\n", r"has no color for cat \(line 1\)"),
        ("cat:255,128,0\ndog:0,200,256\n", "three numbers from 0 to 255"),
        (None, "No such file"),
    ],
)
def test_a_list_without_colors_is_refused(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "colors.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=message):
        make_style(str(path))


@pytest.mark.parametrize("opacity", [-0.1, 1.1, float("nan"), float("inf")])
def test_an_opacity_is_from_0_to_1(opacity: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        make_style("voc", opacity)


def test_styles_come_back_from_text(tmp_path: Path) -> None:
    path = tmp_path / "colors.txt"
    path.write_text("cat:255,128,0\ndog:0,200,255\n")
    for style in (DEFAULT_STYLE, EARLIER_STYLE, make_style(opacity=0.125), make_style(str(path))):
        assert read_style_json(style.to_json()) == style
        assert style.looks_like(style)
    copied = tmp_path / "same.txt"
    copied.write_bytes(path.read_bytes())
    assert make_style(str(copied)).looks_like(make_style(str(path)))
    assert not make_style(str(path)).looks_like(make_style(str(path), 0.5))
    assert not DEFAULT_STYLE.looks_like(make_style("voc"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '["bright", 2, null]',
        '["bright", null, null]',
        '["dark", 0.5, null]',
        '["list", 0.5, [["cat", [1, 2, 300]]]]',
        '["list", 0.5, [["cat", [1, 2]]]]',
        '["list", 0.5, [["cat", "red"]]]',
        '["list", 0.5, 7]',
    ],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of many kinds
        read_style_json(text)
