"""Chosen images are written with the labels of the net, and as a list."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from fcn.data.image_io import read_label
from fcn.data.voc import read_classes
from fcn.errors import DataError, OutputError
from fcn.inference.predictor import Predictor
from fcn.jobs.sources.path_list import PathList
from fcn.jobs.sources.search import FoundImage
from fcn.labels.importing.importer import ImportOptions, plan_import, write_import
from fcn.outputs.prelabels import merge_small_regions
from fcn.suggestion.copies import copy_labeled, unused_names, write_list
from fcn.suggestion.suggest import Suggestion

NAMES = ("sky", "cat", "dog")


@pytest.fixture(scope="module")
def predictor(thin_net: Callable[..., object]) -> Predictor:
    return Predictor(thin_net(class_names=NAMES))  # type: ignore[arg-type]


def suggestion(path: Path, folder: str = "") -> Suggestion:
    return Suggestion(FoundImage(str(path), str(path), folder), 0.5)


def write_image(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(coarse, (120, 100), interpolation=cv2.INTER_CUBIC))
    return path


@pytest.fixture
def chosen(tmp_path: Path) -> list[Suggestion]:
    folder = tmp_path / "images"
    return [
        suggestion(write_image(folder / "b.jpg", 0)),
        suggestion(write_image(folder / "below" / "b.png", 1), "below"),
        suggestion(write_image(folder / "a.png", 2)),
    ]


@pytest.mark.parametrize("form", ["labelme", "cvat"])
def test_images_come_with_the_labels_of_the_net(
    predictor: Predictor, chosen: list[Suggestion], tmp_path: Path, form: str
) -> None:
    output = tmp_path / "out"
    written = copy_labeled(predictor, chosen, output, form)
    assert written.images == 3
    folder = output if form == "labelme" else output / "images"
    names = ["a.png", "b.jpg", "below/b.png"]
    images = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.[jp][pn]g")}
    assert sorted(images) == names
    for one in chosen:
        path = Path(one.found.folder, Path(one.path).name).as_posix()
        assert images[path].read_bytes() == Path(one.path).read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []

    back = tmp_path / "back"
    write_import(plan_import([output], ImportOptions()), back)
    assert read_classes(back).names == NAMES
    labels = sorted((read_label(path) for path in (back / "SegmentationClass").rglob("*.png")), key=np.sum)
    predicted = [predictor.predict(one.path).label for one in chosen]
    # 0.01% of an image of 12,000 pixels is one: regions of at least two pixels stay.
    expected = sorted((merge_small_regions(label, 2)[0] for label in predicted), key=np.sum)
    assert all(len(np.unique(label)) > 1 for label in expected)
    for label, other in zip(labels, expected, strict=True):
        np.testing.assert_array_equal(label, other)


def test_what_is_in_the_folder_stays(predictor: Predictor, chosen: list[Suggestion], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "corrected.json").write_text("{}")
    with pytest.raises(OutputError, match=r"out: exists already\. Expected a new or empty folder"):
        copy_labeled(predictor, chosen, tmp_path / "out")
    Path(chosen[1].path).write_bytes(b"broken since")
    with pytest.raises(DataError, match=r"below/b\.png: "):
        copy_labeled(predictor, chosen, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "out"]


def test_an_image_of_another_machine_is_downloaded(
    predictor: Predictor, chosen: list[Suggestion], tmp_path: Path
) -> None:
    memory = pytest.importorskip("fsspec").filesystem("memory")
    memory.pipe("/copied/far.png", Path(chosen[2].path).read_bytes())
    far = Suggestion(FoundImage("memory://copied/far.png", "memory://copied/far.png", ""), 0.5)
    copy_labeled(predictor, [far], tmp_path / "out")
    assert (tmp_path / "out" / "far.png").read_bytes() == Path(chosen[2].path).read_bytes()
    document = json.loads((tmp_path / "out" / "far.json").read_text())
    assert (document["imagePath"], document["imageHeight"]) == ("far.png", 100)


def test_names_are_kept_as_far_as_they_differ_and_tools_can_read_them() -> None:
    places = [
        "/x/a.jpg",
        "/x/a.png",
        "/x/A.jpg",
        "/x/y/a.jpg",
        "/x/new\nline.jpg",
        "/x/\udcff.jpg",
        "/x/a.png",
    ]
    folders = ["", "", "", "y", "", "", ""]
    names = unused_names(folders, places)
    assert names == ["a", "a.png", "A.jpg", "y/a", "image_5", "image_6", "image_7"]
    assert unused_names(["", ""], ["/image_2.jpg", "/\n.jpg"]) == ["image_2", "image_3"]


def test_the_list_is_one_that_infer_takes(tmp_path: Path) -> None:
    paths = [
        "images/a b.jpg",
        "images/\udcff.jpg",
        "images/ä.jpg",
        "images/line\nfeed.jpg",
        "s3://bucket/c.png",
    ]
    chosen = [Suggestion(FoundImage(path, path, ""), 0.5) for path in paths]
    assert write_list(tmp_path / "new" / "list.txt", chosen) == 1
    with (tmp_path / "new" / "list.txt").open("rb") as file:
        assert [*PathList(file).entries()] == [path for path in paths if "\n" not in path]
    assert os.listdir(tmp_path / "new") == ["list.txt"]
