"""GeoTIFFs in a job: labeled once, again when they change, and after a kill as if there had been none."""

import csv
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from job_program import run_job
from photographs import contents_below, files_below, write_image, write_video
from raster_program import label_rasters
from rasters import noise, rasterio, write_raster

from fcn.errors import BackendError, OutputError
from fcn.jobs.rasters import check_raster_options
from fcn.jobs.store import STORE_NAME

TESTS = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.tif", "sub/b.TIFF"):
        write_raster(tmp_path / "in" / name, noise(700, 900), photometric="RGB")
    return tmp_path / "in"


def statuses(output: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(output / STORE_NAME)) as connection:
        return connection.execute("SELECT status, attempts FROM images ORDER BY name").fetchall()


def test_rasters_are_labeled_once_and_again_when_they_change(folder: Path, tmp_path: Path) -> None:
    output, kinds = tmp_path / "out", ("areas", "geotiff", "geopackage")
    result = label_rasters(output, folder, kinds=kinds)
    assert (result.written, result.labeled, result.failed) == (2, 2, ())
    assert files_below(output) == {"a.tif", "a.gpkg", "areas.csv", "sub/b.tif", "sub/b.gpkg"}
    with (output / "areas.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["path"]).name for row in rows] == ["a.tif", "b.TIFF"]
    assert [(row["width"], row["height"]) for row in rows] == [("900", "700")] * 2
    assert [row["doubtful"] for row in rows] == ["0.000000"] * 2
    assert sum(float(rows[0][name]) for name in ("dark", "grey", "light")) == pytest.approx(1, abs=1e-5)
    assert label_rasters(output, folder, kinds=kinds).written == 0
    (output / "sub" / "b.gpkg").unlink()
    assert label_rasters(output, folder, kinds=kinds).written == 1
    write_raster(folder / "a.tif", noise(300, 400), photometric="RGB")
    assert label_rasters(output, folder, kinds=kinds).written == 1
    with rasterio.open(output / "a.tif") as dataset:
        assert dataset.shape == (300, 400)


def test_polygons_are_added_to_labels_that_stay(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    label_rasters(output, folder, kinds=("geotiff",))
    before = {name: (output / name).stat() for name in ("a.tif", "sub/b.tif")}
    assert label_rasters(output, folder, kinds=("geopackage",)).written == 2
    assert {name: (output / name).stat() for name in before} == before
    assert files_below(output) == {"a.tif", "a.gpkg", "sub/b.tif", "sub/b.gpkg"}
    with pytest.raises(OutputError, match="other settings"):
        run_job(output, folder, kinds=("palette",))


def test_no_geotiff_is_added_where_other_images_were_labeled(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    write_image(folder / "c.jpg")
    label_rasters(output, folder, kinds=("areas",))
    before = contents_below(output)
    for kind in ("geotiff", "geopackage"):
        with pytest.raises(OutputError, match=rf"{kind} cannot be added, since .*c\.jpg was labeled too"):
            label_rasters(output, folder, kinds=(kind,))
    assert label_rasters(output, folder, kinds=("areas",)).written == 0
    assert contents_below(output) == before
    (folder / "c.jpg").unlink()
    assert label_rasters(output, folder, kinds=("geotiff",)).written == 2
    assert "c.jpg" not in (output / "areas.csv").read_text()
    # A new image that is not a TIFF fails by itself.
    write_image(folder / "d.jpg")
    assert len(label_rasters(output, folder, kinds=("geopackage",)).failed) == 1


def test_a_raster_of_16_bits_that_is_nearly_black_is_told(tmp_path: Path, capsys) -> None:
    dark = noise(60, 90, 3, 4095)
    dark[:9] = 65535
    write_raster(tmp_path / "in" / "dark.tif", dark, nodata=65535, photometric="RGB")
    write_raster(tmp_path / "in" / "light.tif", noise(60, 90, 3, 65535), photometric="RGB")
    write_raster(tmp_path / "in" / "plain.tif", noise(60, 90) // 16, photometric="RGB")
    label_rasters(tmp_path / "out", tmp_path / "in")
    errors = capsys.readouterr().err
    assert errors.count("Warning: ") == 1
    assert "dark.tif: has 16 bits a channel, but no value above 4095 (12 bits)" in errors


def test_what_is_not_a_raster_fails_and_the_job_goes_on(folder: Path, tmp_path: Path) -> None:
    write_image(folder / "c.jpg")
    (folder / "d.tif").write_bytes(b"II*\0")
    write_raster(folder / "e.tif", noise(30, 40), None, photometric="RGB")
    write_raster(folder / f"{'x' * 251}.tif", noise(30, 40), photometric="RGB")
    write_video(folder / "f.mp4", 3)
    result = label_rasters(tmp_path / "out", folder)
    assert result.labeled == 3
    reasons = {Path(path).name: reason for path, reason in result.failed}
    assert "expected a TIFF" in reasons["c.jpg"]
    assert "is truncated" in reasons["d.tif"]
    assert "no coordinate reference system" in reasons["e.tif"]
    assert "Rename" in reasons[f"{'x' * 251}.tif"]
    assert files_below(tmp_path / "out") == {*("a.tif", "a.gpkg", "sub/b.tif", "sub/b.gpkg", "f.overlay.mp4")}


@pytest.mark.slow
def test_a_kill_in_the_middle_leaves_nothing_half_written(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    command = [sys.executable, str(TESTS / "raster_program.py"), str(output), "0.7", str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    begun = output / "sub"
    while not (begun.is_dir() and [*begun.glob(".*.tmp.tif")]):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert statuses(output)[0] == ("done", 1)
    assert {name for name in files_below(output) if name.endswith(".tif") and ".tmp" not in name} == {"a.tif"}
    result = label_rasters(output, folder, kinds=("geotiff",))
    assert (result.written, result.labeled) == (1, 2)
    label_rasters(tmp_path / "whole", folder, kinds=("geotiff",))
    assert contents_below(output) == contents_below(tmp_path / "whole")


@pytest.mark.parametrize(
    ("kinds", "plain", "on_ray", "reason"),
    [
        (("geotiff", "overlay"), True, False, "--overlay: not with --outputs geotiff"),
        (("geotiff",), False, False, "--outputs geotiff: not with --flip or --scales"),
        (("geopackage", "areas"), True, True, "--outputs geopackage: not with --ray"),
    ],
)
def test_options_that_need_whole_images_are_refused(
    kinds: tuple[str, ...], plain: bool, on_ray: bool, reason: str
) -> None:
    with pytest.raises(BackendError, match=reason):
        check_raster_options(kinds, plain, on_ray)
    check_raster_options(("palette", "overlay"), plain, on_ray)
    check_raster_options(("geotiff", "geopackage", "areas"), True, False)


def test_a_missing_package_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    with pytest.raises(BackendError, match=r"--outputs geopackage: .*keras-fcn\[geo\]"):
        check_raster_options(("geotiff", "geopackage"), True, False)
