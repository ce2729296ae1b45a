import numpy as np
import pytest
from importing_sources import SIZE, import_labels, plan_of, write_ids, write_image

from fcn.classes import VOID
from fcn.errors import DataError
from fcn.labels.importing.readers import cityscapes
from fcn.labels.importing.recognition import recognize

# Of the 19 evaluated classes: github.com/mcordts/cityscapesScripts, helpers/labels.py.
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


def base(split, city, number) -> str:
    return f"{split}/{city}/{city}_{number:06}_000019"


def build(folder, kinds=("labelIds",), ids=None, quality="Fine"):
    ids = np.resize(np.arange(34), SIZE).astype(np.uint8) if ids is None else ids
    for number, (split, city) in enumerate([("train", "aachen"), ("train", "bremen"), ("val", "lindau")]):
        name = base(split, city, number)
        write_image(folder / f"leftImg8bit/{name}_leftImg8bit.png")
        for kind in kinds:
            write_ids(folder / f"gt{quality}/{name}_gt{quality}_{kind}.png", ids)
        write_ids(folder / f"gt{quality}/{name}_gt{quality}_instanceIds.png", ids.astype(np.uint16) * 1000)
        write_ids(folder / f"gt{quality}/{name}_gt{quality}_color.png", np.dstack([ids] * 3))
    return folder


def expected_of_label_ids(ids):
    table = np.full(34, VOID)
    table[list(LABEL_IDS)] = np.arange(19)
    return table[ids]


def test_label_ids(tmp_path) -> None:
    folder = build(tmp_path / "source")
    assert recognize(folder) == "cityscapes"
    plan, labels = import_labels(folder)
    assert plan.splits == ["train", "train", "val"]
    assert plan.choice.classes.names[:3] == ("road", "sidewalk", "building")
    assert len(plan.choice.classes.names) == 19
    assert plan.choice.classes.palette[13] == (0, 0, 142)  # car
    expected = expected_of_label_ids(np.resize(np.arange(34), SIZE))
    assert set(labels) == {f"{city}_{n:06}_000019" for n, city in enumerate(("aachen", "bremen", "lindau"))}
    for label in labels.values():
        np.testing.assert_array_equal(label, expected)


@pytest.mark.parametrize("quality", ["Fine", "Coarse"])
def test_train_ids(tmp_path, quality) -> None:
    ids = np.resize([*range(19), 255], SIZE).astype(np.uint8)
    _, labels = import_labels(build(tmp_path / "source", ["labelTrainIds"], ids, quality))
    for label in labels.values():
        np.testing.assert_array_equal(label, ids)


def test_label_ids_come_before_train_ids_and_fine_before_coarse(tmp_path) -> None:
    folder = build(tmp_path / "source")
    for quality, kind in (("Fine", "labelTrainIds"), ("Coarse", "labelIds")):
        name = base("train", "aachen", 0)
        write_ids(folder / f"gt{quality}/{name}_gt{quality}_{kind}.png", np.full(SIZE, 99, np.uint8))
    assert plan_of(folder).names[0] == "aachen_000000_000019"


def test_test_images_without_public_labels_are_left_out(tmp_path) -> None:
    folder = build(tmp_path / "source")
    name = base("test", "berlin", 0)
    write_image(folder / f"leftImg8bit/{name}_leftImg8bit.png")
    write_ids(folder / f"gtFine/{name}_gtFine_labelIds.png", np.full(SIZE, 3, np.uint8))
    plan = plan_of(folder)
    assert len(plan.names) == 3
    assert "1 test image has no public labels: left out" in plan.notes


@pytest.mark.parametrize(("kind", "wrong"), [("labelIds", 34), ("labelTrainIds", 19), ("labelIds", 255)])
def test_ids_that_cityscapes_does_not_have(tmp_path, kind, wrong) -> None:
    folder = build(tmp_path, [kind], np.full(SIZE, wrong, np.uint8))
    with pytest.raises(DataError, match=f"{kind}.png: expected .* Received: {wrong}"):
        plan_of(folder)


def test_labels_without_images(tmp_path) -> None:
    write_ids(tmp_path / "gtFine/train/a/a_000000_000019_gtFine_labelIds.png", np.zeros(SIZE, np.uint8))
    with pytest.raises(DataError, match="unpack both archives"):
        plan_of(tmp_path)


def test_images_without_labels(tmp_path) -> None:
    folder = build(tmp_path / "source")
    write_image(folder / "leftImg8bit/train/ulm/ulm_000000_000019_leftImg8bit.png")
    assert "1 image has no label: left out" in plan_of(folder).notes


def test_other_folders_are_not_recognized(tmp_path) -> None:
    write_image(tmp_path / "images/a_leftImg8bit.png")
    assert not cityscapes.recognizes(tmp_path)


@pytest.mark.parametrize("kind", ["instanceIds.png", "color.png", "polygons.json"])
@pytest.mark.parametrize("quality", ["Fine", "Coarse"])
def test_files_without_ids_of_classes_are_named_with_those_that_are_needed(tmp_path, kind, quality) -> None:
    name = base("train", "aachen", 0)
    write_image(tmp_path / f"leftImg8bit/{name}_leftImg8bit.png")
    path = write_ids(tmp_path / f"gt{quality}/{name}_gt{quality}_color.png", np.zeros(SIZE, np.uint8))
    path.rename(path.with_name(path.name.replace("color.png", kind)))
    assert recognize(tmp_path) == "cityscapes"
    with pytest.raises(
        DataError, match=f"for {kind.partition('.')[0]}, and none .*_labelIds.png or .*TrainIds"
    ):
        plan_of(tmp_path)
