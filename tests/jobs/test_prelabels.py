"""Tests of labels for labeling tools that a job writes: our own importers read them back, to the pixel."""

import json
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from job_program import Brightness
from photographs import write_image

from fcn.classes import Classes
from fcn.data.image_io import read_label
from fcn.errors import DataError, OutputError
from fcn.inference.predictor import Predictor
from fcn.jobs.job import LabelingResult, open_job
from fcn.jobs.naming import path_beside
from fcn.jobs.restart import restarting
from fcn.labels.importing.readers import cvat_xml, labelme
from fcn.labels.importing.source import Source
from fcn.outputs.annotation_options import AnnotationOptions, AreaLimit

KINDS = ("labelme", "cvat")
NAMES = ("sub/b.png", "c & <d>.jpg", "a.jpg")


class Engine(Brightness):
    classes = Classes.named(("background", "grey", "light"))


def run(
    output: Path,
    *inputs: object,
    kinds: tuple[str, ...] = KINDS,
    options: AnnotationOptions | None = None,
) -> LabelingResult:
    settings: Any = {"model": "brightness"}
    with open_job(output, inputs, settings, kinds, annotations=options) as job:  # type: ignore[arg-type]
        return job.run(Predictor.from_engine(Engine()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        write_image(tmp_path / "data" / "in" / name)
    return tmp_path / "data" / "in"


def check(source: Source, beside: str, folder: Path, ids_folder: Path) -> None:
    """Checks the labels of a source, whose items have names in the folder `beside`."""
    run(ids_folder, folder, kinds=("ids",))
    ids = {key: Engine.classes.names.index(one.name) for key, one in source.classes.items()}
    items = {item.name: item for item in source.items}
    names = [name.rpartition(".")[0] for name in NAMES]
    assert set(items) == {f"{beside}/{name}" for name in names}
    for name in names:
        expected = read_label(ids_folder / f"{name}.png")
        keys = items[f"{beside}/{name}"].read_keys(expected.shape)
        found = np.vectorize(lambda key: ids.get(key, -1))(keys)
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_documents_of_labelme_lie_beside_the_labels_and_name_their_image(
    folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "data" / "results" / "out"
    run(output, folder)
    names = {name: name.rpartition(".")[0] for name in NAMES}
    for name, stem in names.items():
        document = json.loads((output / f"{stem}.json").read_text())
        place = output / stem
        assert os.path.samefile(place.parent / document["imagePath"], folder / name)
        assert not os.path.isabs(document["imagePath"])
    assert (output / "labels.txt").read_text().split() == ["__ignore__", "_background_", "grey", "light"]
    check(labelme.read(tmp_path / "data"), "results/out", folder, tmp_path / "ids")
    assert run(output, folder).written == 0
    (output / "a.json").write_text("corrected")
    assert run(output, folder).written == 0
    run(output, folder, kinds=("palette",))
    assert (output / "a.json").read_text() == "corrected"
    (output / "a.json").unlink()
    (output / "labels.txt").unlink()
    assert run(output, folder).written == 1
    assert (output / "labels.txt").exists()


def test_corrected_documents_stay_when_other_outputs_are_lost(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    kinds = ("palette", "labelme", "areas")
    run(output, folder, kinds=kinds)
    pixels = read_label(output / "a.png")
    summary = (output / "areas.csv").read_bytes()
    for name in ("a", "sub/b"):
        (output / f"{name}.json").write_text("corrected")
        (output / f"{name}.png").unlink()
    (output / "c & <d>.png").unlink()
    (output / "c & <d>.json").unlink()
    write_image(folder / "sub" / "b.png", 8, 8)
    assert run(output, folder, kinds=kinds).written == 3
    assert (output / "a.json").read_text() == "corrected"
    np.testing.assert_array_equal(read_label(output / "a.png"), pixels)
    # This image has changed, and of that one the document is lost too.
    assert json.loads((output / "sub" / "b.json").read_text())["imageHeight"] == 8
    assert (output / "c & <d>.json").exists()
    assert (output / "areas.csv").read_bytes() != summary
    assert run(output, folder, kinds=kinds).written == 0


def test_documents_that_the_job_has_not_written_are_not_overwritten(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    own = output / "sub" / "b.json"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    refused = r"out: sub/b\.json would be overwritten, .* Move or remove them"
    for _ in range(2):
        with pytest.raises(OutputError, match=refused):
            run(output, folder)
        assert [path for path in output.rglob("*") if path.is_file()] == [own]
    run(output, folder, kinds=("palette",))
    with pytest.raises(OutputError, match=refused):
        run(output, folder)
    assert own.read_text() == "mine"
    own.unlink()
    assert run(output, folder).written == 3
    # A new image is like a first run, and so is a job that starts over.
    (output / "new.json").write_text("mine")
    write_image(folder / "new.jpg")
    with pytest.raises(OutputError, match=r"out: new\.json would be"):
        run(output, folder)
    with (
        pytest.raises(OutputError, match=r"out: a\.json, .*new\.json and others would be"),
        restarting(output),
    ):
        run(output, folder)
    (output / "new.json").unlink()
    assert run(output, folder).written == 1


def test_who_follows_the_advice_about_small_regions_keeps_corrections(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    every = AnnotationOptions(min_area=AreaLimit.parse("0"))
    few = AnnotationOptions(min_area=AreaLimit.parse("60"))
    output, new = tmp_path / "out", tmp_path / "new"
    run(output, folder, options=few)
    notice = capsys.readouterr().err
    assert "regions below 60 pixels were left out; --min-area 0 with a new --output keeps them" in notice
    assert "--restart" not in notice
    (output / "a.json").write_text("corrected")
    with pytest.raises(OutputError, match=r"out: a\.json, .*would be overwritten"), restarting(output):
        run(output, folder, options=every)
    run(new, folder, options=every)
    assert "left out" not in capsys.readouterr().err
    assert (output / "a.json").read_text() == "corrected"
    shapes = [len(json.loads((one / "sub" / "b.json").read_text())["shapes"]) for one in (output, new)]
    assert shapes[0] < shapes[1]


@pytest.mark.parametrize("added", ["palette", "cvat", "polygons"])
def test_small_regions_are_all_counted_after_an_output_was_added(
    added: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = AnnotationOptions(min_area=AreaLimit.parse("60"))
    run(tmp_path / "whole", folder, kinds=("labelme", added), options=options)
    whole = capsys.readouterr().err
    assert "regions below 60 pixels were left out" in whole
    output = tmp_path / "out"
    run(output, folder, kinds=("labelme",), options=options)
    capsys.readouterr()
    (output / "a.json").write_text("corrected")
    run(output, folder, kinds=(added,))
    assert capsys.readouterr().err == whole
    assert (output / "a.json").read_text() == "corrected"
    write_image(folder / "new.png")
    run(output, folder, kinds=(added,))
    assert int(capsys.readouterr().err.split()[0]) > int(whole.split()[0])


def test_an_output_folder_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "far" / "away" / "real").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "far" / "away" / "real")
    run(tmp_path / "out", folder)
    document = json.loads((tmp_path / "out" / "a.json").read_text())
    assert os.path.samefile(tmp_path / "out" / document["imagePath"], folder / "a.jpg")


def test_documents_of_moved_images_name_them_and_keep_corrections(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(output, folder, kinds=("labelme",))
    documents = {name: json.loads((output / f"{name}.json").read_text()) for name in ("a", "sub/b")}
    documents["a"] |= {"flags": {"größe": True}, "shapes": [], "imageData": "AAAA"}
    (output / "a.json").write_text(json.dumps(documents["a"], ensure_ascii=False), encoding="utf-8")
    (output / "c & <d>.json").write_text("no document")
    target = folder.rename(tmp_path / "elsewhere")
    assert run(output, target, kinds=("labelme",)).written == 0
    for name, before in documents.items():
        after = json.loads((output / f"{name}.json").read_text())
        path = (output / name).parent / after["imagePath"]
        assert path.resolve() == (target / name).with_suffix(".jpg" if name == "a" else ".png")
        assert after == before | {"imagePath": after["imagePath"]}
    assert (output / "c & <d>.json").read_text() == "no document"


def test_the_image_of_a_url_has_its_name_alone() -> None:
    assert path_beside("https://host/x/a%20b.jpg?size=2", Path("out"), "x/a b") == "a b.jpg"
    for name in ("view", "view_id=1-01234567"):  # files of several links may be called alike
        assert path_beside("https://host/x/view?id=1", Path("out"), f"x/{name}") == name


def test_a_document_of_cvat_has_all_images_by_their_names(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "data" / "out"
    run(output, folder)
    check(cvat_xml.read(tmp_path / "data"), "in", folder, tmp_path / "ids")
    listed = json.loads((output / "cvat_labels.json").read_text())
    assert [one["name"] for one in listed] == ["grey", "light", "__ignore__"]


def test_names_that_xml_cannot_hold_are_escaped(tmp_path: Path) -> None:
    for name in (b"odd\xff.jpg", b"bell\x07.jpg"):
        write_image(tmp_path / "in" / os.fsdecode(name))
    run(tmp_path / "out", tmp_path / "in")
    text = (tmp_path / "out" / "cvat.xml").read_text(encoding="utf-8")
    assert 'name="odd\\udcff.jpg"' in text
    assert 'name="bell\\x07.jpg"' in text
    assert len(ElementTree.fromstring(text).findall("image")) == 2


@pytest.mark.parametrize(("name", "kind"), [("coco.jpg", "polygons"), ("cvat_labels.png", "cvat")])
def test_no_document_of_an_image_is_a_file_about_all(
    name: str, kind: str, folder: Path, tmp_path: Path
) -> None:
    write_image(folder / name)
    run(tmp_path / "alone", folder, kinds=("labelme",))
    with pytest.raises(DataError, match=r"is a file about all images\. Rename the image"):
        run(tmp_path / "out", folder, kinds=("labelme", kind))
    assert not (tmp_path / "out").exists()
    run(tmp_path / "out", folder, kinds=(kind,))
