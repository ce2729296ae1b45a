"""The page with the first examples of a training."""

import json
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from html_page import Page
from rare_classes import write_rare_classes

from fcn.cli.main import main
from fcn.config.file import as_config
from fcn.data.image_io import decode_image
from fcn.data.stream import open_training_stream
from fcn.data.voc import read_split
from fcn.errors import DataError
from fcn.report.preview import write_preview
from fcn.training.checked_data import read_checked


def configured(root: Path, **sections):
    return as_config({"data": {"root": root}, "augmentation": {"crop_size": (48, 64)}} | sections)


def pictures(text: str) -> list[np.ndarray]:
    return [
        decode_image(b64decode(part.split('"', 1)[0]))
        for part in text.split('src="data:image/jpeg;base64,')[1:]
    ]


def test_the_page_shows_what_the_training_sees(dataset: Path, tmp_path: Path) -> None:
    wanted = {"crop_size": (48, 64), "rotation": 20.0, "cutout": 1.0}
    config = configured(dataset, augmentation=wanted)
    write_preview(tmp_path / "page.html", config, "<mine>", 3)
    text = (tmp_path / "page.html").read_text()
    page = Page(text)
    shown = pictures(text)
    assert len(shown) == 6
    stream = open_training_stream(config, read_split(dataset, "train"), 3, None)
    for index in range(3):
        image = stream[index][0].astype(float)
        assert np.abs(shown[2 * index] - image).mean() < 12  # a JPEG
    assert "<mine>" in page.text
    assert "rotation 20, cutout 1" in page.text
    assert "crop_size [48, 64]" in page.text
    assert "Rare classes" not in page.text
    assert "void" in page.text


def test_a_share_that_is_scored_is_not_shown(make_dataset, tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "data", {"train": list("abcdef")}, sizes=((60, 70),))
    config = configured(root, data={"root": root, "val_share": 0.5})
    learned = read_checked(config.data).train_examples
    assert len(learned) == 3
    write_preview(tmp_path / "page.html", config, "divided", 3)
    text = (tmp_path / "page.html").read_text()
    assert "a training on 3 images" in Page(text).text
    stream = open_training_stream(config, learned, 3, None)
    for index, shown in enumerate(pictures(text)[::2]):
        assert np.abs(shown - stream[index][0].astype(float)).mean() < 12  # a JPEG


def test_balanced_sampling_shows_rare_classes(tmp_path: Path) -> None:
    root = write_rare_classes(tmp_path / "rare")
    data = {"root": root, "sampling": "balanced", "sampling_temperature": 0.01}
    write_preview(tmp_path / "page.html", configured(root, data=data), "rare", 4)
    text = (tmp_path / "page.html").read_text()
    assert "Rare classes are drawn more often" in text
    assert len(pictures(text)) == 8


def test_whole_images_of_any_size_are_shown_smaller(dataset: Path, tmp_path: Path) -> None:
    config = configured(dataset, augmentation={"crop_size": None, "flip": False, "color_jitter": 0})
    write_preview(tmp_path / "page.html", config, "whole", 2)
    text = (tmp_path / "page.html").read_text()
    assert all(max(picture.shape) <= 360 for picture in pictures(text))
    assert "Augmentation: scale" in Page(text).text


def test_a_data_set_that_cannot_be_used_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing"):
        write_preview(tmp_path / "page.html", configured(tmp_path / "missing"), "none", 2)
    assert not (tmp_path / "page.html").exists()


def test_the_command_says_what_it_wrote(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe.yaml").write_text(configured(dataset).to_yaml())
    page = tmp_path / "pages" / "page.html"
    arguments = ["data", "preview", str(tmp_path / "recipe.yaml"), "--html", str(page), "--count", "1"]
    for more, said in (([], f"Wrote {page}: 1 example.\n"), (["--json"], None)):
        with pytest.raises(SystemExit) as stopped:
            main([*arguments, *more])
        assert not stopped.value.code
        output = capsys.readouterr().out
        assert output == said or json.loads(output) == {"page": str(page), "examples": 1}
    assert page.exists()


def test_a_label_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    root = write_rare_classes(tmp_path / "rare")
    damaged = next((root / "SegmentationClass").iterdir())
    damaged.write_bytes(b"no image")
    data = {"root": root, "sampling": "balanced", "sampling_temperature": 0.01}
    with pytest.raises(DataError, match=damaged.name):
        write_preview(tmp_path / "page.html", configured(root, data=data), "rare", 1)
