"""Tests of data sets in the layout of Pascal VOC."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from fcn.classes import MAX_CLASSES, VOC_CLASS_NAMES, VOID, Classes, voc_palette
from fcn.data.examination import check_examples
from fcn.data.image_io import encode_label, read_image
from fcn.data.leaks import check_disjoint
from fcn.data.voc import Example, read_classes, read_example, read_split
from fcn.errors import DataError
from fcn.system import parallel

CAMVID_CLASS_NAMES = (
    "sky", "building", "pole", "road", "pavement", "tree", "signsymbol", "fence", "car", "pedestrian",
    "bicyclist",
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, make_dataset: Callable[..., Path]) -> Path:
    return make_dataset(tmp_path / "set", {"train": ["a", "b", "c"], "val": ["x", "y"]})


def split_file(root: Path, split: str = "train") -> Path:
    return root / "ImageSets" / "Segmentation" / f"{split}.txt"


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        action()
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_voc_2012_is_read_as_it_is(voc_root: Path) -> None:
    train, val = read_split(voc_root, "train"), read_split(voc_root, "val")
    for split, examples in (("train", train), ("val", val)):
        assert examples
        assert [example.name for example in examples] == split_file(voc_root, split).read_text().split()
    check_disjoint(train, val, voc_root)
    classes = read_classes(voc_root)
    assert classes.names == VOC_CLASS_NAMES
    np.testing.assert_array_equal(classes.palette, voc_palette()[:21])
    check_examples(val[:10], len(classes.names))


def test_camvid_has_its_own_classes_and_colors(camvid_root: Path) -> None:
    train, val = read_split(camvid_root, "train"), read_split(camvid_root, "val")
    assert (len(train), len(val)) == (367, 101)
    check_disjoint(train, val, camvid_root)
    classes = read_classes(camvid_root)
    assert classes.names == CAMVID_CLASS_NAMES
    assert len(set(classes.palette)) == 11
    assert classes.palette[0] == (128, 128, 128)
    check_examples(val[:5], 11)


def test_examples_come_in_the_order_of_the_list(root: Path) -> None:
    split_file(root).write_text("c\na\n")
    assert read_split(root, "train") == [
        Example(name, root / "JPEGImages" / f"{name}.jpg", root / "SegmentationClass" / f"{name}.png")
        for name in ("c", "a")
    ]


def test_an_example_is_the_image_and_the_label_as_they_are(root: Path) -> None:
    example = read_split(root, "train")[0]
    image, label = read_example(example, 3)
    np.testing.assert_array_equal(image, read_image(example.image_path))
    assert image.shape == (20, 26, 3)
    assert label.shape == (20, 26)
    assert np.unique(label).tolist() == [0, 1, 2, VOID]


def test_images_may_be_png(tmp_path: Path, make_dataset: Callable[..., Path]) -> None:
    root = make_dataset(tmp_path / "png", {"train": ["a"]}, suffix=".png")
    assert read_split(root, "train")[0].image_path == root / "JPEGImages" / "a.png"


@pytest.mark.parametrize(
    "content",
    [b"a\r\nb\r\n", b"\xef\xbb\xbfa\nb\n", b"a\n\n  b  \n\n", b"a\nb", b"\xef\xbb\xbfa\r\n\r\nb\r\n"],
)
def test_lists_from_any_editor_are_read(root: Path, content: bytes) -> None:
    split_file(root).write_bytes(content)
    assert [example.name for example in read_split(root, "train")] == ["a", "b"]
    (root / "labels.txt").write_bytes(content)
    assert read_classes(root).names == ("a", "b")


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for read in (read_classes, lambda root: read_split(root, "train")):
        for name, said in (("none", "no such folder"), ("empty", "holds no folder JPEGImages")):
            message = refusal(lambda read=read, name=name: read(tmp_path / name))  # type: ignore[misc]
            assert f"{tmp_path / name}: {said}" in message


def test_a_folder_around_the_data_set_gets_a_hint(root: Path) -> None:
    (root.parent / "outer" / "VOCdevkit").mkdir(parents=True)
    root.rename(root.parent / "outer" / "VOCdevkit" / "VOC2012")
    inside = root.parent / "outer" / "VOCdevkit" / "VOC2012"
    for outside in (root.parent / "outer", root.parent / "outer" / "VOCdevkit"):
        assert f"Use {inside}." in refusal(lambda outside=outside: read_classes(outside))  # type: ignore[misc]


def test_a_split_that_is_not_there_lists_the_known_ones(root: Path) -> None:
    message = refusal(lambda: read_split(root, "test"))
    assert str(split_file(root, "test")) in message
    assert "train, val" in message
    shutil.rmtree(root / "ImageSets")
    assert "none" in refusal(lambda: read_split(root, "train"))


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff\n"])
def test_an_empty_split_is_refused(root: Path, content: str) -> None:
    split_file(root).write_text(content, encoding="utf-8")
    message = refusal(lambda: read_split(root, "train"))
    assert str(split_file(root)) in message
    assert "empty" in message


def test_an_image_named_twice_is_refused(root: Path) -> None:
    split_file(root).write_text("a\nb\na\n")
    message = refusal(lambda: read_split(root, "train"))
    assert str(split_file(root)) in message
    assert "twice: a." in message


def test_a_list_that_is_no_text_is_refused(root: Path) -> None:
    split_file(root).write_bytes(b"\xff\xfea\x00")
    assert "UTF-8" in refusal(lambda: read_split(root, "train"))


@pytest.mark.parametrize("line", ["a" * 300, "漢" * 100])
def test_a_line_that_can_be_no_file_name_is_refused(root: Path, line: str) -> None:
    split_file(root).write_text(f"{line}\n", encoding="utf-8")
    assert line[:50] in refusal(lambda: read_split(root, "train"))


@pytest.mark.parametrize("lost", ["JPEGImages/b.jpg", "SegmentationClass/b.png"])
def test_a_missing_image_or_label_is_named(root: Path, lost: str) -> None:
    (root / lost).unlink()
    message = refusal(lambda: read_split(root, "train"))
    assert str(root / lost) in message
    assert str(split_file(root)) in message


def test_a_label_of_another_size_is_named_with_both_sizes(root: Path) -> None:
    example = read_split(root, "train")[1]
    # The same number of pixels, so that only the shape can tell.
    example.label_path.write_bytes(encode_label(np.ones((26, 20), np.uint8)))
    message = refusal(lambda: read_example(example, 3))
    assert str(example.label_path) in message
    assert "b.jpg, 20x26" in message
    assert "Received: 26x20" in message


def test_the_other_ways_a_label_can_be_wrong_are_named(root: Path) -> None:
    example = read_split(root, "train")[1]
    label = np.zeros((20, 26), np.uint8)
    label[3, 4] = 3
    example.label_path.write_bytes(encode_label(label))
    message = refusal(lambda: read_example(example, 3))
    assert str(example.label_path) in message
    assert "class ids 0 to 2" in message
    example.label_path.write_bytes(cv2.imencode(".png", np.zeros((20, 26, 3), np.uint8))[1].tobytes())
    assert "expected a label of class ids" in refusal(lambda: read_example(example, 3))
    example.image_path.write_bytes(example.image_path.read_bytes()[:200])
    assert str(example.image_path) in refusal(lambda: read_example(example, 3))


def test_an_image_in_train_and_val_is_refused(root: Path) -> None:
    train, val = read_split(root, "train"), read_split(root, "val")
    check_disjoint(train, val, root)
    message = refusal(lambda: check_disjoint(train, [*val, train[1]], root))
    assert str(root) in message
    assert "b." in message


def test_checking_names_every_file_up_to_twenty(root: Path) -> None:
    train, val = read_split(root, "train"), read_split(root, "val")
    check_examples(train + val, 3)
    for example in train:
        example.image_path.write_bytes(b"")
    message = refusal(lambda: check_examples(train + val, 3))
    assert [str(example.image_path) in message for example in train] == [True] * 3
    assert "more" not in message
    many = [*train * 7, *val]
    message = refusal(lambda: check_examples(many, 3))
    assert message.count("is empty") == 20
    assert "and 1 more" in message


@pytest.mark.parametrize("cores", [1, 2, 7])
def test_any_number_of_cores_gives_the_same_digests_and_the_same_message(
    cores: int, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "available_cores", lambda: cores)
    examples = [*read_split(root, "train"), *read_split(root, "val")]
    expected = [check_examples([example], 3)[0] for example in examples]
    assert len({digest.image for digest in expected}) == len(examples)
    assert check_examples(examples * 5, 3) == expected * 5
    damaged = [examples[1], examples[4]]
    for example in damaged:
        example.image_path.write_bytes(b"")
    lines = refusal(lambda: check_examples(examples * 12, 3)).splitlines()
    named = [example.image_path for example in damaged * 12][:20]
    assert [line.startswith(f"{path}: is empty") for line, path in zip(lines, named, strict=False)] == [
        True
    ] * 20
    assert lines[20] == "... and 4 more files like these"


def test_without_a_class_list_the_classes_are_those_of_voc_where_the_configuration_says_so(
    root: Path,
) -> None:
    (root / "labels.txt").unlink()
    assert read_classes(root, configured="voc") == Classes.named(VOC_CLASS_NAMES)


def test_grey_labels_get_the_colors_of_voc(root: Path) -> None:
    for path in (root / "SegmentationClass").iterdir():
        path.write_bytes(encode_label(np.ones((20, 26), np.uint8)))
    assert read_classes(root) == Classes.named(("ground", "cat", "dog"))


def test_the_colors_of_the_labels_are_kept(root: Path) -> None:
    classes = Classes(("ground", "cat", "dog"), ((9, 8, 7), (6, 5, 4), (3, 2, 1)))
    for path in (root / "SegmentationClass").iterdir():
        path.write_bytes(encode_label(np.ones((20, 26), np.uint8), classes))
    assert read_classes(root) == classes


def test_a_damaged_label_does_not_hide_behind_a_traceback(root: Path) -> None:
    for path in (root / "SegmentationClass").iterdir():
        path.write_bytes(b"no label")
    assert "SegmentationClass" in refusal(lambda: read_classes(root))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "1 to 255 class names. Received: 0"),
        ("".join(f"c{number}\n" for number in range(MAX_CLASSES + 1)), "Received: 256"),
        ("ground\ncat\ncat\n", "names a class twice: cat"),
        ("ground\nc\x1b[31mat\n", r"without control characters. Received: 'c\x1b[31mat'. Correct the file"),
        ("ground\nc\ta\tt\n", "without control characters"),
        ("ground\n" + "c" * 201, "1 to 200 characters in the name of class 1. Received: 201"),
        ("ground\n" * 200_000, "at most 255 classes. Received: 1400000 bytes"),
    ],
)
def test_a_class_list_that_cannot_be_used_is_refused(root: Path, content: str, words: str) -> None:
    (root / "labels.txt").write_text(content)
    message = refusal(lambda: read_classes(root))
    assert str(root / "labels.txt") in message
    assert words in message


def test_255_classes_are_allowed(root: Path) -> None:
    (root / "labels.txt").write_text("".join(f"c{number}\n" for number in range(MAX_CLASSES)))
    assert len(read_classes(root).names) == 255


@pytest.mark.parametrize(
    "line", ["../outside/a", "/etc/a", "a\t../outside", "a\t/etc", "b/../../../outside/a", "a\0"]
)
def test_a_line_that_leads_out_of_the_data_set_is_refused(root: Path, line: str) -> None:
    shutil.copytree(root / "JPEGImages", root.parent / "outside", dirs_exist_ok=True)
    shutil.copytree(root / "SegmentationClass", root.parent / "outside", dirs_exist_ok=True)
    shutil.copytree(root.parent / "outside", root / "outside")
    split_file(root).write_text(f"{line}\n", encoding="utf-8")
    for read in (lambda: read_split(root, "train"), lambda: read_classes(root)):
        message = refusal(read)
        assert message.startswith(f"{split_file(root)}: names ")
        assert "outside of the folder" in message


def test_a_split_that_leads_out_of_the_data_set_is_refused(root: Path) -> None:
    (root / "train.txt").write_text("a\n")
    assert "outside of the folder" in refusal(lambda: read_split(root, "../../train"))


def test_images_and_labels_may_be_links(root: Path) -> None:
    expected = [read_image(example.image_path) for example in read_split(root, "train")]
    (root / "JPEGImages").rename(root.parent / "elsewhere")
    (root / "JPEGImages").symlink_to(root.parent / "elsewhere")
    found = [read_image(example.image_path) for example in read_split(root, "train")]
    assert all(np.array_equal(*pair) for pair in zip(expected, found, strict=True))
