"""Tests of the splits of VOC with SBD, on a made-up VOC of twelve images worked by hand."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from fcn.classes import VOC_CLASS_NAMES, Classes
from fcn.data.examination import check_examples
from fcn.data.image_io import encode_label, read_label, read_palette
from fcn.data.leaks import check_disjoint
from fcn.data.splits import EXPECTED_COUNTS, SBD_LABELS, build_splits
from fcn.data.voc import read_split
from fcn.errors import DataError, OutputError

# VOC 2012:  train a b c     val d e f      other images g h i j k l
# SBD:       train a d g h   val b e i j
# VOC 2011:  train a         val b d e k
COUNTS = {"train": 3, "val": 3, "train_aug": 7, "sbd_train": 4, "seg11valid": 3}
SBD_CLASS, VOC_CLASS = 7, 12


def write_list(root: Path, split: str, names: str) -> Path:
    path = root / "ImageSets" / "Segmentation" / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names))
    return path


def write_sbd_label(sbd: Path, name: str, label: object) -> Path:
    path = sbd / "cls" / f"{name}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"GTcls": {"Segmentation": label}}, do_compression=True)
    return path


@pytest.fixture
def folders(tmp_path: Path, make_dataset: object) -> tuple[Path, Path, Path]:
    voc = make_dataset(tmp_path / "VOC2012", {"train": "abc", "val": "def", "rest": "ghijkl"})  # type: ignore[operator]
    (voc / "labels.txt").unlink()
    (voc / "ImageSets" / "Segmentation" / "rest.txt").unlink()
    for name in "abcdef":
        label = np.full((20, 26), VOC_CLASS, np.uint8)
        data = encode_label(label, Classes.named(VOC_CLASS_NAMES))
        (voc / "SegmentationClass" / f"{name}.png").write_bytes(data)
    for name in "ghijkl":
        (voc / "SegmentationClass" / f"{name}.png").unlink()
    sbd = tmp_path / "benchmark_RELEASE" / "dataset"
    for name in "adghbeij":
        write_sbd_label(sbd, name, np.full((20, 26), SBD_CLASS, np.uint8))
    (sbd / "train.txt").write_text("a\nd\ng\nh\n")
    (sbd / "val.txt").write_text("b\ne\ni\nj\n")
    old = tmp_path / "VOC2011"
    (old / "JPEGImages").mkdir(parents=True)
    write_list(old, "train", "a")
    write_list(old, "val", "bdek")
    return voc, sbd, old


def build(folders: tuple[Path, Path, Path], counts: dict[str, int] = COUNTS) -> dict[str, int]:
    voc, sbd, old = folders
    # k has no label in VOC 2012, where every image of VOC 2011's val has one.
    (voc / "SegmentationClass" / "k.png").write_bytes((voc / "SegmentationClass" / "a.png").read_bytes())
    return build_splits(voc, sbd, old, counts)


def classes_of(voc: Path, split: str) -> dict[str, int]:
    return {example.name: int(read_label(example.label_path)[0, 0]) for example in read_split(voc, split)}


def test_each_split_has_its_images_and_its_own_labels(folders: tuple[Path, Path, Path]) -> None:
    voc = folders[0]
    own = {path: path.read_bytes() for path in (voc / "SegmentationClass").iterdir()}
    assert build(folders) == COUNTS
    assert classes_of(voc, "train_aug") == dict.fromkeys("abc", VOC_CLASS) | dict.fromkeys("ghij", SBD_CLASS)
    assert classes_of(voc, "sbd_train") == dict.fromkeys("adgh", SBD_CLASS)
    assert classes_of(voc, "seg11valid") == dict.fromkeys("bek", VOC_CLASS)
    assert classes_of(voc, "val") == dict.fromkeys("def", VOC_CLASS)
    assert {path: path.read_bytes() for path in own} == own
    for split in COUNTS:
        check_examples(read_split(voc, split), 21)
    np.testing.assert_array_equal(
        read_palette(voc / "SegmentationClassSBD" / "a.png"),
        read_palette(voc / "SegmentationClass" / "a.png"),
    )


def test_splits_that_go_together_share_no_image(folders: tuple[Path, Path, Path]) -> None:
    voc = folders[0]
    build(folders)
    splits = {split: read_split(voc, split) for split in COUNTS}
    check_disjoint(splits["train_aug"], splits["val"], voc)
    check_disjoint(splits["sbd_train"], splits["seg11valid"], voc)
    with pytest.raises(DataError, match=r"share images \(1\): d\."):
        check_disjoint(splits["sbd_train"], splits["val"], voc)


def test_building_again_changes_nothing(folders: tuple[Path, Path, Path]) -> None:
    build(folders)
    before = {path: path.read_bytes() for path in folders[0].rglob("*") if path.is_file()}
    assert build(folders) == COUNTS
    assert {path: path.read_bytes() for path in folders[0].rglob("*") if path.is_file()} == before


def test_without_voc_2011_there_is_no_seg11valid(folders: tuple[Path, Path, Path]) -> None:
    voc, sbd, _ = folders
    expected = {split: count for split, count in COUNTS.items() if split != "seg11valid"}
    assert build_splits(voc, sbd.parent, counts=COUNTS) == expected
    assert not (voc / "ImageSets" / "Segmentation" / "seg11valid.txt").exists()


@pytest.mark.parametrize("split", COUNTS)
def test_another_count_is_refused_and_nothing_written(folders: tuple[Path, Path, Path], split: str) -> None:
    before = sorted(folders[0].rglob("*"))
    with pytest.raises(DataError) as caught:
        build_splits(*folders, COUNTS | {split: 99})
    assert f"{split}.txt: expected 99 images in {split}. Received: {COUNTS[split]}." in str(caught.value)
    assert sorted(folders[0].rglob("*")) == before


def test_the_published_counts_are_asked_for_unless_told_otherwise(folders: tuple[Path, Path, Path]) -> None:
    assert EXPECTED_COUNTS == {
        "train": 1464, "val": 1449, "train_aug": 10582, "sbd_train": 8498, "seg11valid": 736,
    }  # fmt: skip
    with pytest.raises(DataError, match="expected 1464 images in train"):
        build_splits(*folders)


def test_a_list_of_the_users_own_is_not_overwritten(folders: tuple[Path, Path, Path]) -> None:
    path = write_list(folders[0], "train_aug", "abc")
    with pytest.raises(DataError) as caught:
        build(folders)
    assert f"{path}: exists already" in str(caught.value)
    assert path.read_text() == "a\nb\nc\n"
    assert not (folders[0] / "SegmentationClassSBD").exists()


def test_lists_are_written_last(folders: tuple[Path, Path, Path]) -> None:
    voc, sbd, _ = folders
    broken = sbd / "cls" / "h.mat"
    broken.write_bytes(broken.read_bytes()[:-9])
    with pytest.raises(DataError) as caught:
        build(folders)
    assert str(broken) in str(caught.value)
    assert not list((voc / "ImageSets" / "Segmentation").glob("*a*_*"))
    write_sbd_label(sbd, "h", np.full((20, 26), SBD_CLASS, np.uint8))
    assert build(folders) == COUNTS


def test_a_label_with_another_class_is_named(folders: tuple[Path, Path, Path]) -> None:
    path = write_sbd_label(folders[1], "h", np.full((20, 26), 21, np.uint8))
    with pytest.raises(DataError) as caught:
        build(folders)
    assert str(path) in str(caught.value)
    assert "class ids 0 to 20" in str(caught.value)


@pytest.mark.parametrize("lost", ["train.txt", "val.txt", "cls"])
def test_what_is_missing_is_named(folders: tuple[Path, Path, Path], lost: str) -> None:
    sbd = folders[1]
    (sbd / lost).rename(sbd / "elsewhere")
    with pytest.raises(DataError, match=str(sbd)):
        build(folders)


def test_a_folder_that_is_not_voc_is_refused(folders: tuple[Path, Path, Path]) -> None:
    voc, sbd, old = folders
    with pytest.raises(DataError, match="holds no folder JPEGImages"):
        build_splits(voc / "JPEGImages", sbd, old, COUNTS)
    with pytest.raises(DataError, match="none: no such folder"):
        build_splits(voc.parent / "none", sbd, old, COUNTS)


def test_a_split_that_another_command_writes_is_named_with_it(folders: tuple[Path, Path, Path]) -> None:
    with pytest.raises(DataError, match=r"fcn data splits writes train_aug.*data.train_split=train"):
        read_split(folders[0], "train_aug")


def test_a_missing_list_of_voc_2011_is_named(folders: tuple[Path, Path, Path]) -> None:
    write_list(folders[2], "val", "b").unlink()
    with pytest.raises(DataError, match=r"VOC2011/ImageSets/Segmentation/val\.txt: no such split"):
        build(folders)


@pytest.mark.parametrize("name", ["../../../victim/x", "/victim/x", "a/../../../victim/x"])
def test_a_name_of_sbd_that_leads_out_writes_nothing_there(
    folders: tuple[Path, Path, Path], name: str
) -> None:
    voc, sbd, _ = folders
    (voc.parent / "victim").mkdir()
    (voc.parent / "victim" / "x.png").write_bytes(b"mine")
    for place in ("victim", "benchmark_RELEASE/victim"):
        (voc.parent / place).mkdir(exist_ok=True)
        label = write_sbd_label(sbd, "a", np.full((20, 26), SBD_CLASS, np.uint8)).read_bytes()
        (voc.parent / place / "x.mat").write_bytes(label)
    found = sbd / "dataset" if (sbd / "dataset").exists() else sbd
    (found / "train.txt").write_text(f"a\nd\ng\n{name}\n")
    with pytest.raises(DataError, match="outside of the folder"):
        build(folders)
    assert (voc.parent / "victim" / "x.png").read_bytes() == b"mine"
    assert not (voc / "ImageSets" / "Segmentation" / "sbd_train.txt").exists()


def test_labels_of_sbd_are_not_written_through_a_link(folders: tuple[Path, Path, Path]) -> None:
    voc, sbd, _ = folders
    (voc.parent / "victim").mkdir()
    (sbd / "train.txt").write_text("a\nd\nsub/g\nh\n")
    write_sbd_label(sbd, "sub/g", np.full((20, 26), SBD_CLASS, np.uint8))
    (voc / SBD_LABELS).mkdir()
    (voc / SBD_LABELS / "sub").symlink_to(voc.parent / "victim")
    with pytest.raises(OutputError, match="is a link"):
        build(folders)
    assert not [*(voc.parent / "victim").iterdir()]
