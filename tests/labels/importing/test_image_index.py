"""Tests of finding images by the names that other machines write."""

import unicodedata
from pathlib import Path

import pytest

from fcn.errors import DataError, PlaceError
from fcn.labels.importing.image_index import ImageIndex


def write_files(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        ("a.jpg", "a.jpg"),
        ("images/a.jpg", "/home/x/photos/a.jpg"),
        ("images/a.jpg", "C:\\photos\\a.jpg"),
        ("images/a.jpg", "../../a.jpg"),
        ("images/a.JPG", "a.jpg"),
        ("images/a.jpg", "a"),
        ("images/frame.0001.png", "frame.0001"),
        (unicodedata.normalize("NFD", "images/été.jpg"), unicodedata.normalize("NFC", "été.jpg")),
        (unicodedata.normalize("NFC", "images/été.jpg"), unicodedata.normalize("NFD", "été.jpg")),
    ],
)
def test_a_name_of_any_machine_finds_its_image(tmp_path: Path, stored: str, name: str) -> None:
    write_files(tmp_path, stored, "other.jpg")
    assert ImageIndex(tmp_path).find(name, tmp_path / "list.json") == tmp_path / stored


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/", "b.jpg", "a.png", "/etc/passwd", "a" * 5000, "\0", "\ud800"]
)
def test_other_names_find_nothing(tmp_path: Path, name: str) -> None:
    write_files(tmp_path / "root", "a.jpg")
    write_files(tmp_path, "b.jpg")
    assert ImageIndex(tmp_path / "root").find(name, tmp_path / "root" / "list.json") is None


@pytest.mark.parametrize(
    ("name", "source", "split", "expected"),
    [
        ("two/a.jpg", "list.json", None, "two/a.jpg"),
        ("x/val/a.jpg", "list.json", None, "val/a.jpg"),
        ("a.jpg", "two/list.json", None, "two/a.jpg"),
        ("a.jpg", "list.json", "val", "val/a.jpg"),
        ("a.jpg", "val/list.json", "train", "val/a.jpg"),
    ],
)
def test_of_several_images_the_likeliest_is_taken(
    tmp_path: Path, name: str, source: str, split: str | None, expected: str
) -> None:
    write_files(tmp_path, "one/a.jpg", "two/a.jpg", "val/a.jpg")
    assert ImageIndex(tmp_path).find(name, tmp_path / source, split) == tmp_path / expected


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        ("one/a.jpg", "a.jpg"),
        ("two/a.jpg", "../two/a.jpg"),
        ("two/a.jpg", r"..\two\a.jpg"),
        ("one/a.jpg", "/home/x/two/a.jpg"),
        ("one/a.jpg", r"C:\photos\a.jpg"),
        ("one/a.jpg", "images/a.jpg"),
        ("one/a.JPG", "a.jpg"),
        ("one/a.heic", "a.heic"),
        ("one/.hidden/a.jpg", ".hidden/a.jpg"),
        (unicodedata.normalize("NFD", "one/été.jpg"), unicodedata.normalize("NFC", "été.jpg")),
        (unicodedata.normalize("NFC", "one/été.jpg"), unicodedata.normalize("NFD", "été.jpg")),
    ],
)
def test_a_name_finds_the_image_near_its_file(tmp_path: Path, stored: str, name: str) -> None:
    write_files(tmp_path, "three/a.jpg", "three/été.jpg", "one/a.png", stored)
    found = ImageIndex(tmp_path).find_near(name, tmp_path / "one", tmp_path / "one" / "a.json")
    assert found is not None
    assert found.samefile(tmp_path / stored)


def test_an_image_of_the_name_elsewhere_is_another_one(tmp_path: Path) -> None:
    write_files(tmp_path, "one/a.png", "two/a.jpg", "two/one/a.jpg")
    index = ImageIndex(tmp_path)
    for name in ("a.jpg", "a", "b/a.jpg", "a" * 5000, "/"):
        assert index.find_near(name, tmp_path / "one", tmp_path / "one" / "a.json") is None


@pytest.mark.parametrize("name", ["../../a.jpg", "..", "\0", "../../../etc/passwd"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    write_files(tmp_path, "a.jpg", "root/one/b.jpg")
    with pytest.raises(PlaceError, match=r"outside of the folder .*root\. Give the folder that holds both"):
        ImageIndex(tmp_path / "root").find_near(name, tmp_path / "root/one", tmp_path / "root/one/a.json")


def test_an_image_beside_labels_that_were_moved_to_it_is_found(tmp_path: Path) -> None:
    write_files(tmp_path, "root/one/a.jpg", "images/a.jpg")
    one = tmp_path / "root" / "one"
    assert ImageIndex(tmp_path / "root").find_near("../../images/a.jpg", one, one / "a.json") == one / "a.jpg"


def test_letter_case_alone_chooses_no_image(tmp_path: Path) -> None:
    write_files(tmp_path, "A.jpg", "a.JPG")
    with pytest.raises(DataError, match="which can be"):
        ImageIndex(tmp_path).find_near("a.jpg", tmp_path, tmp_path / "a.json")


def test_several_images_that_are_as_likely_are_refused(tmp_path: Path) -> None:
    write_files(tmp_path, "one/a.jpg", "two/a.jpg")
    with pytest.raises(DataError, match=r"names 'a.jpg', which can be .*one.a.jpg or .*two.a.jpg"):
        ImageIndex(tmp_path).find("a.jpg", tmp_path / "list.json")
