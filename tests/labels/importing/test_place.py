"""Tests of sources that are archives or single files: they mean what their folder would."""

import base64
import json
import os
import shutil
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from importing_sources import write_ids, write_image, write_text
from PIL import Image

from fcn.cli.main import main
from fcn.labels.importing import place
from fcn.labels.importing.place import Place, find_places

NAMES = ("a", "b", "c", "d")


def labelme(folder: Path) -> None:
    for name in NAMES:
        write_image(folder / f"{name}.jpg")
        points = [[1, 1], [5, 1], [5, 4], [1, 4]]
        document = {"shapes": [{"label": "cat", "points": points}], "imagePath": f"{name}.jpg"}
        write_text(folder / f"{name}.json", json.dumps(document | {"imageHeight": 6, "imageWidth": 8}))


def coco(folder: Path) -> None:
    images, shapes = [], []
    for number, name in enumerate(NAMES, start=1):
        write_image(folder / "images" / f"{name}.jpg")
        images.append({"id": number, "file_name": f"{name}.jpg", "height": 6, "width": 8})
        shape = {"id": number, "image_id": number, "category_id": 3, "segmentation": [[1, 1, 5, 1, 5, 4]]}
        shapes.append(shape)
    document = {"images": images, "annotations": shapes, "categories": [{"id": 3, "name": "cat"}]}
    write_text(folder / "annotations" / "all.json", json.dumps(document))


def cvat(folder: Path) -> None:
    images = ""
    for number, name in enumerate(NAMES):
        write_image(folder / "images" / f"{name}.jpg")
        images += (
            f'<image id="{number}" name="{name}.jpg" width="8" height="6">'
            '<polygon label="cat" points="1,1;5,1;5,4" z_order="0"/></image>'
        )
    write_text(folder / "annotations.xml", f"<annotations><version>1.1</version>{images}</annotations>")


def yolo(folder: Path) -> None:
    for name in NAMES:
        write_image(folder / "images" / f"{name}.jpg")
        write_text(folder / "labels" / f"{name}.txt", "0 0.1 0.1 0.6 0.1 0.6 0.7\n")
    write_text(folder / "data.yaml", "names: [cat]\n")


def masks(folder: Path) -> None:
    for name in NAMES:
        write_image(folder / "images" / f"{name}.jpg")
        write_ids(folder / "masks" / f"{name}.png", np.eye(6, 8, dtype=np.uint8))
    write_text(folder / "labels.txt", "ground\ncat\n")


FORMS = {"labelme": labelme, "coco": coco, "cvat": cvat, "yolo": yolo, "masks": masks}


def command(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["data", "import", *map(str, arguments)])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "import.json"
    }


def imported(sources: list[Path], root: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, bytes]:
    code, _, errors = command([*sources, "--output", root, "--val", "0.5"], capsys)
    assert (code, errors) == (0, "")
    record = json.loads((root / "import.json").read_text())
    assert record["sources"] == [str(source) for source in sources]
    assert ".tmp" not in json.dumps(record)
    return content(root)


def zip_of(folder: Path, path: Path, outer: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"{outer}{file.relative_to(folder).as_posix()}")
        archive.writestr(f"__MACOSX/{outer}._a.jpg", b"Mac OS X")
    return path


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_means_what_its_folder_does(form: str, tmp_path: Path, capsys) -> None:
    FORMS[form](tmp_path / "source")
    expected = imported([tmp_path / "source"], tmp_path / "folder", capsys)
    archives = [zip_of(tmp_path / "source", tmp_path / "outer.bin", "my export/")]
    if form == "masks":
        archives.append(zip_of(tmp_path / "source", tmp_path / "plain.zip"))
    for mode, name in (("w", "plain.tar"), ("w:gz", "plain.tgz")) if form == "masks" else ():
        with tarfile.open(tmp_path / name, mode) as tar:
            tar.add(tmp_path / "source", "export")
        archives.append(tmp_path / name)
    shutil.rmtree(tmp_path / "source")
    before = {*os.listdir(tmp_path)}
    for number, archive in enumerate(archives):
        root = tmp_path / f"root{number}"
        assert imported([archive], root, capsys) == expected
        assert all(path.stat().st_nlink == 1 for path in (root / "JPEGImages").iterdir())
        assert {*os.listdir(tmp_path)} == before | {f"root{one}" for one in range(number + 1)}


@pytest.mark.parametrize(
    ("form", "file"),
    [("coco", "annotations/all.json"), ("cvat", "annotations.xml"), ("yolo", "data.yaml")],
)
def test_a_single_file_means_what_its_folder_does(form: str, file: str, tmp_path: Path, capsys) -> None:
    FORMS[form](tmp_path / "source")
    expected = imported([tmp_path / "source"], tmp_path / "folder", capsys)
    if form != "yolo":  # the others are not read
        path = tmp_path / "source" / file
        path.with_name(f"broken{path.suffix}").write_text('{"images": [], "annotations": [ <annotations> [')
    assert imported([tmp_path / "source" / file], tmp_path / "single", capsys) == expected


