"""Tests of finding training images in the split that is scored, and of labels in a folder of their own."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from fcn.data.examination import check_examples
from fcn.data.image_io import encode_label, read_image, read_label
from fcn.data.leaks import check_copies, digest_images, shared_images
from fcn.data.voc import Example, read_classes, read_names, read_split
from fcn.errors import DataError


@pytest.fixture
def root(tmp_path: Path, make_dataset: object) -> Path:
    splits = {"train": ["a", "b", "c"], "val": ["x", "y"]}
    return make_dataset(tmp_path / "set", splits, suffix=".png")  # type: ignore[operator, no-any-return]


def examples(root: Path) -> tuple[list[Example], list[Example]]:
    return read_split(root, "train"), read_split(root, "val")


def check(root: Path) -> None:
    train, val = examples(root)
    check_copies(train, val, check_examples([*train, *val], 3))


def test_equal_pixels_have_equal_digests_whatever_the_files_are(root: Path) -> None:
    train, _ = examples(root)
    other = root / "copy.bmp"
    cv2.imwrite(str(other), read_image(train[0].image_path)[..., ::-1])
    assert other.read_bytes() != train[0].image_path.read_bytes()
    digests = check_examples([*train, train[0]._replace(image_path=other)], 3)
    assert digests[0] == digests[3]
    assert len({digest.image for digest in digests}) == len({digest.label for digest in digests}) == 3


def test_a_label_is_its_class_ids_whatever_their_colors_and_depth(root: Path) -> None:
    example = examples(root)[0][0]
    label = read_label(example.label_path)
    found = check_examples([example], 3)
    for data in (encode_label(label), encode_label(label, read_classes(root))):
        example.label_path.write_bytes(data)
        assert check_examples([example], 3) == found
    label[0, 0] = (label[0, 0] + 1) % 3
    example.label_path.write_bytes(encode_label(label))
    (other,) = check_examples([example], 3)
    assert (other.image == found[0].image, other.label == found[0].label) == (True, False)


def test_the_same_bytes_in_another_shape_are_another_image(root: Path) -> None:
    found = []
    for shape in ((4, 6), (6, 4)):
        path, label = root / "flat.png", root / "flat_label.png"
        cv2.imwrite(str(path), np.zeros((*shape, 3), np.uint8))
        label.write_bytes(encode_label(np.ones(shape, np.uint8)))
        found += check_examples([Example("flat", path, label)], 3)
    assert found[0].image != found[1].image
    assert found[0].label != found[1].label


def test_a_copy_under_another_name_is_refused(root: Path) -> None:
    check(root)
    train, val = examples(root)
    shutil.copy(train[1].image_path, val[0].image_path)
    with pytest.raises(DataError) as caught:
        check(root)
    assert f"(1): {train[1].image_path} and {val[0].image_path}." in str(caught.value)


def test_one_changed_pixel_makes_another_image(root: Path) -> None:
    train, val = examples(root)
    image = read_image(train[1].image_path).copy()
    image[0, 0, 0] ^= 1
    cv2.imwrite(str(val[0].image_path), image[..., ::-1])
    check(root)


def test_copies_within_a_split_are_no_leak(root: Path) -> None:
    train, val = examples(root)
    shutil.copy(train[0].image_path, train[1].image_path)
    shutil.copy(val[0].image_path, val[1].image_path)
    check(root)


def test_shared_images_are_told_from_images_of_the_same_name(root: Path, tmp_path: Path) -> None:
    train, val = examples(root)
    assert shared_images(train, val) == []
    assert shared_images(train, [*val, *train[1:]]) == train[1:]
    moved = shutil.copytree(root, tmp_path / "moved")
    same = read_split(moved, "train")
    assert shared_images(train, same) == same
    cv2.imwrite(str(same[0].image_path), np.zeros((20, 26, 3), np.uint8))
    assert shared_images(train, same) == same[1:]


def test_shared_images_are_found_under_other_names(root: Path, tmp_path: Path) -> None:
    train, val = examples(root)
    copies = []
    for number, one in enumerate(train):
        path = tmp_path / f"frame_{number}.png"
        cv2.imwrite(str(path), read_image(one.image_path)[..., ::-1])
        copies.append(one._replace(name=path.stem, image_path=path))
    scored = [*val, *copies]
    assert shared_images(train, scored) == copies
    # Digests that are known are not computed again.
    digests = digest_images(scored)
    for one in copies:
        one.image_path.unlink()
    assert shared_images(train, scored, digests) == copies
    train[0].image_path.write_bytes(b"")
    with pytest.raises(DataError):
        shared_images(train, scored, digests)
    assert shared_images(train, train) == train  # by their paths


def test_a_list_may_name_the_folder_of_a_label(root: Path) -> None:
    (root / "Other").mkdir()
    shutil.move(root / "SegmentationClass" / "b.png", root / "Other" / "b.png")
    (root / "ImageSets" / "Segmentation" / "train.txt").write_text("a\nb\tOther\nc\t\n")
    folders = [example.label_path.parent.name for example in read_split(root, "train")]
    assert folders == ["SegmentationClass", "Other", "SegmentationClass"]
    assert read_names(root, "train") == ["a", "b", "c"]
    check(root)


def test_the_palette_is_found_in_a_folder_of_its_own(root: Path) -> None:
    classes = read_classes(root)
    (root / "SegmentationClass").rename(root / "Other")
    for split in ("train", "val"):
        path = root / "ImageSets" / "Segmentation" / f"{split}.txt"
        path.write_text(path.read_text().replace("\n", "\tOther\n"))
    assert read_classes(root) == classes
    assert len(read_split(root, "train")) == 3


def test_a_missing_label_in_a_folder_of_its_own_is_named(root: Path) -> None:
    (root / "ImageSets" / "Segmentation" / "train.txt").write_text("a\nb\tOther\n")
    with pytest.raises(DataError, match=r"Other/b\.png: is missing"):
        read_split(root, "train")


def test_a_name_in_two_folders_is_still_named_twice(root: Path) -> None:
    (root / "ImageSets" / "Segmentation" / "train.txt").write_text("a\na\tOther\n")
    for read in (read_split, read_names):
        with pytest.raises(DataError, match="twice: a"):
            read(root, "train")
