"""Tests of the class names and colors."""

import numpy as np
import pytest

from fcn.classes import (
    MAX_CLASSES,
    MAX_NAME_CHARACTERS,
    VOC_CLASS_NAMES,
    VOID,
    Classes,
    ClassNamesError,
    check_class_names,
    count_ids,
    voc_palette,
)


def test_the_palette_is_that_of_the_development_kit() -> None:
    # The table that VOC publishes with its classes, row by row.
    published = [
        (0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128),
        (128, 128, 128), (64, 0, 0), (192, 0, 0), (64, 128, 0), (192, 128, 0), (64, 0, 128), (192, 0, 128),
        (64, 128, 128), (192, 128, 128), (0, 64, 0), (128, 64, 0), (0, 192, 0), (128, 192, 0), (0, 64, 128),
    ]  # fmt: skip
    palette = voc_palette()
    assert palette.dtype == np.uint8
    assert [tuple(color) for color in palette[:21].tolist()] == published
    assert palette[VOID].tolist() == [224, 224, 192]
    assert len(np.unique(palette, axis=0)) == 256


def test_voc_has_its_21_classes_in_order() -> None:
    assert len(VOC_CLASS_NAMES) == 21
    assert VOC_CLASS_NAMES[0] == "background"
    assert VOC_CLASS_NAMES[15] == "person"
    assert list(VOC_CLASS_NAMES[1:]) == sorted(VOC_CLASS_NAMES[1:])


def test_void_is_no_class() -> None:
    assert VOID == 255
    assert MAX_CLASSES == 255


def test_ids_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    label = np.random.default_rng(0).integers(0, 256, (37, 41), np.uint8)
    expected = [(label == value).sum() for value in range(256)]
    for at_once in (1, 100, 37 * 41, 10**6):
        monkeypatch.setattr("fcn.classes._COUNTED_AT_ONCE", at_once)
        np.testing.assert_array_equal(count_ids(label), expected)
        np.testing.assert_array_equal(
            count_ids(label[:, ::2]), np.bincount(label[:, ::2].ravel(), minlength=256)
        )


def test_named_classes_have_the_colors_of_voc() -> None:
    classes = Classes.named(("ground", "cat"))
    assert classes == (("ground", "cat"), ((0, 0, 0), (128, 0, 0)))
    assert all(type(value) is int for color in classes.palette for value in color)


def test_other_colors_leave_the_rest_of_the_palette_alone() -> None:
    colors = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.uint8)
    classes = Classes.with_palette(("ground", "cat"), colors)
    assert classes.palette == ((1, 2, 3), (4, 5, 6))
    full = classes.full_palette()
    assert full.shape == (256, 3)
    assert full.dtype == np.uint8
    np.testing.assert_array_equal(full[:2], colors[:2])
    np.testing.assert_array_equal(full[2:], voc_palette()[2:])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("sky", "a list of class names. Received: str"),
        (b"sky", "a list of class names. Received: bytes"),
        ({"sky": 0}, "a list of class names. Received: dict"),
        (None, "a list of class names. Received: NoneType"),
        (3, "a list of class names. Received: int"),
        ([], "1 to 255 class names. Received: 0"),
        (["sky"] * (MAX_CLASSES + 1), "1 to 255 class names. Received: 256"),
        (["sky", 1], "text as the name of class 1. Received: int"),
        (["sky", None], "text as the name of class 1. Received: NoneType"),
        ([["sky"]], "text as the name of class 0. Received: list"),
        ([""], "1 to 200 characters in the name of class 0. Received: 0"),
        (
            ["sky", "x" * (MAX_NAME_CHARACTERS + 1)],
            "1 to 200 characters in the name of class 1. Received: 201",
        ),
        (["s\x1b[31mky"], r"without control characters. Received: 's\x1b[31mky'"),
        (["sky\n"], r"without control characters. Received: 'sky\n'"),
        (["sky\t1"], "without control characters"),
        (["sky\x9b"], "without control characters"),
        (["sky\u202e"], "without control characters"),
        (["sky\ud800"], "without control characters"),
    ],
)
def test_names_that_cannot_be_those_of_classes_are_refused(names: object, words: str) -> None:
    with pytest.raises(ClassNamesError) as caught:
        check_class_names(names)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_names_in_any_script_and_of_any_printable_characters_are_kept() -> None:
    names = ["道", "straße", "a b", "=1", "<b>", "a|b", "x" * MAX_NAME_CHARACTERS, "a\u00a0b", "c"]
    assert check_class_names(names) == check_class_names(tuple(names)) == tuple(names)
    assert check_class_names(np.array(["sky", "sea"])) == ("sky", "sea")
    assert len(check_class_names([str(number) for number in range(MAX_CLASSES)])) == MAX_CLASSES
