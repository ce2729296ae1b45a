"""Tests of labeling files and folders: what is written where, and what goes wrong."""

import errno
import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from photographs import contents_below, files_below, random_predictor, write_image, write_video
from PIL import ExifTags, Image

from fcn.data.encoded_image import EncodedImage
from fcn.data.image_io import encode_jpeg, read_image, read_label, read_palette
from fcn.errors import BackendError, DataError, OutputError
from fcn.inference.predictor import Predictor
from fcn.inference.video import VideoOptions
from fcn.jobs.label_images import label_images
from fcn.outputs.overlay import overlay_image


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return random_predictor()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    return folder


def test_labels_are_those_of_the_predictor_in_its_palette(predictor: Predictor, folder: Path) -> None:
    sizes = {"a.jpg": (24, 32), "b.png": (33, 21), "c.bmp": (40, 40)}
    for name, size in sizes.items():
        write_image(folder / name, *size)
    output = folder.parent / "labels"
    result = label_images(predictor, [folder], output)
    assert (result.written, result.failed, result.output) == (3, (), output)
    assert files_below(output) == {"a.png", "b.png", "c.png"}
    values = set()
    for name, size in sizes.items():
        path = output / Path(name).with_suffix(".png")
        label = read_label(path)
        assert label.shape == size
        np.testing.assert_array_equal(label, predictor.predict(folder / name).label)
        palette = read_palette(path)
        assert palette is not None
        np.testing.assert_array_equal(palette, predictor.classes.full_palette()[: len(palette)])
        values |= set(np.unique(label).tolist())
    assert len(values) > 1


def test_paths_may_be_text(predictor: Predictor, folder: Path) -> None:
    write_image(folder / "a.jpg", 24, 32)
    output = folder.parent / "labels"
    assert label_images(predictor, str(folder), str(output)).written == 1
    assert label_images(predictor, [str(folder), folder / "a.jpg"], output).labeled == 1
    with pytest.raises(DataError, match="nothing"):
        label_images(predictor, str(folder.parent / "nothing"), folder.parent / "other")


@pytest.mark.parametrize(
    ("name", "channels", "depth"),
    [
        ("grey.jpg", 1, 8),
        ("alpha.png", 4, 8),
        ("deep.png", 3, 16),
        ("deep_grey.png", 1, 16),
        ("grey.bmp", 1, 8),
    ],
)
def test_grey_alpha_and_16_bits_are_labeled(
    predictor: Predictor, folder: Path, name: str, channels: int, depth: int
) -> None:
    path = write_image(folder / name, 20, 30, channels, depth)
    label_images(predictor, [path], folder / "labels", outputs=("palette", "overlay"))
    label = read_label(folder / "labels" / f"{path.stem}.png")
    np.testing.assert_array_equal(label, predictor.predict(path).label)
    assert label.shape == (20, 30)


def test_relative_paths_are_kept_and_suffixes_may_be_capitals(predictor: Predictor, folder: Path) -> None:
    for name in ("top.jpg", "one/two/deep.JPEG", "one/side.PNG", "three.x/dot.name.Bmp"):
        write_image(folder / name)
    (folder / "notes.txt").write_text("not an image")
    output = folder.parent / "new" / "labels"
    label_images(predictor, [folder], output)
    assert files_below(output) == {"top.png", "one/two/deep.png", "one/side.png", "three.x/dot.name.png"}


def test_names_may_hold_spaces_newlines_and_any_letters(predictor: Predictor, folder: Path) -> None:
    names = (
        "a b.jpg",
        "größe 日本語.png",
        "two\nlines.jpg",
        "-dash.jpg",
        "[red] 100%.jpg",
        "dir ü\n/x y.png",
    )
    for name in names:
        write_image(folder / name)
    result = label_images(predictor, [folder], folder.parent / "labels", outputs=("palette", "overlay"))
    assert result.failed == ()
    stems = {name.rsplit(".", 1)[0] for name in names}
    expected = {f"{stem}.png" for stem in stems} | {f"{stem}.overlay.jpg" for stem in stems}
    assert files_below(folder.parent / "labels") == expected


def test_97_of_100_images_are_labeled_and_3_are_listed(predictor: Predictor, folder: Path) -> None:
    for number in range(100):
        write_image(folder / f"{number:03}.jpg", 8, 8)
    empty, cut, text = (folder / f"{number:03}.jpg" for number in (0, 42, 99))
    empty.write_bytes(b"")
    cut.write_bytes(write_image(folder / "042.jpg", 64, 64).read_bytes()[:-300])
    text.write_text("this is no photograph")
    result = label_images(predictor, [folder], folder.parent / "labels", outputs=("palette", "overlay"))
    assert result.written == 97
    assert [path for path, _ in result.failed] == [empty, cut, text]
    assert "empty (0 bytes)" in result.failed[0][1]
    for path, reason in result.failed[1:]:
        assert "truncated or not an image" in reason
        assert str(path) not in reason
    labeled = {f"{number:03}" for number in range(100)} - {"000", "042", "099"}
    expected = {f"{name}.png" for name in labeled} | {f"{name}.overlay.jpg" for name in labeled}
    assert files_below(folder.parent / "labels") == expected


def test_files_that_are_no_images_and_broken_links_are_listed(predictor: Predictor, folder: Path) -> None:
    write_image(folder / "a.jpg")
    (folder / "lost.jpg").symlink_to(folder / "nowhere.jpg")
    notes = folder / "notes.txt"
    notes.write_text("no image")
    result = label_images(predictor, [folder, notes, notes], folder.parent / "labels")
    assert result.written == 1
    assert [path for path, _ in result.failed] == [folder / "lost.jpg", notes]
    assert "No such file" in result.failed[0][1]
    assert "JPEG, PNG, BMP, WebP, TIFF, GIF, AVIF, HEIC, JPEG 2000 or PNM" in result.failed[1][1]


