"""Tests of what is found in files and folders, and what is not."""

import errno
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photographs import contents_below, files_below, random_predictor, write_image
from PIL import Image

from fcn.data.image_io import read_size
from fcn.errors import DataError
from fcn.inference.predictor import Predictor
from fcn.jobs.label_images import label_images
from fcn.jobs.sources.search import FoundImage, find_images


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return random_predictor()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    return folder


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
    label_images(predictor, [folder], output, outputs=("palette", "overlay"))
    first = contents_below(folder / "labels")
    new = {"a.png", "a.overlay.jpg", "sub/b.png", "sub/b.overlay.jpg"}
    assert set(first) == {"old.jpg", "inner/old.jpg"} | new
    (folder / "labels" / "a.png").unlink()  # is labeled again
    assert label_images(predictor, [folder], output, outputs=("palette", "overlay")).written == 1
    assert contents_below(folder / "labels") == first


def test_inputs_inside_the_output_folder_are_refused(predictor: Predictor, folder: Path) -> None:
    path = write_image(folder / "sub" / "a.png")
    before = path.read_bytes()
    for wrong in (folder, folder / "sub", path):
        with pytest.raises(DataError, match=r"is inside the output folder .* Choose another"):
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
    found = [*find_images([folder], folder.parent / "labels")]
    assert found == [
        FoundImage(str(folder / "real" / "a.jpg"), str(folder / "real" / "a.jpg"), "real"),
        FoundImage(str(elsewhere / "b.jpg"), str(folder / "to" / "b.jpg"), "to"),
    ]


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
    assert len({*find_images([folder], output)}) == 2


def test_hidden_files_and_folders_are_passed_over(predictor: Predictor, folder: Path) -> None:
    for name in ("a.jpg", ".a.jpg.1234.tmp.png", "._a.jpg", ".thumbnails/a.jpg"):
        write_image(folder / name)
    assert label_images(predictor, [folder], folder / "labels").written == 1
    (found,) = find_images([folder / ".thumbnails"], folder / "labels")
    assert found.path == str(folder / ".thumbnails" / "a.jpg")


def test_pipes_are_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")
    write_image(folder / "a.jpg")
    assert [found.path for found in find_images([folder], folder / "labels")] == [str(folder / "a.jpg")]
    with pytest.raises(DataError, match="expected a file or a folder"):
        [*find_images([folder / "pipe.jpg"], folder / "labels")]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", r"cannot be read \(No such file or directory\). Check the path"),
        ("empty", "no images found"),
        ("notes.txt", "JPEG, PNG, BMP, WebP, TIFF, .* or PNM"),
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
        [*find_images([locked], folder / "labels")]
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
            [*find_images([path], folder / "labels")]
        path.chmod(0o700)


def test_pictures_that_cannot_be_read_fail_and_other_files_are_counted(
    predictor: Predictor, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(folder / "a.jpg")
    for name in ("b.CR2", "sub/c.svg", "sub/d.psd", "e.dng"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"something")
    for name in ("notes.txt", "sub/shapes.json", "sub/more.json", "README", ".hidden.txt"):
        (folder / name).write_text("no image")
    result = label_images(predictor, [folder], folder / "labels")
    assert (result.written, result.labeled) == (1, 1)
    failed = {os.path.relpath(path, folder): reason for path, reason in result.failed}
    assert failed.keys() == {"b.CR2", "sub/c.svg", "sub/d.psd", "e.dng"}
    assert all("is not decoded here" in reason for reason in failed.values())
    assert "a camera's raw file" in failed["b.CR2"]
    assert "Left out: 4 other files (2 .json, " in capsys.readouterr().err
    again = label_images(predictor, [folder], folder / "labels")
    assert (again.written, len(again.failed)) == (0, 4)
    (folder / "b.CR2").unlink()
    assert len(label_images(predictor, [folder], folder / "labels").failed) == 3


def test_a_raw_file_given_by_itself_is_named(predictor: Predictor, folder: Path) -> None:
    (folder / "a.NEF").write_bytes(b"MM\0*")
    with pytest.raises(DataError, match=r"a\.NEF: is a camera's raw file.* Export it as a TIFF or JPEG"):
        label_images(predictor, [folder / "a.NEF"], folder / "labels")


def test_a_folder_of_other_files_says_how_many_there_are(predictor: Predictor, folder: Path) -> None:
    for number in range(3):
        (folder / f"{number}.txt").write_text("no image")
    with pytest.raises(DataError, match=r"no images found\. .* There are 3 other files \(3 \.txt\)"):
        label_images(predictor, [folder], folder / "labels")


def test_heic_without_its_package_fails_and_the_rest_is_labeled(
    predictor: Predictor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    write_image(folder / "a.jpg")
    shutil.copyfile(Path(__file__).parents[2] / "fixtures" / "heic" / "color.heic", folder / "b.heic")
    result = label_images(predictor, [folder], folder / "labels")
    assert result.written == 1
    ((path, reason),) = result.failed
    assert path == folder / "b.heic"
    assert "pip install 'keras-fcn[heic]'" in reason


def test_every_form_is_labeled_at_its_own_size_also_in_other_processes(
    predictor: Predictor, folder: Path
) -> None:
    image = Image.fromarray(np.zeros((24, 32, 3), np.uint8))
    names = ("a.jfif", "b.jpe", "c.gif", "d.avif", "e.jp2", "f.ppm", "g.tif")
    for name in names:
        image.save(folder / name)
    shutil.copyfile(Path(__file__).parents[2] / "fixtures" / "heic" / "turned.heic", folder / "h.heic")
    result = label_images(predictor, [folder], folder / "labels")
    assert (result.written, result.failed) == (len(names) + 1, ())
    for name in names:
        assert read_size(folder / "labels" / Path(name).with_suffix(".png")) == (24, 32)
    assert read_size(folder / "labels" / "h.png") == (67, 45)
