"""Tests of mended copies: what has one right answer is put right, and the pixels stay."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from fcn.classes import VOID, Classes, voc_palette
from fcn.cli.main import main
from fcn.config.sections import DataConfig
from fcn.data.image_io import encode_label, read_image, read_label, read_palette
from fcn.data.voc import read_classes, read_split
from fcn.errors import DataError, OutputError
from fcn.labels.checking.check import check_dataset
from fcn.labels.checking.fix import fix_dataset
from fcn.training.checked_data import read_checked

SIZE = (20, 26)


@pytest.fixture
def root(tmp_path: Path, make_dataset: Callable[..., Path]) -> Path:
    return make_dataset(tmp_path / "set", {"train": ["a", "b", "c"], "val": ["x", "y"]})


def list_of(root: Path, split: str = "train") -> Path:
    return root / "ImageSets" / "Segmentation" / f"{split}.txt"


def content(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


def test_a_good_set_stays_and_is_linked(root: Path, tmp_path: Path) -> None:
    mended = fix_dataset(root, tmp_path / "new")
    assert mended == ({}, 10, 0)
    assert content(tmp_path / "new") == content(root)
    assert os.path.samefile(root / "JPEGImages" / "a.jpg", tmp_path / "new" / "JPEGImages" / "a.jpg")


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (b"\xef\xbb\xbfa\r\nb\r\nc\r\n", ["a", "b", "c"]),
        (b"a.jpg\nb.jpg\nc.jpg\n", ["a", "b", "c"]),
        (b"JPEGImages\\c.jpg\n/JPEGImages/a\n\n B \n", ["c", "a", "b"]),
    ],
)
def test_lists_are_mended(root: Path, tmp_path: Path, lines: bytes, names: list[str]) -> None:
    list_of(root).write_bytes(lines)
    expected = [read_image(example.image_path) for example in read_split(root, "train")]
    assert fix_dataset(root, tmp_path / "new").changes == {"lists": 1}
    assert list_of(tmp_path / "new").read_bytes() == "".join(f"{name}\n" for name in names).encode()
    found = [read_image(example.image_path) for example in read_split(tmp_path / "new", "train")]
    assert all(np.array_equal(*pair) for pair in zip(expected, found, strict=True))


def test_suffixes_and_names_are_mended(root: Path, tmp_path: Path) -> None:
    (root / "JPEGImages" / "a.jpg").rename(root / "JPEGImages" / "a.JPG")
    (root / "SegmentationClass" / "b.png").rename(root / "SegmentationClass" / "B.PNG")
    mended = fix_dataset(root, tmp_path / "new")
    assert mended.changes == {"names of images": 1, "names of labels": 1}
    assert (tmp_path / "new" / "JPEGImages" / "a.jpg").exists()
    assert (tmp_path / "new" / "SegmentationClass" / "b.png").exists()
    assert fix_dataset(tmp_path / "new", tmp_path / "again").changes == {}


@pytest.mark.parametrize(
    "text",
    ["__ignore__\nground\n", "0: ground\n1: cat\n2: dog\n", "ground:0,0,0::\ncat:1,2,3::\ndog:9,9,9::\n"],
)
def test_the_class_list_becomes_plain(root: Path, tmp_path: Path, text: str) -> None:
    (root / "labels.txt").write_text(
        text.replace("ground\n", "_background_\ncat\ndog\n") if "_" in text else text
    )
    names = read_classes(root).names
    assert fix_dataset(root, tmp_path / "new").changes == {"labels.txt": 1}
    assert (tmp_path / "new" / "labels.txt").read_text() == "".join(f"{name}\n" for name in names)


def write_label(root: Path, name: str, ids: list[int], colors: list[list[int]]) -> None:
    palette = voc_palette()
    palette[: len(colors)] = colors
    classes = Classes.with_palette(tuple(map(str, range(254))), palette)
    path = root / "SegmentationClass" / f"{name}.png"
    path.write_bytes(encode_label(np.resize(np.array(ids, np.uint8), SIZE), classes))


def test_ramps_of_grays_get_colors(root: Path, tmp_path: Path) -> None:
    for name in "abcxy":
        write_label(root, name, [0, 1, 2, VOID], [[i, i, i] for i in range(255)])
    expected = read_label(root / "SegmentationClass" / "a.png")
    assert fix_dataset(root, tmp_path / "new").changes == {"palettes": 5}
    label = tmp_path / "new" / "SegmentationClass" / "a.png"
    np.testing.assert_array_equal(read_label(label), expected)
    np.testing.assert_array_equal(read_palette(label), voc_palette())


def test_ids_are_kept_if_they_are_right(root: Path, tmp_path: Path) -> None:
    write_label(root, "b", [0, 1, 2], [[0, 0, 0], [0, 128, 0], [128, 0, 0]])
    expected = read_label(root / "SegmentationClass" / "b.png")
    with pytest.raises(DataError, match="palettes of labels disagree"):
        read_checked(DataConfig(root=root))
    assert fix_dataset(root, tmp_path / "new", "ids").changes == {"palettes": 5}
    np.testing.assert_array_equal(read_label(tmp_path / "new" / "SegmentationClass" / "b.png"), expected)
    read_checked(DataConfig(root=tmp_path / "new"))


COLORED = "ground:0,0,0::\ncat:128,0,0::\ndog:0,128,0::\n"


def test_ids_are_made_of_colors_if_those_are_right(root: Path, tmp_path: Path) -> None:
    (root / "labels.txt").write_text(COLORED)
    write_label(root, "b", [0, 1, 2, VOID], [[0, 0, 0], [0, 128, 0], [128, 0, 0]])
    fix_dataset(root, tmp_path / "new", "colors")
    new = tmp_path / "new" / "SegmentationClass"
    np.testing.assert_array_equal(
        read_label(new / "b.png"), np.resize(np.array([0, 2, 1, VOID], np.uint8), SIZE)
    )
    np.testing.assert_array_equal(read_label(new / "a.png"), read_label(root / "SegmentationClass" / "a.png"))
    read_checked(DataConfig(root=tmp_path / "new"))


def test_labels_of_colors_become_ids(root: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    (root / "labels.txt").write_text(COLORED)
    expected = {}
    for name in "abcxy":
        label = rng.integers(0, 3, SIZE).astype(np.uint8)
        colors = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], np.uint8)[label]
        cv2.imwrite(str(root / "SegmentationClass" / f"{name}.png"), colors[..., ::-1])
        expected[name] = label
    with pytest.raises(DataError, match="expected a label of class ids"):
        read_checked(DataConfig(root=root))
    fix_dataset(root, tmp_path / "new", "colors")
    for name, label in expected.items():
        np.testing.assert_array_equal(
            read_label(tmp_path / "new" / "SegmentationClass" / f"{name}.png"), label
        )
    assert check_dataset(tmp_path / "new").refused() == []


def test_a_color_of_no_class_is_refused_and_nothing_is_left(root: Path, tmp_path: Path) -> None:
    (root / "labels.txt").write_text(COLORED)
    write_label(root, "x", [0, 1], [[0, 0, 0], [1, 2, 3]])
    with pytest.raises(DataError, match=r"260 pixels have a color .* rgb\(1, 2, 3\)"):
        fix_dataset(root, tmp_path / "new", "colors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]
    for text, words in (
        ("ground\ncat\ndog\n", "has no colors"),
        (COLORED.replace("128,0,0", "0,0,0"), "same color"),
    ):
        (root / "labels.txt").write_text(text)
        with pytest.raises(DataError, match=words):
            fix_dataset(root, tmp_path / "new", "colors")


def test_missing_files_are_all_named_and_nothing_is_left(root: Path, tmp_path: Path) -> None:
    for name in ("a", "x"):
        (root / "SegmentationClass" / f"{name}.png").unlink()
    with pytest.raises(DataError) as caught:
        fix_dataset(root, tmp_path / "new")
    assert len(str(caught.value).splitlines()) == 2
    assert not (tmp_path / "new").exists()


def test_a_folder_in_use_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        fix_dataset(root, tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mine.txt"]


def test_files_are_copied_where_links_cannot_be(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    assert fix_dataset(root, tmp_path / "new") == ({}, 0, 10)
    assert content(tmp_path / "new") == content(root)


def test_the_command_says_what_was_mended(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    list_of(root).write_bytes(b"a.jpg\nb\nc\n")
    with pytest.raises(SystemExit) as stopped:
        main(["data", "check", str(root), "--fix", str(tmp_path / "new")])
    assert not stopped.value.code
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "Mended: lists (1). 10 files are hard links to the original, 0 are copies."
    assert lines[2] == f"Next: python -m fcn data check {tmp_path / 'new'}"
