"""Tests of the pixel order of a job: upright, unless an older version started it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from photographs import files_below, random_predictor, write_image
from PIL import ExifTags, Image

from fcn.data.encoded_image import EncodedImage
from fcn.data.image_io import Pixels, decode_image, encode_jpeg, read_image, read_label
from fcn.data.orientation import upright
from fcn.errors import OutputError
from fcn.inference.predictor import Predictor
from fcn.jobs.job import open_job
from fcn.jobs.label_images import forget_job, label_images
from fcn.jobs.reading import ImageReader, ReadImage
from fcn.jobs.schema import STORE_NAME
from fcn.jobs.task import Task
from fcn.outputs.overlay import overlay_image

NOTICE = "was started by an older version, so it continues in stored pixel order"
KINDS = ("palette", "overlay")


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return random_predictor()


def write_turned(path: Path, orientation: int, source: Path | None = None) -> Path:
    pixels = read_image(source or write_image(path.with_name(f"source-{path.stem}.png"), 24, 40))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95, exif=exif)
    return path


def as_before(output: Path) -> None:
    """Makes a job one of an older version: it has no setting of the order."""
    with closing(sqlite3.connect(output / STORE_NAME, isolation_level=None)) as connection:
        assert connection.execute("DELETE FROM settings WHERE name = 'pixel order'").rowcount == 1


def check(output: Path, path: Path, predictor: Predictor, pixels: Pixels, orientation: int = 1) -> None:
    """Checks that the label is that of some pixels, and the overlay upright."""
    label = predictor.predict(pixels).label
    np.testing.assert_array_equal(read_label(output / f"{path.stem}.png"), label)
    image, label = upright(pixels, orientation), upright(label, orientation)
    expected = encode_jpeg(overlay_image(image, label, predictor.classes))
    assert (output / f"{path.stem}.overlay.jpg").read_bytes() == expected


def test_a_new_job_is_upright_and_stays_so(
    predictor: Predictor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, output = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    paths = [write_turned(images / f"{orientation}.jpg", orientation) for orientation in (1, 3, 6)]
    for _ in range(2):
        label_images(predictor, paths, output, KINDS)
        paths.append(write_turned(images / "8.jpg", 8))
    label_images(predictor, paths, output, KINDS)
    for path in paths:
        check(output, path, predictor, decode_image(path.read_bytes()))
    assert NOTICE not in capsys.readouterr().err


def test_a_job_of_before_continues_in_stored_order_and_says_so_until_it_is_restarted(
    predictor: Predictor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, output = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    paths = [write_turned(images / "1.jpg", 1)]
    label_images(predictor, paths, output, KINDS)
    as_before(output)
    capsys.readouterr()
    label_images(predictor, paths, output, KINDS)  # finished: nothing continues
    assert NOTICE not in capsys.readouterr().err
    paths += [write_turned(images / f"{orientation}.jpg", orientation) for orientation in (3, 6)]
    for _ in range(2):
        label_images(predictor, paths, output, KINDS)
        error = capsys.readouterr().err
        assert (NOTICE in error, "--restart" in error) == (True, True)
        for path in paths:
            check(output, path, predictor, EncodedImage(path.read_bytes()).decode_stored(), int(path.stem))
        if len(paths) == 3:
            paths.append(write_turned(images / "8.jpg", 8))
    forget_job(output)
    label_images(predictor, paths, output, KINDS)
    for path in paths:
        check(output, path, predictor, decode_image(path.read_bytes()))
    assert NOTICE not in capsys.readouterr().err


def test_a_job_of_before_gets_no_labels_for_tools_that_turn_images(
    predictor: Predictor, tmp_path: Path
) -> None:
    path, output = write_turned(tmp_path / "6.jpg", 6), tmp_path / "labels"
    label_images(predictor, [path], output, KINDS)
    as_before(output)
    for kinds, named in ((("labelme",), "labelme"), (("cvat", "labelme", "areas"), "labelme and cvat")):
        with pytest.raises(OutputError, match=f"EXIF orientation.* Leave out {named}, .*--restart"):
            label_images(predictor, [path], output, kinds)
    assert label_images(predictor, [path], output, ("areas",)).labeled == 1
    assert files_below(output) == {"6.png", "6.overlay.jpg", "areas.csv"}
    forget_job(output)
    assert label_images(predictor, [path], output, ("labelme", "cvat")).written == 1


def test_a_job_that_was_not_started_is_upright(
    predictor: Predictor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = write_turned(tmp_path / "6.jpg", 6), tmp_path / "labels"
    with open_job(output, [path], {"model": "m"}, KINDS) as job:
        assert job.order == "upright"
        as_before(output)
        with open_job(output, [path], {"model": "m"}, KINDS) as other:  # the first one is alive
            assert other.order == "stored"
    assert NOTICE in capsys.readouterr().err
    label_images(predictor, [path], output, KINDS)
    check(output, path, predictor, decode_image(path.read_bytes()))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_in_processes_have_the_same_order(orientation: int, tmp_path: Path) -> None:
    path = write_turned(tmp_path / "image.jpg", orientation)
    data = path.read_bytes()
    for order, expected in (("upright", decode_image(data)), ("stored", EncodedImage(data).decode_stored())):
        with ImageReader(order=order) as reader:
            here = reader.read(Task(1, str(path), "image", "image"))
            header, there = reader._decode(data, "http://a")
        assert isinstance(here, ReadImage)
        np.testing.assert_array_equal(here.image, expected)
        np.testing.assert_array_equal(there, expected)
        assert here.orientation == (1 if order == "upright" else orientation)
        assert header == (decode_image(data).shape[:2], orientation, 8)
