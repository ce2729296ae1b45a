import numpy as np
import pytest
from importing_sources import SIZE, import_labels, plan_of, write_ids, write_image, write_text

from fcn.classes import VOID
from fcn.errors import DataError
from fcn.labels.importing.choice import ClassOptions
from fcn.labels.importing.readers import ade20k
from fcn.labels.importing.recognition import recognize

IDS = np.resize(np.arange(5), SIZE).astype(np.uint8)
TABLE = (
    "Idx\tRatio\tTrain\tVal\tName\n1\t0.1\t9\t9\twall\n2\t0.1\t9\t9\tbuilding, edifice\n"
    "3 \t0.1\t9\t9\tscreen, door\n4\t0.1\t9\t9\tscreen, crt \n"
)


def build(folder, table=TABLE, ids=IDS):
    for split, number in (("training", 1), ("training", 2), ("validation", 1)):
        name = f"{split}/ADE_{split.removesuffix('ing').removesuffix('idation')}_{number:08}"
        write_image(folder / f"images/{name}.jpg")
        write_ids(folder / f"annotations/{name}.png", ids)
    if table:
        write_text(folder / "objectInfo150.txt", table)
    return folder


def test_ids_are_shifted_by_one(tmp_path) -> None:
    folder = build(tmp_path / "source")
    assert recognize(folder) == "ade20k"
    plan, labels = import_labels(folder)
    assert plan.splits == ["train", "train", "val"]
    assert plan.choice.classes.names == ("wall", "building", "screen, door", "screen, crt")
    assert len(labels) == 3
    for label in labels.values():
        np.testing.assert_array_equal(label, np.array([VOID, 0, 1, 2, 3])[IDS])


def test_without_a_table(tmp_path) -> None:
    folder = build(tmp_path / "source", None)
    assert recognize(folder) == "ade20k"
    plan = plan_of(folder)
    assert plan.choice.classes.names == ("id 1", "id 2", "id 3", "id 4")
    assert any("objectInfo150.txt is missing" in note for note in plan.notes)
    names = ("wall", "building", "door", "crt", "sky")
    with pytest.raises(DataError, match="--classes: has no 'id 1'"):  # it is the first class, not the second
        plan_of(folder, classes=ClassOptions(names))


def test_a_table_in_a_folder_above_its_masks(tmp_path) -> None:
    build(tmp_path / "data/ADEChallengeData2016")
    plan = plan_of(tmp_path / "data")
    assert plan.form == "ade20k"
    assert plan.choice.classes.names[0] == "wall"


def test_an_id_that_the_table_does_not_name(tmp_path) -> None:
    with pytest.raises(DataError, match=r"ADE_train_00000001\.png: has the id 9, which objectInfo150"):
        plan_of(build(tmp_path, ids=np.full(SIZE, 9, np.uint8)))


@pytest.mark.parametrize("row", ["x\twall", "1", "1\t \n", "0\twall", "1\twall\n1\tdoor", "99999999\twall"])
def test_damaged_tables(tmp_path, row) -> None:
    with pytest.raises(DataError, match=r"objectInfo150\.txt: expected"):
        plan_of(build(tmp_path, f"Idx\tName\n{row}\n"))


def test_other_folders_are_not_recognized(tmp_path) -> None:
    write_image(tmp_path / "images/a.jpg")
    write_ids(tmp_path / "masks/a.png", IDS)
    assert not ade20k.recognizes(tmp_path)
