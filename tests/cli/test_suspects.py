"""`fcn data suspects` as a user types it: what it writes, and what it refuses."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from html_page import Page, decoded

from fcn.cli.main import main
from fcn.config.file import Config
from fcn.data.image_io import read_image, read_label
from fcn.runs.model_file import load_model
from fcn.suspects.table import COLUMNS

pytestmark = pytest.mark.usefixtures("eager")

NAMES = ("=ground", "<b>cat", "dog")
HOSTILE = "a;=1"


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["data", "suspects", *map(str, arguments)])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


def refused(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> str:
    code, output, errors = run(arguments, capsys)
    assert code == 2
    assert "Traceback" not in output + errors
    return errors.rpartition("rror: ")[2]


@pytest.fixture(scope="module")
def made(
    make_dataset: Callable[..., Path],
    thin_net: Callable[..., object],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Path]:
    """A data set, and a run with a net of random weights; tests copy what they change."""
    folder = tmp_path_factory.mktemp("suspects")
    root = make_dataset(
        folder / "data", {"train": [HOSTILE, "b", "c"], "val": ["x", "y"]}, ((24, 30),), NAMES
    )
    path = folder / "run"
    (path / "checkpoints").mkdir(parents=True)
    thin_net(class_names=NAMES).save(path / "checkpoints" / "best.keras")  # type: ignore[attr-defined]
    (path / "config.yaml").write_text(Config.model_validate({"data": {"root": root}}).to_yaml())
    return root, path


@pytest.fixture
def root_and_run(made: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    root, path = (Path(shutil.copytree(one, tmp_path / one.name)) for one in made)
    (path / "config.yaml").write_text(Config.model_validate({"data": {"root": root}}).to_yaml())
    return root, path


@pytest.mark.slow
def test_the_ranking_is_written_for_people_and_programs(
    made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, path = made
    page, table = tmp_path / "new" / "suspects.html", tmp_path / "suspects.csv"
    table.write_text("old")
    code, output, errors = run([path, "--html", page, "--csv", table, "--limit", 4, "--json"], capsys)
    assert code == 0
    document = json.loads(output)
    assert errors.startswith(f"Note: {path} was trained on 3 of these 3 images")
    assert errors.rstrip("\n") == f"Note: {document['notes'][0]}"
    assert (document["split"], document["num_images"], document["folds"]) == ("train", 3, None)
    qualities = [one["quality"] for one in document["images"]]
    assert qualities == sorted(qualities)
    assert len(qualities) == 3
    doubts = [one["doubt"] for one in document["regions"]]
    assert doubts == sorted(doubts, reverse=True)
    assert len(doubts) == 4
    first = document["images"][0]
    assert first["quality"] == pytest.approx(
        plain_quality(path, root / first["image"], root / first["label"]), rel=1e-3
    )

    text = table.read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS
    assert [row["kind"] for row in rows] == ["image"] * 3 + ["region"] * 4
    assert {row["given"] for row in rows} <= {"", "'=ground", "<b>cat", "dog"}
    assert {row["image"] for row in rows} <= {f"JPEGImages/{name}.jpg" for name in ("a;./=1", "b", "c")}
    assert [float(row["doubt"]) for row in rows[3:]] == pytest.approx(doubts, abs=1e-5)
    assert not any(cell.startswith(("=", "+", "@")) for row in csv.reader(io.StringIO(text)) for cell in row)

    shown = Page(page.read_text())
    assert shown.open == []
    assert "<b>cat" in shown.text
    assert not shown.all("b")
    assert len(shown.all("article")) == 7
    pictures = shown.all("img")
    assert len(pictures) == 21
    for picture in pictures:
        assert decoded(picture).size == (int(picture["width"] or 0), int(picture["height"] or 0))
    assert {picture["alt"] for picture in pictures} >= {"Image b.jpg", "Classes in the label of b.jpg"}

    code, output, errors = run([path, "--split", "val", "--limit", 1], capsys)
    assert code == 0
    assert errors == ""
    assert output.startswith(f"{path}: 2 images of val of {root}.\n")
    assert "label quality" in output


def plain_quality(run_path: Path, image: Path, label_path: Path) -> float:
    """The score as the paper writes it, from the probabilities of all classes."""
    label = read_label(label_path)
    logits = keras.ops.convert_to_numpy(load_model(run_path)(read_image(image)[None]))[0].astype(np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    rows, columns = np.nonzero(label != 255)
    of_label = probabilities[rows, columns, label[rows, columns]]
    weights = np.exp((1 - of_label) / 0.1)
    return float((of_label * weights).sum() / weights.sum())


def test_data_that_has_changed_or_moved_is_said(
    root_and_run: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    from fcn.data.leaks import digest_images
    from fcn.data.voc import read_split
    from fcn.runs.digests import DataRecord, SplitDigests, TrainingImages, write_record

    root, path = root_and_run
    digests = tuple(digest_images(read_split(root, "train")))
    record = DataRecord(TrainingImages(str(path), "train", digests), "val", SplitDigests())
    write_record(path / "digests.json", record)
    shutil.copy(root / "JPEGImages" / "x.jpg", root / "JPEGImages" / "b.jpg")
    moved = root.rename(root.with_name("moved"))
    assert refused([path], capsys).startswith(f"{root}: {path} was trained on this data set, which is not")
    code, output, _ = run([path, "--data", moved, "--json", "--limit", 1], capsys)
    assert code == 0
    notes = json.loads(output)["notes"]
    assert notes[0].startswith(f"{path} was trained on 2 of these 3 images")
    assert notes[1].startswith(f"1 of these 3 images are not those that {path} was trained on")


@pytest.mark.slow
def test_a_run_that_divided_its_images_knows_which_it_was_trained_on(
    root_and_run: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root, path = root_and_run
    config = Config.model_validate({"data": {"root": root, "val_share": 0.4}})
    (path / "config.yaml").write_text(config.to_yaml())
    lists = root / "ImageSets" / "Segmentation"
    shutil.copytree(lists, path / "splits")
    (lists / "train.txt").write_text(f"{HOSTILE}\nb\nc\nx\ny\n")
    (lists / "val.txt").unlink()
    code, output, errors = run([path, "--json"], capsys)
    assert code == 0
    found = sorted(one["image"] for one in json.loads(output)["images"])
    assert found == [f"JPEGImages/{name}.jpg" for name in (HOSTILE, "b", "c")]
    assert f"{path} was trained on 3 of these 3 images" in errors
    code, output, errors = run([path, "--split", "val", "--json"], capsys)
    assert code == 0
    assert sorted(one["image"] for one in json.loads(output)["images"]) == [
        "JPEGImages/x.jpg",
        "JPEGImages/y.jpg",
    ]
    assert errors == ""
    (path / "splits" / "val.txt").unlink()
    assert refused([path, "--split", "val"], capsys).startswith(f"{path}/splits/val.txt: no such split")


def test_mistakes_are_named(root_and_run: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    root, path = root_and_run
    assert refused([path.parent / "none"], capsys).startswith(f"{path.parent / 'none'}: is not the folder of")
    assert refused([path / "checkpoints" / "best.keras"], capsys).startswith(
        f"{path}/checkpoints/best.keras: is"
    )
    assert "2 or more, received '1'" in refused([path, "--folds", 1], capsys)
    assert "1 or more, received '0'" in refused([path, "--limit", 0], capsys)
    assert refused([path, "--folds", 3, "--split", "val"], capsys).startswith(
        "--folds: trains nets that have"
    )
    assert refused([path, "--folds", 4], capsys).startswith("--folds 4: expected at least so many training")
    assert refused([path, "--html", path], capsys).startswith(f"{path}: expected a file or a new name")
    below = path / "config.yaml" / "page.html"
    assert refused([path, "--csv", below], capsys).startswith(f"{below}: cannot be written")
    same = [path, "--csv", path / "both", "--html", path / "checkpoints" / ".." / "both"]
    assert "is the file of both --html and --csv" in refused(same, capsys)
    (root / "labels.txt").write_text("sky\nsea\nsun\n")
    assert "expected a net with the classes of the data set: sky, sea, sun." in refused([path], capsys)
    (root / "labels.txt").write_text("\n".join(NAMES))
    (root / "SegmentationClass" / "b.png").write_bytes(b"no image")
    for more in ([], ["--folds", 2]):
        assert refused([path, *more], capsys).startswith(f"{root}/SegmentationClass/b.png: ")
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("")
    assert refused([path, "--split", "val"], capsys).startswith(
        f"{root}/ImageSets/Segmentation/val.txt: the split"
    )
    (path / "checkpoints" / "best.keras").unlink()
    assert refused([path], capsys).startswith(f"{path}: holds no model.")
    (path / "config.yaml").unlink()
    assert "is not the folder of a run" in refused([path], capsys)
    assert not list(path.rglob("fold_*"))
