"""Tests of the import of labels in one call, against the command."""

import json
from pathlib import Path

import numpy as np
import pytest
from html_page import Page
from IPython.lib.pretty import pretty
from PIL import Image

import fcn
from fcn.cli.main import main
from fcn.errors import ConfigError, DataError, OutputError

FILES = ("labels.txt", "ImageSets/Segmentation/train.txt", "ImageSets/Segmentation/val.txt")


@pytest.fixture
def labeled(tmp_path: Path) -> Path:
    """Six images of two classes with the documents that labelme writes."""
    folder = tmp_path / "labeled"
    folder.mkdir()
    for number in range(6):
        pixels = np.full((20, 30, 3), 40 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        square = [[4, 4], [14, 4], [14, 14], [4, 14]]
        shape = {"label": ("cat", "kitten")[number % 2], "points": square, "shape_type": "polygon"}
        document = {"shapes": [shape], "imagePath": f"{number}.png", "imageHeight": 20, "imageWidth": 30}
        (folder / f"{number}.json").write_text(json.dumps(document))
    return folder


def test_it_writes_what_the_command_writes(labeled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_call, by_command = labeled.with_name("call"), labeled.with_name("command")
    imported = fcn.import_labels(str(labeled), str(by_call), renamed={"kitten": "cat"}, val=0.5)
    options = ["--merge", "kitten=cat", "--val", "0.5"]
    with pytest.raises(SystemExit) as stopped:
        main(["data", "import", str(labeled), "--output", str(by_command), *options])
    assert not stopped.value.code
    for name in FILES:
        assert (by_call / name).read_text() == (by_command / name).read_text()
    for label in (by_command / "SegmentationClass").iterdir():
        assert (by_call / "SegmentationClass" / label.name).read_bytes() == label.read_bytes()
    printed = capsys.readouterr().out.replace(str(by_command), str(by_call))
    assert printed.startswith(f"{imported}\n")
    assert pretty(imported) == str(imported)
    page = Page(imported._repr_html_())
    for text in ("6 images", "kitten", str(by_call)):
        assert text in page.text


def test_options_are_those_of_the_command(labeled: Path) -> None:
    imported = fcn.import_labels(
        [labeled],
        labeled.with_name("set"),
        classes=("ground", "dog", "cat"),
        renamed={"background": "ground"},
        void=("kitten",),
    )
    assert (imported.root / "labels.txt").read_text().split() == ["ground", "dog", "cat"]
    assert imported.plan.splits.count("val") == 1  # a fifth of 6
    with pytest.raises(
        ConfigError, match=r"^val \(--val\) and --test: .* Only .* data import` has --test\.$"
    ):
        fcn.import_labels(labeled, labeled.with_name("other"), val=1.0)
    with pytest.raises(ConfigError, match="matches no name"):
        fcn.import_labels(labeled, labeled.with_name("other"), group_by="^x")
    with pytest.raises(DataError, match=r"^renamed \(--map or --merge\): the source has no class 'dog'"):
        fcn.import_labels(labeled, labeled.with_name("other"), renamed={"dog": "cat"})
    with pytest.raises(OutputError, match="new or empty folder"):
        fcn.import_labels(labeled, labeled)


def test_options_of_another_command_are_not_those_of_this_one(labeled: Path) -> None:
    masks = labeled.with_name("masks")
    for folder in ("images", "masks"):
        (masks / folder).mkdir(parents=True)
        Image.fromarray(np.eye(20, 30, dtype=np.uint8)).save(masks / folder / "a.png")
    with pytest.raises(DataError) as caught:
        fcn.import_labels([labeled, masks], labeled.with_name("set"))
    assert "data export ROOT --format labelme --output FOLDER)" in str(caught.value)
    assert "Only `python -m fcn" not in str(caught.value)
