"""Tests of labeling files and folders: what is read, what is written where, and what goes wrong."""

import errno
import os
import random
from pathlib import Path, PurePath
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from fcn.data.image_io import encode_jpeg, read_image, read_label, read_palette
from fcn.errors import DataError, OutputError
from fcn.inference.folder import label_images
from fcn.inference.outputs.overlay import overlay_image
from fcn.inference.predictor import Predictor
from fcn.inference.search import FoundImage, find_images, name_labels
from fcn.models.fcn import FCN


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    model = FCN(num_classes=3, width=1 / 16)
    rng = np.random.default_rng(0)
    # New score layers start at zero: every pixel would be class 0, and a label that is wrong look right.
    model.set_weights([rng.normal(0, 0.1, weight.shape) for weight in model.get_weights()])
    return Predictor(model)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    return folder


def write_image(path: Path, height: int = 24, width: int = 32, channels: int = 3, depth: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([*os.fsencode(path.name)])
    coarse = rng.integers(0, 2**depth, (4, 4, channels))
    pixels = cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST)
    kind: Any = np.uint8 if depth == 8 else np.uint16
    written, data = cv2.imencode(path.suffix, pixels.astype(kind))
    assert written
    path.write_bytes(data.tobytes())
    return path


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def contents_below(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files_below(folder)}


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
    label_images(predictor, [path], folder / "labels", overlay=True)
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
    result = label_images(predictor, [folder], folder.parent / "labels", overlay=True)
    assert result.failed == ()
    stems = {name.rsplit(".", 1)[0] for name in names}
    expected = {f"{stem}.png" for stem in stems} | {f"{stem}.overlay.jpg" for stem in stems}
    assert files_below(folder.parent / "labels") == expected


def test_images_that_would_share_a_name_all_keep_their_suffix(predictor: Predictor, tmp_path: Path) -> None:
    for name in ("one/a.jpg", "one/a.png", "one/b.jpg", "two/b.bmp", "two/c.jpg", "two/sub/a.jpg"):
        write_image(tmp_path / name)
    inputs = [tmp_path / "one", tmp_path / "two"]
    label_images(predictor, inputs, tmp_path / "labels", overlay=True)
    names = {"a.jpg", "a.png", "b.jpg", "b.bmp", "c", "sub/a"}
    expected = {f"{name}.png" for name in names} | {f"{name}.overlay.jpg" for name in names}
    assert files_below(tmp_path / "labels") == expected
    label = read_label(tmp_path / "labels" / "b.bmp.png")
    np.testing.assert_array_equal(label, predictor.predict(tmp_path / "two" / "b.bmp").label)
    label_images(predictor, inputs[::-1], tmp_path / "again", overlay=True)
    assert contents_below(tmp_path / "again") == contents_below(tmp_path / "labels")


def test_the_same_name_in_two_folders_is_refused_before_any_work(
    predictor: Predictor, tmp_path: Path
) -> None:
    paths = [write_image(tmp_path / name) for name in ("one/sub/a.jpg", "two/sub/a.jpg")]
    write_image(tmp_path / "one" / "b.jpg")
    with pytest.raises(DataError, match="separate output folders") as caught:
        label_images(predictor, [tmp_path / "one", tmp_path / "two"], tmp_path / "labels")
    assert all(str(path) in str(caught.value) for path in paths)
    assert not (tmp_path / "labels").exists()


NAMES = st.sampled_from(
    ["a", "b", "a.jpg", "a.png", "a.jpg.png", "a.overlay", "a.overlay.jpg", "a..jpg", "..jpg"]
)
FOLDERS = st.lists(st.sampled_from(["a", "a.png", "a.jpg.png", "a.overlay.jpg"]), max_size=2)
PLACES = st.lists(
    st.builds(
        lambda top, folder, name, suffix: FoundImage(
            Path(top, *folder, f"{name}{suffix}"), PurePath(*folder)
        ),
        st.sampled_from(["one", "two"]),
        FOLDERS,
        NAMES,
        st.sampled_from([".jpg", ".png", ".JPG"]),
    ),
    max_size=12,
    unique_by=lambda image: (image.folder, image.path.name),
)


@settings(deadline=None, max_examples=300)
@given(images=PLACES, seed=st.integers(0, 9))
def test_no_two_outputs_are_ever_equal(images: list[FoundImage], seed: int) -> None:
    try:
        labels = name_labels(images)
    except DataError:
        # Distinct names are impossible only where a folder has the name of a label, or of its overlay.
        full_names = {
            image.folder / f"{image.path.name}{end}" for image in images for end in (".png", ".overlay.jpg")
        }
        assert full_names & {parent for name in full_names for parent in name.parents}
        return
    overlays = [label.with_suffix(".overlay.jpg") for label in labels]
    files = labels + overlays
    folders = {parent for file in files for parent in file.parents}
    assert len(set(files)) == 2 * len(images)
    assert not folders & set(files)
    for image, label in zip(images, labels, strict=True):
        assert label.parent == image.folder
        assert label.name in (f"{image.path.stem}.png", f"{image.path.name}.png")
    shuffled = random.Random(seed).sample(range(len(images)), len(images))
    assert name_labels([images[index] for index in shuffled]) == [labels[index] for index in shuffled]


