"""Tests of what `fcn data check` reports about positions (GPS) and orientations in images."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from html_page import Page
from PIL import ExifTags, Image

from fcn.cli.main import main
from fcn.data.image_io import read_image, read_label
from fcn.data.voc import read_split
from fcn.labels.checking.check import check_dataset
from fcn.labels.checking.document import survey_document


@pytest.fixture
def root(tmp_path: Path, make_dataset: Callable[..., Path]) -> Path:
    return make_dataset(tmp_path / "set", {"train": ["a", "b", "c"], "val": ["x", "y"]})


def write_exif(path: Path, orientation: int | None = None, position: bool = False) -> None:
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    if position:
        exif[ExifTags.IFD.GPSInfo] = {
            ExifTags.GPS.GPSLatitudeRef: "N",
            ExifTags.GPS.GPSLatitude: (52.0, 30.0, 0.0),
            ExifTags.GPS.GPSLongitude: (13.0, 24.0, 0.0),
        }
    Image.fromarray(read_image(path)).save(path, exif=exif)


def test_labels_of_stored_pixels_are_checked_as_a_training_reads_them(root: Path) -> None:
    path = read_split(root, "train")[0].image_path
    write_exif(path, orientation=6)
    refused = check_dataset(root).refused()
    assert [finding.kind for finding in refused] == ["orientations differ"]
    assert "EXIF orientation 6 turns it" in refused[0].files[0]
    survey = check_dataset(root, label_orientation="stored")
    assert survey.refused() == []
    assert {example.label_orientation for example in survey.examination.examples} == {"stored"}


def test_positions_and_orientations_are_said(root: Path) -> None:
    for index, example in enumerate(read_split(root, "train")):
        write_exif(example.image_path, orientation=(None, 1, 3)[index], position=index < 2)
    findings = {one.kind: one for one in check_dataset(root).findings}
    assert findings["positions"].text.startswith("2 of 5 images hold the position")
    assert findings["orientation"].files == (str(root / "JPEGImages" / "c.jpg"),)
    document = survey_document(check_dataset(root))
    assert document["images_with_position"] == 2
    assert document["orientations"] == {"1": 4, "3": 1}


def test_the_remedy_for_positions_works(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for example in read_split(root, "train")[:2]:
        write_exif(example.image_path, orientation=3, position=True)
    with pytest.raises(SystemExit):
        main(["data", "check", str(root), "--html", str(root.parent / "check.html")])
    output = capsys.readouterr().out
    (line,) = (line for line in output.splitlines() if "(GPS)" in line)
    _, command = line.split("python -m fcn ")
    assert str(root / "JPEGImages" / "a.jpg") in output
    page = Page((root.parent / "check.html").read_text())
    assert f"python -m fcn {command}" in page.text
    new = root.parent / "new"
    with pytest.raises(SystemExit) as stopped:
        main([*command.replace("NEWROOT", str(new)).split(), "--json"])
    assert not stopped.value.code
    record = json.loads(capsys.readouterr().out)
    assert (record["stripped_images"], record["hard_links"]) == (2, 0)
    assert record["options"]["strip_metadata"] is True
    survey, before = check_dataset(new), check_dataset(root)
    assert "positions" not in [finding.kind for finding in survey.findings]
    assert survey.counts == before.counts
    for split in ("train", "val"):
        for one, other in zip(read_split(new, split), read_split(root, split), strict=True):
            assert one.name == other.name
            np.testing.assert_array_equal(read_image(one.image_path), read_image(other.image_path))
            np.testing.assert_array_equal(read_label(one.label_path), read_label(other.label_path))
