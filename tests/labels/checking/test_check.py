"""Tests of the whole check: it goes on where a training would stop, and knows every file."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from html_page import Page, decoded
from IPython.lib.pretty import pretty
from PIL import Image

from fcn.classes import VOID
from fcn.cli.main import main
from fcn.data.image_io import encode_label
from fcn.errors import DataError
from fcn.labels.checking.check import check_dataset
from fcn.labels.checking.finding import Finding
from fcn.labels.checking.look import smallest_objects

SIZE = (20, 26)


@pytest.fixture
def root(tmp_path: Path, make_dataset: Callable[..., Path]) -> Path:
    return make_dataset(tmp_path / "set", {"train": ["a", "b", "c"], "val": ["x", "y"]})


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["data", "check", *map(str, arguments)])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


def found(root: Path) -> dict[str, Finding]:
    return {one.kind: one for one in check_dataset(root).findings}


def test_a_good_set_is_accepted(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output, errors = run([root], capsys)
    assert (code, errors) == (0, "")
    assert "A training accepts this data set." in output
    assert "20x26 (5)" in output
    rows = [line.split() for line in output.splitlines()]
    assert ["0", "ground", "#000000"] in [row[:3] for row in rows]
    assert [row[-2:] for row in rows if row[:1] == ["255"]] == [["3", "2"]]


def test_a_notebook_shows_what_the_command_prints(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "JPEGImages" / "b.jpg").write_bytes(b"")
    survey = check_dataset(str(root))
    _, output, _ = run([root], capsys)
    assert "".join(str(survey).split()) == "".join(output.replace("\u2500", "").split())
    assert pretty(survey) == str(survey)
    page = Page(survey._repr_html_())
    for line in output.splitlines()[-3:]:
        assert line.strip() in page.text


def test_json_has_every_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "JPEGImages" / "a.jpg").write_bytes(b"")
    for number in range(40):
        with (root / "ImageSets" / "Segmentation" / "val.txt").open("a") as file:
            file.write(f"lost_{number}\n")
    code, output, errors = run([root, "--json"], capsys)
    assert code == 2
    assert errors == f"Error: {root}: cannot be trained on as it is: missing files, unusable files.\n"
    document = json.loads(output)
    refused = {one["kind"]: one for one in document["refused"]}
    assert len(refused["missing files"]["files"]) == 40
    assert len(refused["unusable files"]["files"]) == 1
    assert document["images"] == {"train": 3, "val": 2}
    assert document["usable"] is False
    assert sum(one["images"] for one in document["sizes"]) == 4
    assert document["forms"] == {"JPEG, RGB, 8 bits": 4}
    code, output, _ = run([root], capsys)
    assert output.count("is missing") == 20
    assert "... and 20 more files like these" in output


@pytest.mark.parametrize("folder", ["SegmentationClass", "SegmentationClassPNG"])
def test_without_lists_and_names_the_labels_are_counted(root: Path, folder: str) -> None:
    (root / "labels.txt").unlink()
    for path in (root / "ImageSets" / "Segmentation").iterdir():
        path.unlink()
    if folder != "SegmentationClass":
        (root / "SegmentationClass").rename(root / folder)
    survey = check_dataset(root)
    kinds = [(one.kind, one.is_refused) for one in survey.findings]
    assert kinds[:3] == [("lists", True), ("lists", True), ("class names", True)]
    assert [one.name for one in survey.counts] == ["id 0", "id 1", "id 2", "void"]
    assert sum(one.pixels for one in survey.counts) == 5 * 20 * 26
    text = found(root)["no lists"].text
    assert text.startswith("Instead, 5 images with a label were read")
    assert (f"lie in {folder}" in text) == (folder != "SegmentationClass")


def test_a_set_without_any_label_is_refused(root: Path) -> None:
    for path in (root / "SegmentationClass").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"train\.txt: 3 lines have no image or no label"):
        check_dataset(root)
    with pytest.raises(DataError, match="none: no such folder"):
        check_dataset(root / "none")


def test_shared_images_are_all_named(root: Path) -> None:
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("x\ny\na\nb\n")
    (root / "JPEGImages" / "y.jpg").write_bytes((root / "JPEGImages" / "c.jpg").read_bytes())
    assert found(root)["in both splits"].files == ("a", "b")
    (pair,) = found(root)["copies"].files
    assert pair == f"{root / 'JPEGImages' / 'c.jpg'} and {root / 'JPEGImages' / 'y.jpg'}"


def test_a_set_of_12_bits_in_files_of_16_is_refused_until_they_are_given(
    root: Path, capsys: pytest.CaptureFixture[str], rng: np.random.Generator
) -> None:
    for path in (root / "JPEGImages").iterdir():
        values = rng.integers(0, 4096, (*SIZE, 3)).astype(np.uint16)
        path.write_bytes(cv2.imencode(".png", values)[1].tobytes())
    (finding,) = check_dataset(root).refused()
    assert finding.kind == "unused bits"
    assert "5 images have 16 bits a channel" in finding.text
    assert "Set data.bits: 12" in finding.text
    assert len(finding.files) == 5
    assert run([root], capsys)[0] == 2
    code, _, errors = run([root, "--bits", "12"], capsys)
    assert (code, errors) == (0, "")
    assert check_dataset(root, bits=16).refused() == []
    (refused,) = check_dataset(root, bits=10).refused()
    assert "expected values of 10 bits" in refused.files[0]


@pytest.mark.parametrize("dark", [3, 2])
def test_values_without_data_do_not_hide_that_few_bits_are_used(
    dark: int, root: Path, rng: np.random.Generator
) -> None:
    for number, path in enumerate(sorted((root / "JPEGImages").iterdir())):
        values = rng.integers(0, 4096 if number < dark else 65536, (*SIZE, 3)).astype(np.uint16)
        values[0, 0] = 65535
        path.write_bytes(cv2.imencode(".png", values)[1].tobytes())
    survey = check_dataset(root)
    assert survey.refused() == []
    found = [finding for finding in survey.warnings() if finding.kind == "rarely used bits"]
    assert len(found) == (dark == 3)
    assert all(
        "In 3 of 5 images of 16 bits a channel, 99% of the values are at most 4095" in one.text
        for one in found
    )
    assert {finding.kind for finding in check_dataset(root, bits=16).warnings()} <= {"bit depths"}


def test_files_that_differ_in_the_case_of_the_suffix_are_said(root: Path) -> None:
    labels, images = root / "SegmentationClass", root / "JPEGImages"
    (labels / "a.png").rename(labels / "a.PNG")
    assert "same names" not in found(root)
    for name in ("x.PNG", "y.Png"):
        (labels / name).write_bytes((labels / "b.png").read_bytes())
    (images / "c.JPG").write_bytes((images / "c.jpg").read_bytes())
    (labels / "X.png").write_bytes((labels / "b.png").read_bytes())  # that of another image
    (labels / "b.txt").touch()
    finding = found(root)["same names"]
    assert finding.text.startswith("3 files differ from an image or label that is read only in the case of")
    assert not finding.is_refused
    assert set(finding.files) == {
        f"{images / 'c.jpg'} is read, c.JPG is not",
        f"{labels / 'x.png'} is read, x.PNG is not",
        f"{labels / 'y.png'} is read, y.Png is not",
    }
    (labels / "x.png").unlink()
    assert len(found(root)["same names"].files) == 2


def test_labels_that_were_a_jpeg_are_said(root: Path) -> None:
    names = tuple(f"class {number}" for number in range(21))
    (root / "labels.txt").write_text("".join(f"{name}\n" for name in names))
    label = np.zeros(SIZE, np.uint8)
    label[4:16, 4:20] = 20
    (root / "SegmentationClass" / "b.png").write_bytes(encode_label(cv2.blur(label, (5, 5))))
    finding = found(root)["stored with loss"]
    assert not finding.is_refused
    assert finding.files == (str(root / "SegmentationClass" / "b.png"),)


def test_bit_depths_are_said(root: Path) -> None:
    images = root / "JPEGImages"
    for name in "ab":
        (images / f"{name}.jpg").unlink()
        values = np.arange(20 * 26, dtype=np.uint16).reshape(SIZE) * 99
        Image.fromarray(values).save(images / f"{name}.png")
    assert found(root)["bit depths"].text == (
        "Images have different bit depths: 3 JPEG, RGB, 8 bits; 2 PNG, gray, 16 bits."
    )


def test_the_smallest_objects_are_found() -> None:
    label = np.zeros((30, 40), np.uint8)
    label[2:5, 3:9] = 1
    label[20, 30] = label[21, 31] = 1  # one object: its pixels touch at a corner
    label[10:20, 10:20] = 7
    label[0] = VOID
    assert [tuple(one) for one in smallest_objects(label)] == [
        (1, 2, (20, 30, 2, 2)),
        (7, 100, (10, 10, 10, 10)),
    ]
    assert smallest_objects(np.zeros((3, 3), np.uint8)) == []


def test_the_page_shows_classes_findings_and_pictures(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "labels.txt").write_text("<ground>\ncat\ndog\nunused\n")
    ids = np.zeros(SIZE, np.uint8)
    ids[:10], ids[15, 20] = 2, 1
    (root / "SegmentationClass" / "b.png").write_bytes(encode_label(ids))
    (root / "JPEGImages" / "c.jpg").write_bytes(b"")
    page = tmp_path / "check.html"
    code, output, _ = run([root, "--html", page], capsys)
    assert code == 2
    assert f"Wrote {page}." in output
    text = page.read_text(encoding="utf-8")
    assert "&lt;ground&gt;" in text
    assert "<ground>" not in text
    for words in (
        "A training refuses this data set until these are solved.",
        "Warnings",
        "c.jpg: is empty",
        "1 pixel of cat",
        "absent",
    ):
        assert words in text
    parsed = Page(text)
    assert parsed.open == []
    assert all(decoded(image).width > 20 for image in parsed.all("img"))
    assert all(image["alt"] for image in parsed.all("img"))
    assert "http:" not in text
    assert "https:" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--palettes", "ids"], "Add --fix"),
        (["--fix", "new", "--html", "page.html"], "two commands"),
        (["--html", "."], "expected a file"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    root: Path, arguments: list[object], words: str, capsys: pytest.CaptureFixture[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    code, output, errors = run([root, *arguments], capsys)
    assert (code, output) == (2, "")
    assert words in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]