@pytest.fixture
def disk_that_fills_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    renamed: list[str] = []
    replace, lock = os.replace, threading.Lock()

    def replace_while_there_is_room(source: Any, target: Any) -> None:
        with lock:  # several threads write
            if len(renamed) >= 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            replace(source, target)
            renamed.append(str(target))

    monkeypatch.setattr(os, "replace", replace_while_there_is_room)
    return renamed


def test_a_full_disk_stops_the_job_and_keeps_what_was_written(
    predictor: Predictor, folder: Path, disk_that_fills_up: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        write_image(folder / f"{number:02}.jpg")
    predict, calls = predictor.predict, []

    def counting_predict(image: npt.NDArray[np.uint8]) -> Any:
        calls.append(image)
        return predict(image)

    monkeypatch.setattr(predictor, "predict", counting_predict)
    output = folder.parent / "labels"
    with pytest.raises(OutputError, match="No space left"):
        label_images(predictor, [folder], output)
    assert len(calls) < 10
    written = files_below(output)
    assert written == {Path(name).name for name in disk_that_fills_up}
    assert len(written) == 3
    for name in written:
        expected = predict(folder / Path(name).with_suffix(".jpg")).label
        np.testing.assert_array_equal(read_label(output / name), expected)


def test_an_output_that_is_a_file_is_refused(predictor: Predictor, folder: Path) -> None:
    write_image(folder / "a.jpg")
    output = folder.parent / "labels"
    output.write_text("precious")
    with pytest.raises(OutputError, match="is a file"):
        label_images(predictor, [folder], output)
    assert output.read_text() == "precious"


def test_labels_and_overlays_are_upright(predictor: Predictor, folder: Path) -> None:
    path = folder / "turned.jpg"
    pixels = read_image(write_image(folder / "stored.png", 40, 64))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(pixels).save(path, quality=95, exif=exif)
    output = folder.parent / "labels"
    label_images(predictor, [path], output, outputs=("palette", "overlay", "areas"))
    label = read_label(output / "turned.png")
    # Orientation 6: turned by a quarter, clockwise, the stored pixels are upright.
    image = np.rot90(EncodedImage(path.read_bytes()).decode_stored(), -1).copy()
    np.testing.assert_array_equal(label, predictor.predict(image).label)
    np.testing.assert_array_equal(label, predictor.predict(path).label)
    np.testing.assert_array_equal(label, predictor.predict(path.read_bytes()).label)
    expected = overlay_image(image, label, predictor.classes)
    assert (output / "turned.overlay.jpg").read_bytes() == encode_jpeg(expected)
    assert (output / "areas.csv").read_text().splitlines()[1].split(",")[1:3] == ["40", "64"]


def test_an_image_longer_than_a_jpeg_can_be_gets_a_smaller_overlay(
    predictor: Predictor, folder: Path
) -> None:
    path = write_image(folder / "long.png", 2, 66_000)
    label_images(predictor, [path], folder.parent / "labels", outputs=("palette", "overlay"))
    assert read_label(folder.parent / "labels" / "long.png").shape == (2, 66_000)
    assert read_image(folder.parent / "labels" / "long.overlay.jpg").shape[1] == 32_000


def test_the_same_inputs_give_the_same_bytes(predictor: Predictor, folder: Path) -> None:
    for name in ("a.jpg", "b.png", "sub/c.bmp"):
        write_image(folder / name)
    for name in ("one", "two"):
        label_images(predictor, [folder], folder.parent / name, outputs=("palette", "overlay"))
    assert contents_below(folder.parent / "one") == contents_below(folder.parent / "two")


def test_the_largest_image_may_be_chosen(predictor: Predictor, folder: Path) -> None:
    write_image(folder / "a.png", 1001, 1000)
    output = folder.parent / "labels"
    result = label_images(predictor, [folder], output, max_megapixels=1)
    assert ["at most 1000000 pixels" in reason for _, reason in result.failed] == [True]
    with pytest.raises(ValueError, match="Received: 1001"):
        label_images(predictor, [folder], output, max_megapixels=1001)
    write_image(folder / "b.png", 1002, 1000)
    write_image(folder / "c.png", 1003, 1000)
    assert len(label_images(predictor, [folder], output).failed) == 3  # the job keeps it
    write_image(folder / "d.png", 1004, 1000)
    assert label_images(predictor, [folder], output, max_megapixels=268).written == 1


def test_options_of_videos_that_are_not_given_are_those_of_the_job(
    predictor: Predictor, folder: Path
) -> None:
    write_image(folder / "a.png")
    output = folder.parent / "labels"
    # A job without videos is bound to no options of videos.
    for options in (VideoOptions(3), VideoOptions(2, 0.5), None):
        label_images(predictor, [folder], output, ("areas",), videos=options)
    write_video(folder / "film.avi", 6, "MJPG")
    assert label_images(predictor, [folder], output, ("areas",)).new_videos
    assert (output / "film.areas.csv").read_text().count(".png") == 3
    with pytest.raises(OutputError, match=r"every: 2, now 1; smooth: 0\.5, now 0\)"):
        label_images(predictor, [folder], output, ("areas",), videos=VideoOptions())


def test_rasters_need_plain_views_and_their_packages(
    predictor: Predictor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(folder / "a.png")
    output = folder.parent / "labels"
    flipping = Predictor(predictor.net, flip=True)
    with pytest.raises(BackendError, match="geotiff: not with --flip"):
        label_images(flipping, [folder], output, ["geotiff"])
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(BackendError, match=r"geopackage: .*keras-fcn\[geo\]"):
        label_images(predictor, [folder], output, ["geopackage"])
    assert not output.exists()