def test_a_full_name_that_is_the_short_name_of_another_makes_that_one_give_way() -> None:
    images = [FoundImage(Path("in", name), PurePath()) for name in ("a.jpg", "a.png", "a.jpg.bmp", "b.jpg")]
    names = [str(name) for name in name_labels(images)]
    assert names == ["a.jpg.png", "a.png.png", "a.jpg.bmp.png", "b.png"]


def test_a_label_never_takes_the_name_of_a_folder(predictor: Predictor, folder: Path) -> None:
    write_image(folder / "a.jpg")
    write_image(folder / "b.jpg")
    write_image(folder / "a.png" / "c.jpg")
    write_image(folder / "b.overlay.jpg" / "d.jpg")
    label_images(predictor, [folder], folder.parent / "labels")
    expected = {"a.jpg.png", "b.jpg.png", "a.png/c.png", "b.overlay.jpg/d.png"}
    assert files_below(folder.parent / "labels") == expected


@pytest.mark.parametrize("way", ["plain", "relative", "link"])
def test_the_output_folder_is_never_read(
    predictor: Predictor, folder: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.jpg", "sub/b.png", "labels/old.jpg", "labels/inner/old.jpg"):
        write_image(folder / name)
    (folder / "sub" / "to_labels").symlink_to(folder / "labels")
    (folder / "sub" / "to_inner").symlink_to(folder / "labels" / "inner")
    (folder / "sub" / "old_link.jpg").symlink_to(folder / "labels" / "old.jpg")
    output = folder / "labels"
    if way == "relative":
        monkeypatch.chdir(folder / "sub")
        output = Path("../labels/../labels")
    if way == "link":
        output = folder.parent / "link"
        output.symlink_to(folder / "labels")
    label_images(predictor, [folder], output, overlay=True)
    first = contents_below(folder / "labels")
    new = {"a.png", "a.overlay.jpg", "sub/b.png", "sub/b.overlay.jpg"}
    assert set(first) == {"old.jpg", "inner/old.jpg"} | new
    assert label_images(predictor, [folder], output, overlay=True).written == 2
    assert contents_below(folder / "labels") == first


def test_inputs_inside_the_output_folder_are_refused(predictor: Predictor, folder: Path) -> None:
    path = write_image(folder / "sub" / "a.png")
    before = path.read_bytes()
    for wrong in (folder, folder / "sub", path):
        with pytest.raises(DataError, match=r"lies in the output folder .* elsewhere"):
            label_images(predictor, [wrong], folder)
    assert contents_below(folder) == {"sub/a.png": before}


def test_links_in_circles_end_and_each_folder_is_read_once(folder: Path) -> None:
    write_image(folder / "real" / "a.jpg")
    elsewhere = write_image(folder.parent / "elsewhere" / "b.jpg").parent
    (folder / "a_first").symlink_to(folder / "real")
    (folder / "real" / "up").symlink_to(folder)
    (folder / "self").symlink_to("self")
    (folder / "to").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(folder / "real")
    images, failed = find_images([folder], folder.parent / "labels")
    assert [str(image.folder / image.path.name) for image in images] == ["real/a.jpg", "to/b.jpg"]
    assert failed == []


def test_a_file_given_in_several_ways_is_labeled_once(
    predictor: Predictor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_image(folder / "sub" / "a.jpg")
    link = folder.parent / "link"
    link.symlink_to(folder)
    monkeypatch.chdir(folder)
    inputs = [Path("sub/a.jpg"), folder / "sub", path, path, Path("sub/../sub/a.jpg"), link, folder]
    for number, given_inputs in enumerate((inputs, inputs[::-1])):
        output = folder.parent / f"labels{number}"
        assert label_images(predictor, given_inputs, output).written == 1
        assert files_below(output) == {"sub/a.png"}
    # A linked photograph has a name of its own.
    (folder / "sub" / "b.jpg").symlink_to(path)
    assert len(find_images([folder], output)[0]) == 2


def test_hidden_files_and_folders_are_passed_over(predictor: Predictor, folder: Path) -> None:
    for name in ("a.jpg", ".a.jpg.1234.tmp.png", "._a.jpg", ".thumbnails/a.jpg"):
        write_image(folder / name)
    assert label_images(predictor, [folder], folder / "labels").written == 1
    assert find_images([folder / ".thumbnails"], folder / "labels")[0][0].path.name == "a.jpg"


def test_97_of_100_images_are_labeled_and_3_are_listed(predictor: Predictor, folder: Path) -> None:
    for number in range(100):
        write_image(folder / f"{number:03}.jpg", 8, 8)
    empty, cut, text = (folder / f"{number:03}.jpg" for number in (0, 42, 99))
    empty.write_bytes(b"")
    cut.write_bytes(write_image(folder / "042.jpg", 64, 64).read_bytes()[:-300])
    text.write_text("this is no photograph")
    result = label_images(predictor, [folder], folder.parent / "labels", overlay=True)
    assert result.written == 97
    assert [path for path, _ in result.failed] == [empty, cut, text]
    assert "empty (0 bytes)" in result.failed[0][1]
    for path, reason in result.failed[1:]:
        assert "truncated, or no image" in reason
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
    assert "JPEG, PNG, BMP, WebP or TIFF" in result.failed[1][1]


def test_pipes_are_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")
    write_image(folder / "a.jpg")
    images, _ = find_images([folder], folder / "labels")
    assert [image.path.name for image in images] == ["a.jpg"]
    with pytest.raises(DataError, match="expected a file or a folder"):
        find_images([folder / "pipe.jpg"], folder / "labels")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "no such file or folder"),
        ("empty", "no images found"),
        ("notes.txt", "JPEG, PNG, BMP, WebP or TIFF"),
    ],
)
def test_inputs_without_images_are_refused(
    predictor: Predictor, folder: Path, name: str, message: str
) -> None:
    (folder / "empty" / "sub").mkdir(parents=True)
    (folder / "notes.txt").write_text("no image")
    with pytest.raises(DataError, match=message) as caught:
        label_images(predictor, [folder / name], folder / "labels")
    assert str(folder / name) in str(caught.value)
    assert not (folder / "labels").exists()


