"""Tests of the names of a data set that has no list of its own."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from fcn.classes import VOC_CLASS_NAMES, Classes, voc_palette
from fcn.data.class_names import find_names
from fcn.data.image_io import encode_label
from fcn.data.voc import are_distinct, read_classes
from fcn.errors import DataError

VOC_IMAGES = ("2007_000032", "2011_003276")


def names_of(
    root: Path, images: Sequence[str] = VOC_IMAGES, configured: str | None = None
) -> tuple[str, ...]:
    return find_names(root, lambda: images, configured, None).names


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        action()
    return str(caught.value)


def test_images_of_voc_have_its_classes(tmp_path: Path) -> None:
    for images in (VOC_IMAGES, ["2008_000002.jpg"], ["JPEGImages\\2012_004331"]):
        assert names_of(tmp_path, images) == VOC_CLASS_NAMES


@pytest.mark.parametrize(
    "images",
    [
        (*VOC_IMAGES, "a"),
        ("2022_1089",),
        ("2022_000001",),
        ("2007_0000321",),
        ("2012_093015", "2012_093016"),
        ("x2007_000032",),
        ("000032",),
        (),
    ],
)
def test_other_images_do_not(images: Sequence[str], tmp_path: Path) -> None:
    message = refusal(lambda: names_of(tmp_path, images))
    assert str(tmp_path / "labels.txt") in message
    assert "data.classes=voc" in message
    assert names_of(tmp_path, images, "voc") == VOC_CLASS_NAMES


@pytest.mark.parametrize(
    "name", ["class_names.txt", "labelmap.txt", "classes.txt", "obj.names", "_classes.csv"]
)
@pytest.mark.parametrize("configured", [None, "voc"])
def test_the_list_of_another_tool_is_named(name: str, configured: str | None, tmp_path: Path) -> None:
    (tmp_path / name).write_text("_background_\ncat\n")
    message = refusal(lambda: names_of(tmp_path, VOC_IMAGES, configured))
    assert f"{name} lies there" in message
    assert "2 classes: _background_, cat" in message
    assert f"copy it to {tmp_path / 'labels.txt'}" in message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.yaml", "train: images/train\nnames: [cat, dog]\n"),
        ("data.yml", "names:\n  0: cat\n"),
        ("meta.json", '{"classes": [{"title": "cat"}]}'),
        ("classes.json", '["cat", "dog"]'),
    ],
)
@pytest.mark.parametrize("images", [VOC_IMAGES, ("a",)])
def test_a_document_of_another_tool_stops_the_default(
    name: str, text: str, images: Sequence[str], tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    message = refusal(lambda: names_of(tmp_path, images))
    assert f"{name} lies there, in which another tool may name them" in message
    assert str(tmp_path / "labels.txt") in message
    assert names_of(tmp_path, images, "voc") == VOC_CLASS_NAMES


def test_a_list_of_another_tool_with_the_names_of_voc_agrees(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("\n".join(VOC_CLASS_NAMES))
    assert names_of(tmp_path) == VOC_CLASS_NAMES


def test_a_list_of_another_tool_that_cannot_be_read_is_named_too(tmp_path: Path) -> None:
    (tmp_path / "obj.names").write_bytes(b"\xff\xfe")
    assert "obj.names lies there" in refusal(lambda: names_of(tmp_path))


def test_a_run_that_goes_on_knows_its_names(tmp_path: Path) -> None:
    (tmp_path / "class_names.txt").write_text("sky\n")
    assert find_names(tmp_path, lambda: ["a"], None, ("sea", "land")).names == ("sea", "land")
    (tmp_path / "labels.txt").write_text("one\ntwo\n")
    assert find_names(tmp_path, lambda: ["a"], None, ("sea", "land")).names == ("one", "two")


@pytest.mark.parametrize("name", ["Labels.txt", "LABELS.TXT", "labels.TXT"])
def test_the_case_of_the_list_does_not_matter(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("one\ntwo\n")
    assert names_of(tmp_path) == ("one", "two")


def test_only_the_splits_that_are_used_must_be_of_voc(
    tmp_path: Path, make_dataset: Callable[..., Path]
) -> None:
    root = make_dataset(tmp_path / "set", {"train": VOC_IMAGES, "other": ["a"]})
    (root / "labels.txt").unlink()
    assert read_classes(root, ("train",)).names == VOC_CLASS_NAMES
    assert "'a'" in refusal(lambda: read_classes(root, ("train", "other")))
    assert "'a'" in refusal(lambda: read_classes(root))


def test_the_colors_of_the_list_come_first(tmp_path: Path, make_dataset: Callable[..., Path]) -> None:
    root = make_dataset(tmp_path / "set", {"train": ["a"]})
    (root / "labels.txt").write_text("ground:1,2,3::\ncat:4,5,6::\ndog:7,8,9::\n")
    assert read_classes(root).palette == ((1, 2, 3), (4, 5, 6), (7, 8, 9))


@pytest.mark.parametrize(
    "palette",
    [
        [[i, i, i] for i in range(256)],
        [[3 * i, 3 * i, 3 * i] for i in range(80)],
        [[0, 0, 0]] * 256,
        [[0, 0, 0], [255, 255, 255], [253, 253, 253], *[[9, 9, 9]] * 253],
    ],
)
def test_colors_that_cannot_be_told_apart_become_those_of_voc(
    palette: list[list[int]], tmp_path: Path, make_dataset: Callable[..., Path]
) -> None:
    root = make_dataset(tmp_path / "set", {"train": ["a"]})
    drawn = Classes.with_palette(tuple(map(str, range(len(palette)))), np.array(palette, np.uint8))
    (root / "SegmentationClass" / "a.png").write_bytes(encode_label(np.ones((20, 26), np.uint8), drawn))
    assert read_classes(root) == Classes.named(("ground", "cat", "dog"))


def test_few_grays_and_few_colors_can_be_told_apart() -> None:
    for colors in ([[0, 0, 0], [255, 255, 255]], [[0, 0, 0], [85, 85, 85], [170, 170, 170]], [[5, 5, 5]]):
        assert are_distinct(np.array(colors, np.uint8))
    assert are_distinct(voc_palette()[:21])
