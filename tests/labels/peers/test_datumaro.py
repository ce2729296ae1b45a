"""datumaro reads what is exported, and what datumaro writes is imported, with labels equal to the pixel."""

import json
from pathlib import Path

import cv2
import datumaro_program
import numpy as np
import pytest
from labeled_samples import NAMES, SPLITS, make_labels, write_root
from peers import run_peer
from PIL import Image

from fcn.classes import VOC_CLASS_NAMES, VOID
from fcn.cli.main import main
from fcn.data.image_io import read_label
from fcn.data.voc import read_classes, read_split
from fcn.labels.importing.readers import mapillary
from fcn.outputs.labelme import IGNORE

pytestmark = pytest.mark.slow

COLORS = ((0, 0, 0), (128, 64, 0), (0, 64, 192), (250, 250, 7))
STREET = ("road", "sidewalk", "building", "sky")
LABEL_IDS = {"road": 7, "sidewalk": 8, "building": 11, "sky": 23}


def data(*arguments: object) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["data", *map(str, arguments)])
    assert stopped.value.code in (0, None)


def do_tasks(folder: Path, tasks: list[dict[str, object]]) -> None:
    path = folder / "tasks.json"
    path.write_text(json.dumps(tasks, default=str))
    run_peer("python", datumaro_program.__file__, path, folder=folder)


def write_vistas(folder: Path) -> None:
    """Writes Mapillary Vistas 2.0 by its description: ids in palette PNGs, and instances of 16 bits."""
    labels = [{"name": f"a--{one}", "readable": one, "color": [n, n, 9]} for n, one in enumerate(STREET)]
    (folder / "training/images").mkdir(parents=True)
    for kind in ("labels", "instances"):
        (folder / "training/v2.0" / kind).mkdir(parents=True)
    (folder / "config_v2.0.json").write_text(
        json.dumps({"labels": [one | {"instances": False, "evaluate": True} for one in labels]})
    )
    for place, label in make_labels(void=False).items():
        name = place.replace("/", "_")
        Image.fromarray(np.full((*label.shape, 3), 90, np.uint8)).save(folder / f"training/images/{name}.jpg")
        ids = Image.fromarray(label)
        ids.putpalette(np.array([one["color"] for one in labels], np.uint8).tobytes())
        ids.save(folder / f"training/v2.0/labels/{name}.png")
        instances = label.astype(np.uint16) * 256 + (label == 1)
        Image.fromarray(instances).save(folder / f"training/v2.0/instances/{name}.png")


@pytest.fixture(scope="module")
def read_back(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, np.ndarray]]:
    """What datumaro reads, by form."""
    folder = tmp_path_factory.mktemp("exported")
    root = folder / "root"
    write_root(root)
    data("export", root, "--format", "cvat", "--output", folder / "cvat")
    data("export", root, "--format", "cvat", "--split", "val", "--output", folder / "cvat of a split")
    data("export", root, "--format", "coco", "--output", folder / "coco")
    data("export", root, "--format", "coco", "--rle", "--background", "--output", folder / "run lengths")
    write_vistas(folder / "vistas")
    forms = {
        "cvat": "cvat",
        "cvat of a split": "cvat",
        "coco": "coco_instances",
        "run lengths": "coco_instances",
        "root": "voc_segmentation",
        "vistas": "mapillary_vistas_instances",
    }
    do_tasks(
        folder,
        [
            {"read": form, "folder": folder / name, "output": folder / f"{name}.npz"}
            for name, form in forms.items()
        ],
    )
    return {name: dict(np.load(folder / f"{name}.npz")) for name in forms}


def check(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], ids: dict[str, int]) -> None:
    """Checks the labels that datumaro has read, with the id of each of its names; nothing there is 0."""
    found = dict(found)
    names = found.pop(datumaro_program.NAMES).tolist()
    table = np.array([*(ids.get(name, 254) for name in names), 0], np.uint8)
    assert found.keys() == expected.keys()
    for place, label in expected.items():
        np.testing.assert_array_equal(table[found[place]], label, err_msg=place)


IDS = {name: number for number, name in enumerate(NAMES)}


def test_cvat(read_back: dict[str, dict[str, np.ndarray]]) -> None:
    expected = make_labels()
    check(read_back["cvat"], expected, IDS | {IGNORE: VOID})
    of_a_split = {f"annotations/{name}": expected[f"val/{name}"] for name in SPLITS["val"]}
    check(read_back["cvat of a split"], of_a_split, IDS | {IGNORE: VOID})


@pytest.mark.parametrize("form", ["coco", "run lengths"])
def test_coco(read_back: dict[str, dict[str, np.ndarray]], form: str) -> None:
    """COCO has no void."""
    expected = {place: np.where(label == VOID, 0, label) for place, label in make_labels().items()}
    check(read_back[form], expected, IDS)


def test_a_data_set_in_voc_layout(read_back: dict[str, dict[str, np.ndarray]]) -> None:
    """datumaro takes VOC's names; the colors of the palette are VOC's too."""
    ids = {name: number for number, name in enumerate(VOC_CLASS_NAMES)} | {"ignored": VOID}
    check(read_back["root"], make_labels(), ids)


