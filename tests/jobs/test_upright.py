"""Everything that `infer` writes about an image fits it as OpenCV reads it, in all eight orientations."""

import csv
import json
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from job_program import Brightness, run_job
from turned_files import ORIENTATIONS, label_of_annotations, seen_by_opencv, turned_file

from fcn.data.image_io import decode_image, encode_jpeg
from fcn.labels.importing.readers import cvat_xml, labelme
from fcn.outputs.overlay import overlay_image

KINDS = (
    ("palette", "overlay", "uncertainty", "probabilities", "rle", "areas"),
    ("ids", "polygons", "labelme", "cvat"),
)


# OpenCV 4.14 does not read a TIFF that is turned by a quarter.
@pytest.fixture(scope="module", params=[".jpg", ".png", ".webp"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an image in each orientation, and one with its outputs for each of `KINDS`."""
    folder: Path = tmp_path_factory.mktemp("turned")
    (folder / "in").mkdir()
    for orientation in ORIENTATIONS:
        data = turned_file(orientation, request.param)
        (folder / "in" / f"{orientation}{request.param}").write_bytes(data)
    for kinds in KINDS:
        run_job(folder / kinds[0], folder / "in", kinds=kinds)
    return folder


@pytest.fixture(params=ORIENTATIONS)
def image(request: pytest.FixtureRequest, folder: Path) -> Path:
    (path,) = (folder / "in").glob(f"{request.param}.*")
    return path


def test_files_of_an_image_are_upright(folder: Path, image: Path) -> None:
    pixels = cv2.imread(str(image))
    expected = pixels[..., 2] // 86
    assert expected.shape == ((40, 56) if int(image.stem) < 5 else (56, 40))
    for kind in ("palette", "ids"):
        label = cv2.imread(str(folder / kind / f"{image.stem}.png"), cv2.IMREAD_UNCHANGED)
        if kind == "ids":
            np.testing.assert_array_equal(label, expected)
            np.testing.assert_array_equal(pixels[label > 0] > 80, True)
        else:
            colors = np.array(Brightness.classes.palette, np.uint8)[expected]
            np.testing.assert_array_equal(label[..., ::-1], colors)
    with np.load(folder / "palette" / f"{image.stem}.npz") as content:
        np.testing.assert_array_equal(content["probabilities"].argmax(axis=-1), expected)
    uncertain = cv2.imread(str(folder / "palette" / f"{image.stem}.uncertainty.png"), cv2.IMREAD_UNCHANGED)
    assert uncertain.shape == expected.shape
    overlay = overlay_image(decode_image(image.read_bytes()), expected, Brightness.classes)
    written = (folder / "palette" / f"{image.stem}.overlay.jpg").read_bytes()
    assert written == encode_jpeg(overlay)
    shown = seen_by_opencv(written)[: expected.shape[0]].mean(axis=-1)
    assert np.corrcoef(shown.ravel(), pixels.mean(axis=-1).ravel())[0, 1] > 0.5


def test_annotations_and_areas_of_an_image_are_upright(folder: Path, image: Path) -> None:
    expected = cv2.imread(str(image))[..., 2] // 86
    for kind in ("palette", "ids"):
        document = json.loads((folder / kind / "coco.json").read_text())
        (found,) = (one for one in document["images"] if Path(one["file_name"]).name == image.name)
        assert (found["height"], found["width"]) == expected.shape
        np.testing.assert_array_equal(label_of_annotations(document, found["id"]), expected)
    with (folder / "palette" / "areas.csv").open(newline="") as file:
        (row,) = (row for row in csv.DictReader(file) if Path(row["path"]).name == image.name)
    assert (int(row["height"]), int(row["width"])) == expected.shape
    shares = [float(row[name]) for name in Brightness.classes.names]
    assert shares == pytest.approx(np.bincount(expected.ravel(), minlength=3) / expected.size, abs=1e-6)


@pytest.mark.parametrize("tool", [labelme, cvat_xml])
def test_labels_for_labeling_tools_are_upright(tool: ModuleType, folder: Path) -> None:
    source = tool.read(folder)
    named = {name: number for number, name in enumerate(Brightness.classes.names)}
    ids = {key: named.get(one.name, 255) for key, one in source.classes.items()}
    items = {Path(item.name).name: item for item in source.items}
    assert sorted(items) == sorted(map(str, ORIENTATIONS))
    for path in (folder / "in").iterdir():
        expected = cv2.imread(str(path))[..., 2] // 86
        keys = items[path.stem].read_keys(expected.shape)
        np.testing.assert_array_equal(np.vectorize(ids.get)(keys), expected, err_msg=path.name)
