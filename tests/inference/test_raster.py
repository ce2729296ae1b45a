"""Tests of labeling GeoTIFFs: windows equal the whole, in a file that other programs read."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from rasters import (
    CRS,
    TURNED,
    WindowedBrightness,
    brightness,
    noise,
    rasterio,
    windowed,
    write_raster,
)

from fcn.classes import VOID
from fcn.data.image_io import Pixels
from fcn.errors import DataError, RunError
from fcn.inference.engines.engine import Labeled
from fcn.inference.predictor import Predictor
from fcn.inference.raster import label_raster


def read_label(path: Path) -> np.ndarray[Any, Any]:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def test_the_label_has_the_georeference_colors_and_nodata_that_programs_expect(tmp_path: Path) -> None:
    pixels = noise(1200, 2100)
    pixels[:, 1500:] = 0
    source = write_raster(tmp_path / "a.tif", pixels, TURNED, nodata=0, photometric="RGB", tiled=True)
    engine = WindowedBrightness()
    labeled = label_raster(windowed(engine), source, tmp_path / "out.tif")
    has_data = pixels.any(axis=2)
    wanted = np.where(has_data, brightness(pixels), VOID)
    assert len(engine.batches) > 4
    assert all(rows * columns <= 700**2 for _, rows, columns, _ in engine.batches)
    assert labeled.size == (1200, 2100)
    np.testing.assert_array_equal(labeled.counts, np.bincount(wanted.ravel(), minlength=256))
    confidence = (1 - pixels[..., 1] / 1000)[has_data].mean()
    assert labeled.mean_confidence == pytest.approx(confidence, abs=1e-6)
    with rasterio.open(source) as before, rasterio.open(tmp_path / "out.tif") as dataset:
        assert (dataset.crs, dataset.transform) == (before.crs, before.transform)
        assert dataset.crs == CRS
        assert (dataset.dtypes, dataset.nodata, dataset.block_shapes) == (("uint8",), VOID, [(512, 512)])
        assert dataset.compression.name == "deflate"
        assert dataset.colormap(1)[VOID] == (224, 224, 192, 0)
        assert dataset.colormap(1)[2][:3] == engine.classes.palette[2]
        assert [dataset.tags(1)[f"CLASS_{index}"] for index in range(3)] == ["dark", "grey", "light"]
        assert dataset.overviews(1) == [2, 4]
        np.testing.assert_array_equal(dataset.read(1), wanted)
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        np.testing.assert_array_equal(file.pages[0].asarray(), wanted)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "out.tif"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "size", "side"),
    [
        ({"stride": 8, "input_scale": 1.0}, (689, 1203), 608),
        ({"stride": 16, "input_scale": 0.5}, (1383, 1401), 608),
    ],
)
def test_labels_in_windows_equal_those_of_the_whole(
    options: dict[str, Any], size: tuple[int, int], side: int, thin_net, tmp_path: Path
) -> None:
    from fcn.inference.engines.choose import open_engine
    from fcn.inference.tiling.tiles import TiledEngine

    source = write_raster(tmp_path / "a.tif", noise(*size), photometric="RGB", compress="deflate")
    net = thin_net(**options, width=1 / 64, fc_channels=8)
    engine = open_engine(net)
    in_windows = Predictor.from_engine(TiledEngine(engine, engine.net.map_bytes(side, side)))
    label_raster(in_windows, source, tmp_path / "out.tif")
    whole = Predictor(net).predict(source).label
    assert len(np.unique(whole)) > 1
    np.testing.assert_array_equal(read_label(tmp_path / "out.tif"), whole)


def test_doubtful_pixels_are_counted_as_those_of_an_image_with_data(tmp_path: Path) -> None:
    class Doubting(WindowedBrightness):
        def label(self, images: Pixels) -> Labeled:
            return Labeled(super().label(images).label, 1 - images[..., 1].astype(np.float32) / 255)

    pixels = noise(1200, 900)
    pixels[:, 700:] = 0
    source = write_raster(tmp_path / "a.tif", pixels, nodata=0, photometric="RGB", tiled=True)
    labeled = label_raster(windowed(Doubting()), source, tmp_path / "out.tif")
    # The probability of the label is 1 - green / 255, below 0.7 from 77 on.
    assert labeled.doubtful == pytest.approx((pixels[..., 1] >= 77)[pixels.any(axis=2)].mean(), abs=1e-12)


def test_windows_without_data_are_not_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fcn.system.progress.LINE_SECONDS", 0.0)
    pixels = np.zeros((4000, 4000, 3), np.uint8)
    pixels[3500:3600, 3300:3500] = noise(100, 200) | 1
    source = write_raster(tmp_path / "a.tif", pixels, nodata=0, photometric="RGB", compress="deflate")
    engine = WindowedBrightness()
    label_raster(windowed(engine), source, tmp_path / "out.tif")
    assert 1 <= len(engine.batches) < 10
    # A file may take hours, so lines say how far it is.
    assert re.search(r"^labeling parts: 1 of \d+, ends about ", capsys.readouterr().err)
    wanted = np.where(pixels.any(axis=2), brightness(pixels), VOID)
    np.testing.assert_array_equal(read_label(tmp_path / "out.tif"), wanted)


def test_a_raster_without_any_data_becomes_void(tmp_path: Path) -> None:
    source = write_raster(tmp_path / "a.tif", np.zeros((30, 40, 3), np.uint8), nodata=0, photometric="RGB")
    engine = WindowedBrightness()
    labeled = label_raster(windowed(engine), source, tmp_path / "out.tif")
    assert (labeled.mean_confidence, labeled.doubtful, engine.batches) == (0, 0, [])
    assert (read_label(tmp_path / "out.tif") == VOID).all()


def test_control_points_are_kept_and_files_without_a_place_have_none(tmp_path: Path) -> None:
    points = [
        rasterio.control.GroundControlPoint(row=row, col=column, x=10 + column / 7, y=50 - row / 9, z=0)
        for row, column in ((0, 0), (0, 39), (29, 0), (29, 39))
    ]
    source = write_raster(
        tmp_path / "a.tif", noise(30, 40), None, photometric="RGB", gcps=points, crs="EPSG:4326"
    )
    plain = write_raster(tmp_path / "plain.tif", noise(30, 40), None, photometric="RGB")
    predictor = windowed(WindowedBrightness())
    label_raster(predictor, source, tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as dataset:
        found, crs = dataset.gcps
        assert crs == "EPSG:4326"
        assert [(point.row, point.col, point.x, point.y) for point in found] == [
            (point.row, point.col, point.x, point.y) for point in points
        ]
    for path in (source, plain):
        with pytest.raises(DataError, match="no coordinate reference system"):
            label_raster(predictor, path, None, tmp_path / "out.gpkg")
    label_raster(predictor, plain, tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert (dataset.crs, dataset.transform.is_identity) == (None, True)
    assert not (tmp_path / "out.gpkg").exists()


def test_averages_over_views_are_refused(net, tmp_path: Path) -> None:
    source = write_raster(tmp_path / "a.tif", noise(30, 40), photometric="RGB")
    with pytest.raises(RunError, match="--flip"):
        label_raster(Predictor(net, flip=True), source, tmp_path / "out.tif")
    assert not (tmp_path / "out.tif").exists()


SIDE = 40_000
DATA = (slice(20_032, 25_152), slice(9_984, 14_080))
"""The part with data; its corner lies at a multiple of the coarsest stride."""


@pytest.mark.exhaustive
def test_40000_by_40000_pixels_are_labeled_within_the_memory(thin_net, tmp_path: Path) -> None:
    net = thin_net(width=1 / 64, fc_channels=8)
    net.save(tmp_path / "net.keras")
    pixels = noise(DATA[0].stop - DATA[0].start, DATA[1].stop - DATA[1].start) | 1
    layout = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}
    with rasterio.open(
        *(tmp_path / "a.tif", "w"),
        **{"driver": "GTiff", "height": SIDE, "width": SIDE, "count": 3, "dtype": "uint8", "nodata": 0},
        **{"photometric": "RGB", "SPARSE_OK": True, "BIGTIFF": "YES", "crs": CRS, **layout},
        transform=rasterio.Affine(*TURNED),
    ) as dataset:
        place = tuple((part.start, part.stop) for part in DATA)
        dataset.write(pixels.transpose(2, 0, 1), window=place)
    root = Path(__file__).parents[2]
    options = ["--output", "out", "--outputs", "geotiff,geopackage,areas", "--memory", "3.5"]
    done = subprocess.run(
        [sys.executable, root / "tests" / "measured_command.py", "infer", "net.keras", "a.tif", *options],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kilobytes = int(done.stderr.split("VmHWM:")[1].split()[0])
    print(f"{kilobytes * 1024 / 1e9:.2f} GB")
    assert kilobytes * 1024 < 3.5e9
    with rasterio.open(tmp_path / "out" / "a.tif") as dataset:
        assert (dataset.shape, dataset.crs) == ((SIDE, SIDE), CRS)
        found = dataset.read(1, window=place)
        rows = (dataset.read(1, window=((top, top + 500), (0, SIDE))) for top in range(0, SIDE, 500))
        assert sum(int((part != VOID).sum()) for part in rows) == found.size
        assert found.max() < VOID
    # Where the net sees only data, the label is that of the part as an image of its own.
    inside = (slice(256, -256), slice(256, -256))
    whole = Predictor(net).predict(pixels).label
    np.testing.assert_array_equal(found[inside], whole[inside])
    with tifffile.TiffFile(tmp_path / "out" / "a.tif") as file:
        assert file.pages[0].shape == (SIDE, SIDE)
