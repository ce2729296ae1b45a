"""Tests of polygons in a GeoPackage: drawn again they are the label, and at cuts they have one edge."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasters import CRS, TRANSFORM, TURNED, noise, rasterio, write_raster

import fcn.outputs.geopackage
from fcn.classes import VOID, Classes
from fcn.outputs.geopackage import LAYER, write_polygons

pyogrio = pytest.importorskip("pyogrio", reason="needs the extra geo")
features = pytest.importorskip("rasterio.features")
CLASSES = Classes.named(("ground", "wäter's", "roof"))


def make_label(height: int, width: int) -> np.ndarray[Any, Any]:
    label = noise(height, width, 1)[..., 0] // 86
    label[height // 3 : height // 2, width // 4 : width // 2] = VOID
    label[2:30, 3:40] = 1
    label[5:20, 6:30] = 2  # in a hole of class 1
    label[8:12, 8:12] = 1
    label[50, 50] = label[51, 51] = 0
    label[50, 51] = label[51, 50] = 2  # touch at corners
    return label


def read_polygons(path: Path) -> tuple[list[dict[str, Any]], dict[str, list[Any]]]:
    """Returns the polygons as GeoJSON, and their fields."""
    info, _, shapes, fields = pyogrio.raw.read(path, layer=LAYER)
    assert info["geometry_type"] == "Polygon"
    found = []
    for data in shapes:
        order, kind, count = np.frombuffer(data[:1], "u1")[0], *np.frombuffer(data[1:9], "<u4")
        assert (order, kind) == (1, 3)
        rings, place = [], 9
        for _ in range(count):
            points = int(np.frombuffer(data[place : place + 4], "<u4")[0])
            stop = place + 4 + 16 * points
            rings.append(np.frombuffer(data[place + 4 : stop], "<f8").reshape(points, 2))
            place = stop
        assert place == len(data)
        found.append({"type": "Polygon", "coordinates": rings})
    return found, {name: list(values) for name, values in zip(info["fields"], fields, strict=True)}


def draw(polygons: list[dict[str, Any]], ids: list[int], transform: tuple[float, ...], shape: Any) -> Any:
    """Returns how often each pixel is drawn, and the label that is drawn."""
    place = {"out_shape": shape, "transform": rasterio.Affine(*transform)}
    merged = features.MergeAlg.add
    times = features.rasterize(
        [(polygon, 1) for polygon in polygons], merge_alg=merged, dtype="int32", **place
    )
    label = features.rasterize(list(zip(polygons, ids, strict=True)), fill=VOID, dtype="uint8", **place)
    return times, label


@pytest.mark.parametrize("transform", [TRANSFORM, TURNED])
@pytest.mark.parametrize("part", [4096, 64])
def test_drawn_again_polygons_are_the_label(
    part: int, transform: tuple[float, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcn.outputs.geopackage, "PART", part)
    label = make_label(150, 201)
    path = write_raster(tmp_path / "a.tif", label[..., np.newaxis], transform, nodata=VOID)
    write_polygons(path, tmp_path / "a.gpkg", tmp_path / "a.gpkg", CLASSES)
    polygons, fields = read_polygons(tmp_path / "a.gpkg")
    assert list(fields) == ["class_id", "class", "pixels"]
    assert fields["class"] == [CLASSES.names[value] for value in fields["class_id"]]
    times, drawn = draw(polygons, fields["class_id"], transform, label.shape)
    np.testing.assert_array_equal(times, label != VOID)
    np.testing.assert_array_equal(drawn, label)
    for value in range(3):
        counted = sum(n for n, v in zip(fields["pixels"], fields["class_id"], strict=True) if v == value)
        assert counted == (label == value).sum()
    # Rings of the outside turn left, those of holes right.
    for polygon in polygons:
        for index, ring in enumerate(polygon["coordinates"]):
            x, y = (ring - ring[0]).T
            assert (np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) > 0) == (index == 0)
            np.testing.assert_array_equal(ring[0], ring[-1])


def test_corners_at_a_cut_are_the_same_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcn.outputs.geopackage, "PART", 64)
    label = make_label(150, 201)
    path = write_raster(tmp_path / "a.tif", label[..., np.newaxis], TURNED, nodata=VOID)
    write_polygons(path, tmp_path / "a.gpkg", tmp_path / "a.gpkg", CLASSES)
    polygons, _ = read_polygons(tmp_path / "a.gpkg")
    a, b, c, d, e, f = TURNED
    corners = {
        (a * column + b * row + c, d * column + e * row + f) for row in range(151) for column in range(202)
    }
    found = {
        tuple(point) for polygon in polygons for ring in polygon["coordinates"] for point in ring.tolist()
    }
    assert found <= corners


def test_the_file_is_a_geopackage_in_the_system_of_the_label(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", make_label(150, 201)[..., np.newaxis], nodata=VOID)
    write_polygons(path, tmp_path / "a.gpkg", tmp_path / "a.gpkg", CLASSES)
    info = pyogrio.read_info(tmp_path / "a.gpkg")
    assert (info["driver"], info["layer_name"], info["crs"]) == ("GPKG", "label", CRS)
    left, bottom, right, top = info["total_bounds"]
    assert (left, top) == (TRANSFORM[2], TRANSFORM[5])
    assert (right, bottom) == (TRANSFORM[2] + 201 * 0.25, TRANSFORM[5] - 150 * 0.25)
    with closing(sqlite3.connect(tmp_path / "a.gpkg")) as connection:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        assert application.to_bytes(4) == b"GPKG"
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.gpkg", "a.tif"]


def test_a_label_of_void_has_a_layer_without_polygons(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.full((30, 40, 1), VOID, np.uint8), nodata=VOID)
    write_polygons(path, tmp_path / "a.gpkg", tmp_path / "a.gpkg", CLASSES)
    polygons, fields = read_polygons(tmp_path / "a.gpkg")
    assert (polygons, list(fields)) == ([], ["class_id", "class", "pixels"])


LIMITED = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from fcn.classes import Classes
from fcn.data.raster import open_raster
from fcn.errors import OutputError
from fcn.outputs.geopackage import write_polygons
from fcn.outputs.geotiff import label_file

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
classes = Classes.named(("ground", "water", "roof"))
names = {"label": Path("label.tif"), "polygons": Path("a.gpkg")}

def write(kind):
    if kind == "polygons":
        write_polygons(Path("a.tif"), names[kind], Path("wanted"), classes)
        return
    with open_raster(Path("a.tif")) as raster:
        size = raster.shape[:2]
        with label_file(names[kind], Path("wanted"), size, raster.georeference, classes) as writer:
            writer.put((slice(0, size[0]), slice(0, size[1])), raster[:, :][..., 0])

for kind, path in names.items():
    write(kind)
    needed = path.stat().st_size
    for limit in (needed // 2, needed - 1):
        path.unlink()
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            write(kind)
        except OutputError as error:
            print(kind, error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


@pytest.mark.slow
def test_a_full_disk_is_an_error_of_labels_and_polygons(tmp_path: Path) -> None:
    write_raster(tmp_path / "a.tif", noise(1100, 1100, 1) // 86, nodata=VOID)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.partition(" cannot be written (")[0] for line in lines] == [
        *["label wanted:"] * 2,
        *["polygons wanted:"] * 2,
    ], done.stdout
