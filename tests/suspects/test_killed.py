"""`fcn data suspects --folds` that trains real nets, is killed, and continues: wrong labels come first."""

import csv
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from deaths import running_forks
from html_page import Page
from killed_suspects_program import POINTS

from fcn.classes import VOID, Classes
from fcn.config.file import Config
from fcn.data.image_io import encode_label
from fcn.runs.folder import RunFolder

CLASSES = Classes.named(("ground", "cat", "dog"))
SIZE = (48, 48)
SWAPPED, MISSING = "n03", "n08"
SOME = ["when the first net has its name"]


def write_spoiled(root: Path, names: Sequence[str], make_dataset: Callable[..., Path]) -> None:
    """Writes red cats and blue dogs; one cat is labeled as a dog, and one dog as ground."""
    rng = np.random.default_rng(0)
    make_dataset(root, {"train": names[2:], "val": names[:2]}, (SIZE,), CLASSES.names, ".png")
    for name in names:
        coarse = rng.integers(60, 180, (6, 6), np.uint8)
        image = np.repeat(cv2.resize(coarse, SIZE[::-1])[..., None], 3, axis=2)
        label = np.zeros(SIZE, np.uint8)
        places = [(0, 0), (0, 24), (24, 0), (24, 24)]
        for class_id, place in zip((1, 2), rng.permutation(places)[:2].tolist(), strict=True):
            top, left = (start + int(rng.integers(0, 6)) for start in place)
            height, width = rng.integers(13, 18, 2).tolist()
            inside = slice(top, top + height), slice(left, left + width)
            label[inside] = class_id
            image[inside] = image[inside] // 4 + np.array(
                [150, 0, 0] if class_id == 1 else [0, 0, 150], np.uint8
            )
        if name == SWAPPED:
            label[label == 1] = 2
        if name == MISSING:
            label[label == 2] = 0
        label[:2] = VOID
        (root / "JPEGImages" / f"{name}.png").write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
        (root / "SegmentationClass" / f"{name}.png").write_bytes(encode_label(label, CLASSES))


def write_run(path: Path, root: Path) -> RunFolder:
    """Writes the configuration of a run, which is all that folds need."""
    run = RunFolder(path)
    path.mkdir()
    config = {
        "data": {"root": root},
        "augmentation": {"crop_size": SIZE, "scale": (0.95, 1.05), "color_jitter": 0.0},
        "model": {"width": 1 / 16, "fc_channels": 16, "batch_normalization": True, "dropout": 0.0},
        "train": {"steps": 70, "batch_size": 4, "learning_rate": 0.2, "schedule": "poly", "warmup_steps": 5},
    }
    run.config.write_text(Config.model_validate(config).to_yaml())
    return run


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(SOME, marks=pytest.mark.slow, id="some"),
        pytest.param(list(POINTS), marks=pytest.mark.exhaustive, id="all"),
    ],
)
def test_a_killed_search_continues_and_finds_what_was_spoiled(
    points: list[str], make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    root = tmp_path / "data"
    write_spoiled(root, [f"n{index:02d}" for index in (*range(100, 102), *range(24))], make_dataset)
    run = write_run(tmp_path / "run", root)
    page, table = tmp_path / "suspects.html", tmp_path / "suspects.csv"
    arguments = [str(run.path), "--folds", "2", "--csv", str(table), "--limit", "4"]
    with_page = len(points) > 1
    arguments += ["--html", str(page)] if with_page else []
    net, trained = run.path / "folds" / "fold_1.keras", None
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with running_forks("killed_suspects_program.py") as search:
        for point in points:
            assert search(point, *arguments) == -signal.SIGKILL
            assert page.exists() == (point == "before the nets are removed")
            if net.exists():
                trained = trained or net.stat().st_mtime_ns
                assert net.stat().st_mtime_ns == trained
        assert search("", *arguments) == 0
    assert trained
    assert {path.name for path in run.path.iterdir()} == {"config.yaml"}
    assert {path.name for path in tmp_path.iterdir()} == {
        "data",
        "run",
        table.name,
        *([page.name] if with_page else []),
    }
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before

    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    images = [row for row in rows if row["kind"] == "image"]
    regions = [row for row in rows if row["kind"] == "region"]
    assert {row["image"] for row in images[:2]} == {f"JPEGImages/{name}.png" for name in (SWAPPED, MISSING)}
    found = [(row["image"], row["given"], row["predicted"]) for row in regions[:2]]
    assert sorted(found) == [
        (f"JPEGImages/{SWAPPED}.png", "dog", "cat"),
        (f"JPEGImages/{MISSING}.png", "ground", "dog"),
    ]
    assert {row["fold"] for row in rows} <= {"1", "2"}
    if with_page:
        shown = Page(page.read_text())
        assert shown.open == []
        assert "2 nets, each asked about images that it was not trained on" in shown.text
