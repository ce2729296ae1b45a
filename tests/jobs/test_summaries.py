"""Tests of what a job writes about all its images."""

import csv
import json
import sqlite3
from contextlib import closing
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from job_program import Brightness, run_job
from photographs import files_below, write_image, write_video
from PIL import Image

from fcn.data.image_io import read_image, read_label
from fcn.inference.engines.engine import Labeled
from fcn.jobs.schema import STORE_NAME
from fcn.jobs.sources.path_list import PathList

KINDS = ("ids", "probabilities", "rle", "areas")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "sub/b.png"):
        write_image(tmp_path / "in" / name)
    return tmp_path / "in"


def rows(output: Path) -> list[dict[str, str]]:
    with (output / "areas.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_all_images_are_in_the_summaries(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run_job(output, folder, kinds=KINDS)
    images = [str(folder / "a.jpg"), str(folder / "sub" / "b.png")]
    assert [row["path"] for row in rows(output)] == images
    document = json.loads((output / "coco.json").read_text())
    assert [image["file_name"] for image in document["images"]] == ["a.jpg", "sub/b.png"]
    label = read_label(output / "a.png")
    assert float(rows(output)[0]["dark"]) == pytest.approx((label == 0).mean(), abs=1e-4)
    with np.load(output / "sub" / "b.npz") as found:
        np.testing.assert_array_equal(
            found["probabilities"].argmax(axis=-1), read_label(output / "sub" / "b.png")
        )


def test_an_image_that_came_later_is_in_them_too(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run_job(output, folder, kinds=KINDS)
    write_image(folder / "c.jpg")
    assert run_job(output, folder, kinds=KINDS).written == 1
    assert len(rows(output)) == 3


def test_a_job_that_was_stopped_leaves_no_old_summary_and_writes_a_lost_one(
    folder: Path, tmp_path: Path
) -> None:
    class Stops(Brightness):
        def logits(self, images):
            raise KeyboardInterrupt

    output = tmp_path / "out"
    run_job(output, folder, kinds=KINDS)
    write_image(folder / "c.jpg")
    with pytest.raises(KeyboardInterrupt):
        run_job(output, folder, kinds=KINDS, engine=Stops())
    assert not (output / "areas.csv").exists()
    run_job(output, folder, kinds=KINDS)
    (output / "coco.json").unlink()
    assert run_job(output, folder, kinds=KINDS).written == 0
    assert len(json.loads((output / "coco.json").read_text())["images"]) == 3


def test_deleted_photographs_leave_the_summaries_and_come_back(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    other = write_image(tmp_path / "elsewhere" / "d.jpg")
    listed = write_image(tmp_path / "listed.jpg")
    run_job(output, folder, other, PathList(BytesIO(bytes(listed))), kinds=KINDS)
    assert len(rows(output)) == 4
    data = (folder / "a.jpg").read_bytes()
    for path in (folder / "a.jpg", other, listed):
        path.unlink()
    result = run_job(output, folder, kinds=KINDS)
    assert (result.written, result.labeled) == (0, 4)  # the labels stay
    left = {Path(row["path"]).name for row in rows(output)}
    assert left == {"b.png", "d.jpg", "listed.jpg"}
    assert len(json.loads((output / "coco.json").read_text())["images"]) == 3
    (folder / "a.jpg").write_bytes(data)
    assert run_job(output, folder, kinds=KINDS).written == 0
    assert len(rows(output)) == 4


def test_videos_alone_have_no_files_about_images(folder: Path, tmp_path: Path) -> None:
    kinds = ("rle", "areas", "labelme", "cvat")
    about_all = {"areas.csv", "coco.json", "labels.txt", "cvat.xml", "cvat_labels.json"}
    films, output = tmp_path / "films", tmp_path / "out"
    write_video(films / "film.avi", 2, "MJPG")
    assert run_job(output, films, kinds=kinds).written == 1
    assert not files_below(output) & about_all
    assert run_job(output, films, kinds=kinds).written == 0
    write_image(films / "a.jpg")
    assert run_job(output, films, kinds=kinds).written == 1
    assert files_below(output) >= about_all
    assert [Path(row["path"]).name for row in rows(output)] == ["a.jpg"]
    # Images that are gone are left out of files about all images; these stay.
    (films / "a.jpg").unlink()
    run_job(output, films, kinds=kinds)
    assert rows(output) == []
    assert run_job(output, films, kinds=kinds).written == 0


def test_uncertainty_is_a_file_and_a_column_to_sort_by(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"

    class Doubts(Brightness):
        def label(self, images):
            return Labeled(super().label(images).label, images[..., 1].astype(np.float32) / 255)

    run_job(output, folder, kinds=("palette", "uncertainty", "areas"), engine=Doubts())
    for row, name in zip(rows(output), ("a", "sub/b"), strict=True):
        with Image.open(output / f"{name}.uncertainty.png") as image:
            uncertainty = np.array(image)
        image = read_image(Path(row["path"]))
        np.testing.assert_array_equal(uncertainty, 255 - image[..., 1])
        assert float(row["mean_confidence"]) == pytest.approx(1 - uncertainty.mean() / 255, abs=1e-6)
        assert float(row["doubtful"]) == pytest.approx((uncertainty >= 77).mean(), abs=1e-6)
    assert any(0 < float(row["doubtful"]) < 1 for row in rows(output))


def test_a_job_of_before_has_no_doubtful_pixels_of_its_first_images(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run_job(output, folder, kinds=KINDS)
    table = output / "areas.csv"
    with closing(sqlite3.connect(output / STORE_NAME, isolation_level=None)) as connection:
        connection.execute("UPDATE images SET record = json_remove(record, '$.doubtful')")
        (record,) = connection.execute("SELECT record FROM images LIMIT 1").fetchone()
    assert "doubtful" not in record
    before = "path,width,height,mean_confidence,dark,grey,light\n"
    table.write_text(before)
    run_job(output, folder, kinds=KINDS)  # finished: the table stays as it is
    assert table.read_text() == before
    write_image(folder / "c.jpg")
    assert run_job(output, folder, kinds=KINDS).written == 1
    first, second, new = sorted(rows(output), key=lambda row: Path(row["path"]).stem)
    assert first["doubtful"] == second["doubtful"] == ""
    assert 0 <= float(new["doubtful"]) <= 1
    assert sum(float(first[name]) for name in Brightness.classes.names) == pytest.approx(1, abs=1e-5)
