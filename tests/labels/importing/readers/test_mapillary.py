import json

import numpy as np
import pytest
from importing_sources import SIZE, import_labels, plan_of, write_ids, write_image, write_text

from fcn.classes import VOID
from fcn.errors import DataError
from fcn.labels.importing.recognition import recognize

LABELS = [
    {"name": "animal--bird", "readable": "Bird", "color": [165, 42, 42], "evaluate": True, "instances": True},
    {"name": "void--other", "readable": "Other", "color": [9, 9, 9], "evaluate": False, "instances": False},
    {"name": "flat--road", "readable": "Road", "color": [128, 64, 128], "evaluate": True, "instances": False},
    {"name": "flat--sky", "readable": "Sky", "color": [70, 130, 180], "evaluate": True, "instances": False},
    {"name": "void--un", "readable": "Unlabeled", "color": [0, 0, 0], "evaluate": False, "instances": False},
]
PALETTE = np.array([label["color"] for label in LABELS])
IDS = np.resize(np.arange(5), SIZE).astype(np.uint8)


def build(folder, version="", ids=IDS, labels=LABELS):
    for split in ("training", "validation"):
        for number in range(2):
            write_image(folder / f"{split}/images/{split}{number}.jpg")
            write_ids(folder / split / version / f"labels/{split}{number}.png", ids, PALETTE)
            write_ids(
                folder / split / version / f"instances/{split}{number}.png", ids.astype(np.uint16) * 256
            )
    write_image(folder / "testing/images/test.jpg")
    name = f"config_{version}.json" if version else "config.json"
    write_text(folder / name, json.dumps({"labels": labels, "version": 1.1}))
    return folder


@pytest.mark.parametrize("version", ["", "v1.2", "v2.0"])
def test_versions(tmp_path, version) -> None:
    folder = build(tmp_path / "source", version)
    assert recognize(folder) == "mapillary"
    plan, labels = import_labels(folder)
    assert plan.splits == ["train", "train", "val", "val"]
    assert plan.choice.classes.names == ("Bird", "Road", "Sky")
    assert plan.choice.classes.palette == ((165, 42, 42), (128, 64, 128), (70, 130, 180))
    assert "1 image has no mask: left out" in plan.notes
    for label in labels.values():
        np.testing.assert_array_equal(label, np.array([0, VOID, 1, 2, VOID])[IDS])


def test_the_newest_version_counts(tmp_path) -> None:
    build(tmp_path, "v1.2", labels=LABELS[:1])
    build(tmp_path, "v2.0")
    assert plan_of(tmp_path).choice.classes.names == ("Bird", "Road", "Sky")


def test_names_that_two_classes_share(tmp_path) -> None:
    labels = [label | {"readable": "Thing"} for label in LABELS]
    plan = plan_of(build(tmp_path, labels=labels))
    assert plan.choice.classes.names == ("animal--bird", "flat--road", "flat--sky")


def test_an_id_without_a_name(tmp_path) -> None:
    with pytest.raises(DataError, match=r"training0\.png: has the id 5, which .*config\.json does not name"):
        plan_of(build(tmp_path, ids=np.full(SIZE, 5, np.uint8)))


@pytest.mark.parametrize(
    "labels",
    [
        [],
        {},
        [1],
        [{"readable": [], "name": 3}],
        [{"readable": "a"}],
        [{"readable": "a", "color": [1, 2, 300]}],
        [{"readable": "a", "color": "red"}],
    ],
)
def test_damaged_lists(tmp_path, labels) -> None:
    with pytest.raises(DataError, match=r"config\.json: "):
        plan_of(build(tmp_path, labels=labels))