def test_several_files_of_labelme_are_one_source(tmp_path: Path, capsys, monkeypatch) -> None:
    labelme(tmp_path / "source")
    expected = imported([tmp_path / "source"], tmp_path / "folder", capsys)
    files = [tmp_path / "source" / f"{name}.json" for name in NAMES]
    assert imported(files, tmp_path / "files", capsys) == expected
    two = imported(files[1:3], tmp_path / "two", capsys)
    assert sorted(name for name in two if name.endswith(".jpg")) == ["JPEGImages/b.jpg", "JPEGImages/c.jpg"]
    code, _, errors = command([files[0], "--output", tmp_path / "one"], capsys)
    assert code == 2
    assert "Expected at least 2 images to divide" in errors
    monkeypatch.chdir(tmp_path / "source")
    assert find_places([Path("a.json"), Path("b.json")]) == [Place(Path(), (Path("a.json"), Path("b.json")))]


def test_images_of_a_file_may_be_above_it(tmp_path: Path) -> None:
    coco(tmp_path / "source")
    file = tmp_path / "source" / "annotations" / "all.json"
    assert find_places([file]) == [Place(tmp_path / "source", (file,))]
    write_image(file.with_name("beside.jpg"))
    assert find_places([file]) == [Place(file.parent, (file,))]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.zip", b"PK\3\4" + bytes(200), "a.zip: is damaged or truncated"),
        ("a.tgz", b"\x1f\x8b" + bytes(200), "a.tgz: is damaged or truncated"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(20), "expected a zip, tar or tar.gz archive. Unpack it"),
        ("a.rar", b"Rar!\x1a\x07\1\0" + bytes(20), "expected a zip, tar or tar.gz archive. Unpack it"),
        ("a.txt", b"hello", "a.txt: is not a file of labels that is known"),
        ("a.json", b'{"a": 1}', "a.json: is not a file of labels that is known"),
        ("a.json", b"", "a.json: is not a file of labels that is known"),
    ],
)
def test_what_cannot_be_opened_is_one_message(name: str, data: bytes, message: str, tmp_path, capsys) -> None:
    (tmp_path / name).write_bytes(data)
    code, shown, errors = command([tmp_path / name, "--output", tmp_path / "new" / "root"], capsys)
    assert (code, shown) == (2, "")
    assert errors.count("\n") == 1
    assert message in errors
    assert os.listdir(tmp_path) == [name]


def test_errors_name_the_archive(tmp_path: Path, capsys) -> None:
    labelme(tmp_path / "source")
    (tmp_path / "source" / "b.json").write_text('{"shapes": [')
    archive = zip_of(tmp_path / "source", tmp_path / "export.zip", "outer/")
    code, _, errors = command([archive, "--output", tmp_path / "root"], capsys)
    assert code == 2
    assert f"{archive}/outer/b.json: is not JSON" in errors
    assert ".tmp" not in errors
    assert sorted(os.listdir(tmp_path)) == ["export.zip", "source"]


def test_an_archive_that_unpacks_to_far_more_is_refused(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(place, "_FREE_BYTES", 1 << 16)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            archive.writestr(f"images/{number}.bmp", bytes(1 << 19))
    assert (tmp_path / "bomb.zip").stat().st_size < 1 << 12
    code, _, errors = command([tmp_path / "bomb.zip", "--output", tmp_path / "root"], capsys)
    assert code == 2
    assert "unpacked. It holds more" in errors
    assert os.listdir(tmp_path) == ["bomb.zip"]


def test_a_dry_run_leaves_nothing(tmp_path: Path, capsys) -> None:
    masks(tmp_path / "source")
    archive = zip_of(tmp_path / "source", tmp_path / "export.zip")
    root = tmp_path / "new" / "root"
    code, shown, _ = command([archive, "--output", root, "--dry-run"], capsys)
    assert code == 0
    assert f"{archive}: images and masks, 4 images" in shown
    assert sorted(os.listdir(tmp_path)) == ["export.zip", "source"]


def test_embedded_images_need_no_image_beside_the_file(tmp_path: Path, capsys) -> None:
    buffer = BytesIO()
    Image.fromarray(np.full((6, 8, 3), 9, np.uint8)).save(buffer, "PNG")
    for name in NAMES[:2]:
        document = {"shapes": [], "imagePath": "gone.png"}
        document["imageData"] = base64.b64encode(buffer.getvalue()).decode()
        write_text(tmp_path / "source" / f"{name}.json", json.dumps(document))
    files = [tmp_path / "source" / f"{name}.json" for name in NAMES[:2]]
    assert "JPEGImages/a.png" in imported(files, tmp_path / "root", capsys)