def test_an_unreadable_folder_is_refused_and_an_unreadable_subfolder_listed(
    predictor: Predictor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(folder / "a.jpg")
    locked = write_image(folder / "locked" / "b.jpg").parent
    scandir = os.scandir

    def scandir_unless_locked(path: Path) -> Any:
        if os.fspath(path) == os.fspath(locked):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scandir_unless_locked)
    with pytest.raises(DataError, match=r"locked: cannot be read \(Permission denied\)"):
        find_images([locked], folder / "labels")
    result = label_images(predictor, [folder], folder.parent / "labels")
    assert result.written == 1
    assert [path for path, _ in result.failed] == [locked]
    assert "Permission denied" in result.failed[0][1]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_inputs_without_permission_are_refused(folder: Path) -> None:
    locked = write_image(folder / "locked" / "b.jpg")
    for path in (locked, locked.parent):
        path.chmod(0)
        with pytest.raises(DataError, match="cannot be read"):
            find_images([path], folder / "labels")
        path.chmod(0o700)


@pytest.fixture
def disk_that_fills_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    renamed: list[str] = []
    replace = os.replace

    def replace_while_there_is_room(source: Any, target: Any) -> None:
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


def test_labels_are_as_stored_and_overlays_are_upright(predictor: Predictor, folder: Path) -> None:
    path = folder / "turned.jpg"
    pixels = read_image(write_image(folder / "stored.png", 40, 64))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(pixels).save(path, quality=95, exif=exif)
    output = folder.parent / "labels"
    label_images(predictor, [path], output, overlay=True)
    label = read_label(output / "turned.png")
    assert label.shape == (40, 64)
    np.testing.assert_array_equal(label, predictor.predict(path).label)
    # Orientation 6: turned by a quarter, clockwise, the stored pixels are upright.
    image, label = np.rot90(read_image(path), -1).copy(), np.rot90(label, -1).copy()
    expected = overlay_image(image, label, predictor.classes)
    assert (output / "turned.overlay.jpg").read_bytes() == encode_jpeg(expected)


def test_an_image_longer_than_a_jpeg_can_be_gets_a_smaller_overlay(
    predictor: Predictor, folder: Path
) -> None:
    path = write_image(folder / "long.png", 2, 66_000)
    label_images(predictor, [path], folder.parent / "labels", overlay=True)
    assert read_label(folder.parent / "labels" / "long.png").shape == (2, 66_000)
    assert read_image(folder.parent / "labels" / "long.overlay.jpg").shape[1] == 32_000


def test_the_same_inputs_give_the_same_bytes(predictor: Predictor, folder: Path) -> None:
    for name in ("a.jpg", "b.png", "sub/c.bmp"):
        write_image(folder / name)
    for name in ("one", "two"):
        label_images(predictor, [folder], folder.parent / name, overlay=True)
    assert contents_below(folder.parent / "one") == contents_below(folder.parent / "two")
