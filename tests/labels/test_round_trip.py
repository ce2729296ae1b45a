"""What is exported to another tool and imported again is the same, to the pixel."""

from pathlib import Path

import numpy as np
import pytest
from conftest import MakeDataset

from fcn.classes import VOID
from fcn.cli.main import main
from fcn.data.image_io import read_label
from fcn.data.voc import read_classes, read_split

NAMES = ("background", "cat", "dog")


def data(*arguments: object) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["data", *map(str, arguments)])
    assert stopped.value.code in (0, None)


def labels_of(root: Path, split: str) -> dict[str, np.ndarray]:
    return {example.name: read_label(example.label_path) for example in read_split(root, split)}


@pytest.mark.parametrize("form", ["labelme", "cvat", "coco", "yolo"])
def test_labels_come_back(form: str, make_dataset: MakeDataset, tmp_path: Path) -> None:
    splits = {"train": ["a", "b", "c"], "val": ["x", "y"]}
    root = make_dataset(tmp_path / "root", splits, sizes=((20, 26), (31, 17)), class_names=NAMES)
    given = labels_of(root, "train") | labels_of(root, "val")
    assert any((label == VOID).any() for label in given.values())
    background = ["--background"] if form in ("coco", "yolo") else []
    data("export", root, "--format", form, "--output", tmp_path / "out", *background)
    data("import", tmp_path / "out", "--output", tmp_path / "again")
    assert read_classes(tmp_path / "again").names == NAMES
    found = {split: labels_of(tmp_path / "again", split) for split in splits}
    assert {split: sorted(labels) for split, labels in found.items()} == splits
    for name, label in {**found["train"], **found["val"]}.items():
        expected = given[name]
        if form in ("coco", "yolo"):  # have no void
            expected = np.where(expected == VOID, 0, expected)
        wrong = label != expected
        assert wrong.sum() <= (wrong.size // 20 if form == "yolo" else 0), name
