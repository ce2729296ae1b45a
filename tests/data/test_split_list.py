"""Tests of names in lists as other systems and tools write them."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from fcn.data.voc import read_split
from fcn.errors import DataError

MakeRoot = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path, make_dataset: MakeRoot) -> Path:
    return make_dataset(tmp_path / "set", {"train": ["a", "b", "c"], "val": ["x", "y"]})


def write_list(root: Path, content: str | bytes) -> Path:
    path = root / "ImageSets" / "Segmentation" / "train.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_split(root, "train")
    return str(caught.value)


@pytest.mark.parametrize(
    "lines",
    [
        ["a.jpg", "b.jpg", "c.jpg"],
        ["a.png", "b.JPG", "c"],
        ["JPEGImages/a.jpg", "./JPEGImages/b", "VOC2012/JPEGImages/c.jpg"],
        ["JPEGImages\\a.jpg", "set\\JPEGImages\\b.jpg", "C:\\set\\JPEGImages\\c.jpg"],
        ["/JPEGImages/a.jpg", "/JPEGImages/b", "/home/me/VOC2012/JPEGImages/c.jpg"],
        [f"/JPEGImages/{name}.jpg /SegmentationClass/{name}.png" for name in "abc"],
        [f"JPEGImages/{name}.jpg\tSegmentationClass" for name in "abc"],
        [f"JPEGImages/{name}.jpg\tSegmentationClass/{name}.png" for name in "abc"],
        ["A", "B.JPG", "C"],
        ["a  ", "  b", "c\t"],
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_names_of_other_tools_find_their_files(root: Path, lines: list[str], end: str) -> None:
    expected = read_split(root, "train")
    write_list(root, "\ufeff" + end.join(lines) + end)
    assert read_split(root, "train") == expected


@pytest.mark.parametrize("suffix", [".PNG", ".Png", ".pNG"])
def test_labels_may_end_in_capitals(root: Path, suffix: str) -> None:
    label = root / "SegmentationClass" / "b.png"
    label.rename(label.with_suffix(suffix))
    examples = read_split(root, "train")
    assert [example.name for example in examples] == ["a", "b", "c"]
    assert examples[1].label_path == label.with_suffix(suffix)


@pytest.mark.parametrize("suffix", [".Jpg", ".jPEG", ".Tif"])
def test_images_may_end_in_any_case(root: Path, suffix: str) -> None:
    image = root / "JPEGImages" / "b.jpg"
    image.rename(image.with_suffix(suffix))
    assert read_split(root, "train")[1].image_path == image.with_suffix(suffix)


@pytest.mark.parametrize("stem", ["Straße", "café", "ä_Ö", "한국"])
@pytest.mark.parametrize(("listed", "stored"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_composed_and_decomposed_letters_are_the_same(
    tmp_path: Path, make_dataset: MakeRoot, stem: str, listed: str, stored: str
) -> None:
    root = make_dataset(tmp_path / "set", {"train": [unicodedata.normalize(stored, stem)]})
    write_list(root, unicodedata.normalize(listed, stem) + "\n")
    found = read_split(root, "train")[0]
    assert found.image_path.exists()
    assert found.label_path.exists()


def test_folders_below_the_images_are_kept(tmp_path: Path, make_dataset: MakeRoot) -> None:
    root = make_dataset(tmp_path / "set", {"train": ["a"]})
    for folder, suffix in (("JPEGImages", "JPG"), ("SegmentationClass", "PNG")):
        (root / folder / "day").mkdir()
        path = next(found for found in (root / folder).iterdir() if found.is_file())
        path.rename(root / folder / "day" / f"A.{suffix}")
    write_list(root, "day\\a.jpg\n")
    found = read_split(root, "train")[0]
    assert found.image_path == root / "JPEGImages" / "day" / "A.JPG"
    assert found.label_path == root / "SegmentationClass" / "day" / "A.PNG"
    assert found.name == "day/A"


def test_exact_names_come_first(root: Path) -> None:
    for folder, suffix in (("JPEGImages", ".jpg"), ("SegmentationClass", ".png")):
        (root / folder / f"A{suffix}").write_bytes((root / folder / f"b{suffix}").read_bytes())
    write_list(root, "a\nA\n")
    assert [example.name for example in read_split(root, "train")] == ["a", "A"]


def test_files_of_forms_that_came_later_come_last(root: Path) -> None:
    expected = read_split(root, "train")
    for name in ("a", "A", "b"):
        (root / "JPEGImages" / f"{name}.heic").write_bytes(b"")
        (root / "JPEGImages" / f"{name}.GIF").write_bytes(b"")
    write_list(root, "A\nb\nc.JPG\n")
    assert read_split(root, "train") == expected


@pytest.mark.parametrize("line", ["b", "B", "b.gif", "b.GIF"])
def test_a_list_may_mean_a_file_of_such_a_form(root: Path, line: str) -> None:
    image = root / "JPEGImages" / "b.jpg"
    image.rename(image.with_suffix(".gif"))
    write_list(root, f"{line}\n")
    assert read_split(root, "train")[0].image_path == image.with_suffix(".gif")


def test_several_files_that_fit_are_refused(root: Path) -> None:
    for suffix in (".Jpg", ".jPg"):
        (root / "JPEGImages" / f"n{suffix}").write_bytes(b"")
    write_list(root, "n\n")
    message = refusal(root)
    assert "several files fit 'n'" in message
    assert "'n.Jpg', 'n.jPg'" in message


@pytest.mark.parametrize("lines", ["a\na.jpg\n", "a\nA\n", "JPEGImages/b.jpg\nb\n"])
def test_one_image_by_two_names_is_refused(root: Path, lines: str) -> None:
    write_list(root, lines)
    assert "names an image twice" in refusal(root)


@pytest.mark.parametrize("line", ["a -1", "a  1", "b 0"])
def test_lists_of_a_class_are_explained(root: Path, line: str) -> None:
    path = write_list(root, f"{line}\n")
    message = refusal(root)
    assert message.startswith(f"{path}: names {line!r}")
    assert f"Expected the name alone: {line[0]!r}" in message


def test_a_name_that_ends_in_a_number_may_be_that_of_a_file(tmp_path: Path, make_dataset: MakeRoot) -> None:
    root = make_dataset(tmp_path / "set", {"train": ["scan 1", "scan -1"]})
    assert [example.name for example in read_split(root, "train")] == ["scan 1", "scan -1"]


@pytest.mark.parametrize("line", ["a.jpg,a.png;0", '["a", "b"]', "somewhere else"])
def test_the_form_of_a_name_is_shown_where_none_is_near(line: str, root: Path) -> None:
    write_list(root, f"{line}\n")
    assert "Expected a name such as '" in refusal(root)


def test_the_nearest_file_is_named(root: Path) -> None:
    os.rename(root / "JPEGImages" / "a.jpg", root / "JPEGImages" / "image_0001.jpg")
    write_list(root, "image_001\n")
    assert "The nearest file there is 'image_0001.jpg'" in refusal(root)
    write_list(root, "b\n")
    os.rename(root / "SegmentationClass" / "b.png", root / "SegmentationClass" / "b_mask.png")
    assert str(root / "SegmentationClass" / "b.png") in refusal(root)


@pytest.mark.parametrize("stem", ["b ", " b", "B "])
def test_spaces_around_the_name_of_a_file_do_not_matter(root: Path, stem: str) -> None:
    for folder, suffix in (("JPEGImages", ".jpg"), ("SegmentationClass", ".png")):
        os.rename(root / folder / f"b{suffix}", root / folder / f"{stem}{suffix}")
    assert read_split(root, "train")[1].image_path == root / "JPEGImages" / f"{stem}.jpg"


def test_labels_in_the_folder_of_another_tool_are_named(root: Path) -> None:
    (root / "SegmentationClass").rename(root / "SegmentationClassPNG")
    message = refusal(root)
    assert f"{root / 'SegmentationClassPNG'} has it: rename that folder to SegmentationClass" in message


def test_all_missing_files_are_counted(root: Path) -> None:
    write_list(root, "".join(f"lost_{number}\n" for number in range(50)) + "a\n")
    lines = refusal(root).splitlines()
    assert len(lines) == 21
    assert all(f"lost_{number}.jpg: is missing" in lines[number] for number in range(20))
    assert lines[-1] == "... and 30 more lines like these"


@pytest.mark.parametrize(
    "line",
    ["/etc/passwd", "//JPEGImages/../../a", "/JPEGImages/../../a", "JPEGImages/../../../a", "/a.jpg",
     "x/JPEGImages/../../a", "/JPEGImages/a.jpg /../../SegmentationClass/../a.png"],
)  # fmt: skip
def test_no_name_leaves_the_data_set(root: Path, line: str) -> None:
    write_list(root, f"{line}\n")
    assert "outside of the folder" in refusal(root)
