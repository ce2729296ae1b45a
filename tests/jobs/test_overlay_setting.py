"""Tests of the style of a job's overlays, which stays while it lasts."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from photographs import contents_below, random_predictor, write_image, write_video

from fcn.data.image_io import encode_jpeg, read_image
from fcn.errors import DataError, OutputError
from fcn.inference.predictor import Predictor
from fcn.jobs.job import open_job
from fcn.jobs.label_images import label_images
from fcn.jobs.overlay_setting import read_style
from fcn.jobs.schema import STORE_NAME
from fcn.outputs.overlay import overlay_image
from fcn.outputs.overlay_style import DEFAULT_STYLE, EARLIER_STYLE, OverlayStyle, make_style

KINDS = ("palette", "overlay")
PALE = OverlayStyle("bright", 0.25)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return random_predictor()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_image(tmp_path / "in" / "a.jpg", 40, 60)


def label(
    predictor: Predictor, path: Path, style: OverlayStyle | None, kinds: tuple[str, ...] = KINDS
) -> Path:
    """Labels the folder of an image as `infer` does with a style; returns the folder of its labels."""
    output = path.parent.parent / "out"
    with open_job(output, [path.parent], {"model": "m"}, kinds, overlay_style=style) as job:
        job.run(predictor)
    return output


def check(output: Path, path: Path, predictor: Predictor, style: OverlayStyle) -> None:
    prediction = predictor.predict(path)
    expected = overlay_image(read_image(path), prediction.label, predictor.classes, style)
    assert (output / f"{path.stem}.overlay.jpg").read_bytes() == encode_jpeg(expected)


def as_before(output: Path) -> None:
    """Makes a job one of a version without a choice of styles."""
    with closing(sqlite3.connect(output / STORE_NAME, isolation_level=None)) as connection:
        assert connection.execute("DELETE FROM settings WHERE name = 'overlays'").rowcount == 1


@pytest.mark.parametrize("style", [None, PALE, EARLIER_STYLE])
def test_a_continued_job_keeps_its_style(
    predictor: Predictor, image: Path, style: OverlayStyle | None
) -> None:
    output = label(predictor, image, style)
    check(output, image, predictor, style or DEFAULT_STYLE)
    other = write_image(image.parent / "b.jpg", 30, 50)
    label(predictor, image, None)
    check(output, other, predictor, style or DEFAULT_STYLE)
    before = contents_below(output)
    with pytest.raises(OutputError, match=r"overlays: palette .*, now palette voc, opacity 0\.75.*--restart"):
        label(predictor, image, OverlayStyle("voc", 0.75))
    assert contents_below(output) == before
    label(predictor, image, style)  # what it has may be repeated


def test_a_job_of_before_goes_on_in_the_colors_it_had(predictor: Predictor, image: Path) -> None:
    output = label(predictor, image, EARLIER_STYLE)
    as_before(output)
    with pytest.raises(OutputError, match=r"overlays: palette voc, opacity 0\.5, now palette bright"):
        label(predictor, image, DEFAULT_STYLE)
    for name in ("b.jpg", "c.jpg"):
        other = write_image(image.parent / name, 30, 50)
        label(predictor, image, None)
        check(output, other, predictor, EARLIER_STYLE)


def test_without_overlays_the_style_may_change(predictor: Predictor, image: Path) -> None:
    for style in (DEFAULT_STYLE, PALE, None):
        output = label(predictor, image, style, ("palette",))
    as_before(output)
    label(predictor, image, PALE, ("palette",))


def test_videos_keep_their_style(predictor: Predictor, image: Path) -> None:
    write_video(image.parent / "film.mp4", 2)
    output = label(predictor, image, PALE, ("palette",))
    with pytest.raises(OutputError, match=r"overlays: palette bright, opacity 0\.25, now palette voc"):
        label(predictor, image, EARLIER_STYLE, ("palette",))
    label(predictor, image, None, ("palette", "overlay"))
    check(output, image, predictor, PALE)


def test_videos_of_a_job_of_before_keep_the_colors_it_had(predictor: Predictor, image: Path) -> None:
    write_video(image.parent / "film.mp4", 2)
    output = label(predictor, image, EARLIER_STYLE, ("palette",))
    as_before(output)
    with pytest.raises(OutputError, match=r"overlays: palette voc, opacity 0\.5, now palette bright"):
        label(predictor, image, DEFAULT_STYLE, ("palette",))
    label(predictor, image, None, ("palette", "overlay"))
    check(output, image, predictor, EARLIER_STYLE)


def test_colors_of_a_list_stay_when_the_list_is_gone(predictor: Predictor, image: Path) -> None:
    names = predictor.classes.names
    path = image.parent.parent / "colors.txt"
    path.write_text("".join(f"{name}:250,{10 * index},7\n" for index, name in enumerate(names)))
    style = make_style(str(path))
    output = label(predictor, image, style)
    path.unlink()
    other = write_image(image.parent / "b.jpg", 30, 50)
    label(predictor, image, None)
    check(output, other, predictor, style)


def test_a_class_without_a_color_stops_the_job_before_it_begins(predictor: Predictor, image: Path) -> None:
    path = image.parent.parent / "colors.txt"
    path.write_text("nothing:1,2,3\n")
    with pytest.raises(DataError, match=r"colors\.txt: has no color for"):
        label(predictor, image, make_style(str(path)))
    assert not (image.parent.parent / "out").exists()


def test_programs_choose_the_style_with_the_predictor(predictor: Predictor, image: Path) -> None:
    output = image.parent.parent / "out"
    label_images(predictor.with_overlay_style(PALE), [image.parent], output, KINDS)
    check(output, image, predictor, PALE)
    assert predictor.overlay_style == DEFAULT_STYLE
    label_images(predictor, [image.parent], output, KINDS)
    prediction = predictor.with_overlay_style(PALE).predict(image)
    np.testing.assert_array_equal(
        prediction.overlay(), overlay_image(prediction.image, prediction.label, predictor.classes, PALE)
    )


@pytest.mark.parametrize("value", ["[]", '["bright", 3, null]', '["dark", 0.5, null]'])
def test_a_damaged_setting_is_named(predictor: Predictor, image: Path, value: str) -> None:
    output = label(predictor, image, None)
    with closing(sqlite3.connect(output / STORE_NAME, isolation_level=None)) as connection:
        text = json.dumps([value, "palette bright"])
        connection.execute("UPDATE settings SET value = ? WHERE name = 'overlays'", (text,))
    with pytest.raises(OutputError, match=r"is damaged .*setting 'overlays'"):
        label(predictor, image, None)


def test_a_store_tells_the_style(predictor: Predictor, image: Path) -> None:
    label(predictor, image, PALE)
    with open_job(image.parent.parent / "out", [image.parent], {"model": "m"}, KINDS) as job:
        assert read_style(job.store) == PALE
