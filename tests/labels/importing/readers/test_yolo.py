"""Tests of reading YOLO segmentation: equal to OpenCV's filling, splits of any machine, and damaged files."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_fuzz import read_damaged
from PIL import Image

from fcn.errors import DataError
from fcn.labels.importing.importer import ImportOptions, plan_import
from fcn.labels.importing.readers import yolo
from fcn.labels.importing.recognition import recognize

SIZE = (12, 16)
TRIANGLE = "0 0.1 0.1 0.9 0.1 0.1 0.9\n"
NAMES = "names: [cat, dog, bird]\n"


def write_image(path: Path, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1]).save(path)
    return path


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def write_pair(folder: Path, name: str, text: str = TRIANGLE, size: tuple[int, int] = SIZE) -> None:
    write_image(folder / "images" / f"{name}.jpg", size)
    write_text(folder / "labels" / f"{name}.txt", text)


def refusal(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        [item.read_keys(SIZE) for item in yolo.read(folder).items]
    return str(caught.value)


def splits(folder: Path) -> dict[str, str | None]:
    return {item.name: item.split for item in yolo.read(folder).items}


def drawn_by_opencv(size: tuple[int, int], shapes: Sequence[tuple[int, Sequence[float]]]) -> np.ndarray:
    """Returns keys as Ultralytics makes its masks: cut to whole pixels, by falling number of pixels."""
    masks = []
    for number, shares in shapes:
        corners = np.array(shares, np.float32).reshape(-1, 2)
        corners[:, 0] *= size[1]
        corners[:, 1] *= size[0]
        mask = np.zeros(size, np.uint8)
        cv2.fillPoly(mask, np.asarray([corners], np.int32), color=1)
        masks.append((int(mask.sum()), mask.astype(bool), number + 1))
    keys = np.zeros(size, np.int32)
    for _, mask, key in sorted(masks, key=lambda one: -one[0]):
        keys[mask] = key
    return keys


shares = st.floats(0, 1, width=32) | st.floats(-0.01, 1.0, width=64) | st.sampled_from([0.0, 0.29, 0.5, 1.0])
polygons = st.lists(shares, min_size=6, max_size=14).map(lambda values: values[: len(values) // 2 * 2])


@settings(max_examples=40)
@given(
    st.tuples(st.integers(1, 120), st.integers(1, 120)),
    st.lists(st.tuples(st.integers(0, 2), polygons), min_size=1, max_size=6),
)
def test_polygons_equal_opencv_to_the_pixel(
    tmp_path_factory: pytest.TempPathFactory, size: tuple[int, int], shapes: list[tuple[int, list[float]]]
) -> None:
    folder = tmp_path_factory.mktemp("yolo")
    lines = [" ".join([str(number), *(repr(value) for value in values)]) for number, values in shapes]
    write_pair(folder, "a", "\n".join(lines), size)
    write_text(folder / "data.yaml", NAMES)
    (item,) = yolo.read(folder).items
    np.testing.assert_array_equal(item.read_keys(size), drawn_by_opencv(size, shapes))


def test_shares_are_multiplied_as_32_bit_floats(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", "0 0.29 0.29 0.9 0.29 0.29 0.9", (100, 100))
    (item,) = yolo.read(tmp_path).items
    rows, columns = np.nonzero(item.read_keys((100, 100)))
    assert (rows.min(), columns.min()) == (29, 29)  # 0.29 * 100 is 28.999999999999996 in 64 bits


def test_folders_for_splits_and_images_without_objects(tmp_path: Path) -> None:
    write_pair(tmp_path, "train/a")
    write_pair(tmp_path, "train/b", "")
    write_image(tmp_path / "images" / "train" / "c.png")
    write_pair(tmp_path, "val/d", "2 0.1 0.1 0.9 0.1 0.1 0.9\r\n\r\n")
    write_image(tmp_path / "examples" / "picture.png")
    write_text(tmp_path / "data.yaml", "path: /content/x\ntrain: images/train\nval: images/val\n" + NAMES)
    assert recognize(tmp_path) == "yolo"
    source = yolo.read(tmp_path)
    assert splits(tmp_path) == {
        "images/train/a": "train",
        "images/train/b": "train",
        "images/train/c": "train",
        "images/val/d": "val",
    }
    assert [bool(item.read_keys(SIZE).any()) for item in source.items] == [True, False, False, True]
    assert source.notes == (
        "1 image has no label file: all of them is background",
        "1 image is in folders without labels: left out",
    )
    plan = plan_import([tmp_path], ImportOptions())
    assert plan.choice.classes.names == ("background", "cat", "dog", "bird")
    void = ImportOptions()._replace(classes=ImportOptions().classes._replace(void=("0",)))
    assert plan_import([tmp_path], void).choice.classes.names == ("background", "dog", "bird")


def test_a_folder_for_each_split_as_roboflow_writes_it(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        write_pair(tmp_path / split, split)
    text = (
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 2\nnames: ['cat', 'dog']\n"
    )
    write_text(tmp_path / "data.yaml", text)
    assert splits(tmp_path) == {"train/images/train": "train", "valid/images/valid": "val"}
    assert "names '../test/images' for test, which is not below" in yolo.read(tmp_path).notes[0]


def test_lists_of_another_machine(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_pair(tmp_path, name)
    write_text(tmp_path / "train.txt", "data/images/a.jpg\n./images/c.jpg\n\n")
    write_text(tmp_path / "lists" / "val.txt", "C:\\rooms\\images\\b.jpg\nimages/gone.jpg\n")
    text = "train: /home/x/rooms/train.txt\nval: [lists/val.txt]\nnames: {0: cat, 1: dog}\n"
    write_text(tmp_path / "rooms.yaml", text)
    assert splits(tmp_path) == {"images/a": "train", "images/b": "val", "images/c": "train"}
    assert yolo.read(tmp_path).notes == (
        "val.txt names 1 image that is not there, such as 'images/gone.jpg'",
    )


def test_images_of_both_splits_are_left_to_chance(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_pair(tmp_path, f"train2017/{name}")
    write_text(tmp_path / "data.yaml", "train: images/train2017\nval: images/train2017\n" + NAMES)
    assert set(splits(tmp_path).values()) == {None}
    assert yolo.read(tmp_path).notes == ("data.yaml uses 2 images both to train and to validate or test",)


def test_a_class_called_background_and_classes_without_names(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", TRIANGLE + "7 0.5 0.5 0.9 0.5 0.5 0.9")
    plan = plan_import_all(tmp_path)
    assert plan == ("background", "class 0", "class 7")
    write_text(tmp_path / "labels" / "a.txt", TRIANGLE)
    write_text(tmp_path / "classes.txt", "background\ncat\n")
    source = yolo.read(tmp_path)
    assert [one.name for one in source.classes.values()] == ["background", "cat"]
    assert not source.items[0].read_keys(SIZE).any()


def plan_import_all(folder: Path) -> tuple[str, ...]:
    write_pair(folder, "other")
    return plan_import([folder], ImportOptions()).choice.classes.names


def test_labels_may_lie_beside_the_images(tmp_path: Path) -> None:
    write_image(tmp_path / "obj_train_data" / "a.jpg")
    write_text(tmp_path / "obj_train_data" / "a.txt", TRIANGLE)
    write_text(tmp_path / "obj.names", "cat\n")
    assert recognize(tmp_path) == "yolo"
    assert yolo.read(tmp_path).items[0].read_keys(SIZE).any()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 0.5 0.5 0.2 0.2", "is a box, 5 numbers"),
        ("0 0.1 0.1 0.9 0.1 0.1 0.9 0.8", "not pairs. The last may be a confidence"),
        ("0 0.1 0.1 0.9", "expected a class and the corners"),
        ("0 10 10 90 10 10 90", "expected shares"),
        ("0 nan 0.1 0.9 0.1 0.1 0.9", "expected a class and the corners"),
        ("0 1e999 0.1 0.9 0.1 0.1 0.9", "expected shares"),
        ("0 0.1.1 0.1 0.9 0.1 0.1 0.9", "could not convert"),
        ("cat 0.1 0.1 0.9 0.1 0.1 0.9", "expected a class and the corners"),
        ("-1 0.1 0.1 0.9 0.1 0.1 0.9", "expected a class and the corners"),
        ("3 0.1 0.1 0.9 0.1 0.1 0.9", "has the class 3, which has no name"),
        ("9" * 5000 + " 0.1 0.1 0.9 0.1 0.1 0.9", "line 2"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, expected: str) -> None:
    write_pair(tmp_path, "a", f"{TRIANGLE}{line}\n")
    write_text(tmp_path / "data.yaml", NAMES)
    message = refusal(tmp_path)
    assert expected in message
    assert f"{tmp_path / 'labels' / 'a.txt'}: line 2" in message
    assert len(message) < 1000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("names: 3", "names: expected a list"),
        ("names: []", "names: expected a list"),
        ("names: [[a]]", "names: expected a name for class 0"),
        ("names: {x: a}", "names: expected numbers of classes"),
        ("names: {-1: a}", "names: expected numbers of classes"),
        ("names: {99999999: a}", "names: expected numbers of classes"),
        ("names: [a]\ntrain: 3", "train: expected folders"),
        ("names: [a", "is not YAML"),
        ("names: " + "[" * 50, "nested deeper"),
    ],
)
def test_a_damaged_data_file_is_named(tmp_path: Path, text: str, expected: str) -> None:
    write_pair(tmp_path, "a")
    path = write_text(tmp_path / "data.yaml", text)
    message = refusal(tmp_path)
    assert message.startswith(f"{path}: ")
    assert expected in message


def test_boxes_alone_are_recognized_to_be_refused_and_other_texts_are_not(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", "0 0.5 0.5 0.2 0.2")
    assert recognize(tmp_path) == "yolo"
    write_text(tmp_path / "labels" / "a.txt", "a cat on a sofa at 0.5 0.5\n")
    assert not yolo.recognizes(tmp_path)


@pytest.mark.parametrize("damaged", ["labels/train/a.txt", "data.yaml", "train.txt"])
@pytest.mark.parametrize(
    "examples", [60, pytest.param(10_000, marks=pytest.mark.exhaustive)], ids=lambda count: f"{count} files"
)
def test_damaged_files_are_read_or_refused(tmp_path: Path, examples: int, damaged: str) -> None:
    write_pair(tmp_path, "train/a", TRIANGLE * 2 + "2 0.5 0.5 0.9 0.5 0.5 0.9 0.7 0.3\n")
    write_pair(tmp_path, "val/b")
    write_text(tmp_path / "train.txt", "./images/train/a.jpg\n")
    write_text(tmp_path / "data.yaml", "path: x\ntrain: train.txt\nval: images/val\n" + NAMES)
    read_damaged(tmp_path, tmp_path / damaged, yolo.read, examples, SIZE)