def test_mapillary_is_read_alike(read_back: dict[str, dict[str, np.ndarray]], tmp_path: Path) -> None:
    write_vistas(tmp_path / "vistas")
    source = mapillary.read(tmp_path / "vistas")
    expected = {
        f"training/{place.replace('/', '_')}": label for place, label in make_labels(void=False).items()
    }
    assert {item.name for item in source.items} == expected.keys()
    for item in source.items:
        keys = item.read_keys(expected[item.name].shape)
        np.testing.assert_array_equal(keys, expected[item.name])
    names = {f"a--{one}": number for number, one in enumerate(STREET)} | {
        one: number for number, one in enumerate(STREET)
    }
    check(read_back["vistas"], expected, names)


POLYGONS = {
    "train/a": [
        (1, 0, [2.0, 3.0, 30.25, 4.75, 28.5, 30.0, 3.0, 20.0]),
        (2, 1, [10.0, 1.0, 20.0, 33.0, 8.25, 25.0]),
    ],
    "val/x": [(3, -1, [0.0, 0.0, 40.0, 0.0, 0.0, 40.0]), (1, 2, [5.0, 5.0, 9.0, 5.0, 9.0, 9.0, 5.0, 9.0])],
}
WRITTEN = {
    "segmentation mask 1.1": {
        "write": "voc_segmentation",
        "options": {"label_map": {name: [color, [], []] for name, color in zip(NAMES, COLORS, strict=True)}},
    },
    "ids": {"write": "voc_segmentation", "options": {"apply_colormap": False}},
    "camvid": {"write": "camvid"},
    "cityscapes": {"write": "cityscapes", "options": {"label_map": "cityscapes", "save_dataset_meta": True}},
    "cvat": {"write": "cvat", "left_out": [0]},
    "cvat polygons": {"write": "cvat", "polygons": POLYGONS},
    "coco": {"write": "coco_instances", "left_out": [0], "options": {"segmentation_mode": "mask"}},
    "coco guess": {"write": "coco_instances", "left_out": [0]},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders that datumaro has written, by the names of `WRITTEN`."""
    folder = tmp_path_factory.mktemp("written")
    for name, names in (("labels", NAMES), ("street", STREET)):
        np.savez(
            folder / f"{name}.npz",
            **{datumaro_program.NAMES: np.array(names), datumaro_program.COLORS: np.array(COLORS)},
            **make_labels(void=False),
        )
    tasks = [
        {
            "folder": folder / name,
            "labels": folder / ("street.npz" if name == "cityscapes" else "labels.npz"),
            **task,
        }
        for name, task in WRITTEN.items()
    ]
    do_tasks(folder, tasks)
    return folder


def imported(folder: Path, root: Path, *options: str) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Imports a folder; returns the classes and the labels, by split and name."""
    data("import", folder, "--output", root, *options)
    labels = {
        f"{split}/{one.name}": read_label(one.label_path)
        for split in ("train", "val")
        for one in read_split(root, split)
    }
    return read_classes(root).names, labels


def check_import(
    found: tuple[tuple[str, ...], dict[str, np.ndarray]],
    expected: dict[str, np.ndarray],
    names: tuple[str, ...],
) -> None:
    """Checks imported labels, with names of classes in any order."""
    order = [found[0].index(name) for name in names]
    table = np.array([*order, *[VOID] * (256 - len(order))], np.uint8)
    assert found[1].keys() == expected.keys()
    for place, label in expected.items():
        np.testing.assert_array_equal(found[1][place], table[label], err_msg=place)


@pytest.mark.parametrize("form", ["segmentation mask 1.1", "ids", "cvat", "coco", "coco guess"])
def test_what_datumaro_writes_is_imported(written: Path, tmp_path: Path, form: str) -> None:
    found = imported(written / form, tmp_path / "root")
    check_import(found, make_labels(void=False), NAMES)


def test_camvid_is_imported(written: Path, tmp_path: Path) -> None:
    found = imported(written / "camvid", tmp_path / "root")
    colors = read_classes(tmp_path / "root").palette
    names = tuple(found[0][colors.index(color)] for color in COLORS)
    check_import(found, make_labels(void=False), names)


def test_cityscapes_is_imported(written: Path, tmp_path: Path) -> None:
    names, labels = imported(written / "cityscapes", tmp_path / "root")
    assert len(names) == 19
    check_import((names, labels), make_labels(void=False), STREET)


def test_polygons_of_cvat_are_imported(written: Path, tmp_path: Path) -> None:
    _, labels = imported(written / "cvat polygons", tmp_path / "root")
    for place, label in make_labels(void=False).items():
        expected = np.zeros_like(label)
        for index, _, points in sorted(POLYGONS.get(place, ()), key=lambda one: one[1]):
            corners = np.rint(np.reshape(points, (-1, 2))).astype(np.int32)
            cv2.fillPoly(expected, [corners], [index])
        if place in POLYGONS:
            np.testing.assert_array_equal(labels[place], expected, err_msg=place)
