"""Commands that fetch and make data sets, as a user types them, and what leaks mean to the others."""

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from file_server import serving, whole
from scipy.io import savemat

from fcn.cli.main import main
from fcn.data.download.catalog import DATASETS, PublishedDataset
from fcn.data.splits import EXPECTED_COUNTS
from fcn.system.download.file import Checksum, PublishedFile


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


@pytest.fixture
def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(info := tarfile.TarInfo("VOCdevkit/VOC2012/a.txt"))
        info.size = 0
    return buffer.getvalue()


def published(data: bytes, *urls: str) -> PublishedDataset:
    checksum = Checksum("md5", hashlib.md5(data).hexdigest(), "this test")
    file = PublishedFile("small.tar", urls, checksum, len(data))
    return PublishedDataset("a small one", file, "VOCdevkit/VOC2012", "VOCdevkit/VOC2012")


@pytest.mark.parametrize("command", ["download", "splits", "check", "suspects"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, output, _ = run(["data", command, "--help"], capsys)
    assert code == 0
    assert f"example:\n  python -m fcn data {command} " in output


def test_a_data_set_is_downloaded_once(
    archive: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "VOCdevkit" / "VOC2012"
    command: list[object] = ["data", "download", "voc2012", "--output", tmp_path]
    with serving(whole(archive)) as server:
        monkeypatch.setitem(DATASETS, "voc2012", published(archive, server.url))
        code, output, errors = run(command, capsys)
        assert (code, errors) == (0, "")
        assert output == f"Wrote {root}/: a small one. {tmp_path / 'small.tar'} is no longer needed.\n"
        assert (root / "a.txt").exists()
        code, output, _ = run(command, capsys)
        assert code == 0
        assert "exists already" in output
        assert json.loads(run([*command, "--json"], capsys)[1]) == {"root": str(root), "archive": None}
        assert server.requests == [0]


def test_an_archive_of_the_users_own_is_taken(
    archive: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine.tar"
    mine.write_bytes(archive)
    monkeypatch.setitem(DATASETS, "voc2012", published(archive))
    code, output, errors = run(["data", "download", "voc2012", "--file", mine, "--json"], capsys)
    assert (code, errors) == (0, "")
    assert json.loads(output) == {"root": "VOCdevkit/VOC2012", "archive": str(mine)}
    assert (tmp_path / "VOCdevkit" / "VOC2012" / "a.txt").exists()


def test_mistakes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.tar"
    other.write_bytes(b"something else")
    code, _, errors = run(["data", "download", "sbd", "--output", tmp_path, "--file", other], capsys)
    assert code == 2
    assert errors.startswith(f"Error: {other}: is not benchmark.tgz as it was published")
    assert "Give another one with --file" in errors
    assert "Delete" not in errors
    assert run(["data", "download", "camvid"], capsys)[0] == 2
    code, _, errors = run(["data", "splits", tmp_path / "none", "--sbd", tmp_path], capsys)
    assert code == 2
    assert errors.startswith(f"Error: {tmp_path}: holds no folder dataset/cls")


@pytest.mark.slow
def test_splits_are_built_trained_on_and_guarded(
    tmp_path: Path, make_dataset: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    voc = make_dataset(tmp_path / "VOC2012", {"train": "ab", "val": "cd", "more": "e"})  # type: ignore[operator]
    (voc / "labels.txt").unlink()
    sbd = tmp_path / "sbd"
    (sbd / "cls").mkdir(parents=True)
    for name in "ace":
        savemat(sbd / "cls" / f"{name}.mat", {"GTcls": {"Segmentation": np.ones((20, 26), np.uint8)}})
    (sbd / "train.txt").write_text("a\nc\n")
    (sbd / "val.txt").write_text("e\n")
    for split, count in {"train": 2, "val": 2, "train_aug": 3, "sbd_train": 2}.items():
        monkeypatch.setitem(EXPECTED_COUNTS, split, count)  # type: ignore[misc]
    code, output, errors = run(["data", "splits", voc, "--sbd", sbd], capsys)
    assert (code, errors) == (0, "")
    assert "train (2), val (2), train_aug (3), sbd_train (2)." in output
    assert str(voc / "SegmentationClassSBD") in output

    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"data: {{root: {voc}, train_split: train_aug, classes: voc}}\n"
        "augmentation: {crop_size: [16, 16]}\n"
        "model: {width: 0.03125, fc_channels: 16}\n"
        "train: {steps: 1}\n"
    )
    assert run(["train", recipe, "--run", tmp_path / "run"], capsys)[0] == 0
    scores = tmp_path / "scores.json"
    evaluate: list[object] = ["evaluate", tmp_path / "run", "--data", voc, "--output", scores]
    assert run(evaluate, capsys)[2] == ""
    document = json.loads(scores.read_text())
    assert document["training"] == {"split": "train_aug", "num_images": 3, "num_scored": 0}
    code, _, errors = run([*evaluate, "--split", "sbd_train"], capsys)
    assert code == 0
    assert "was trained on 1 of the 2 scored images, so these scores are too good" in errors
    assert json.loads(scores.read_text())["training"]["num_scored"] == 1

    leaking: list[object] = ["train", recipe, "--run", tmp_path / "leak"]
    code, _, errors = run([*leaking, "--set", "data.train_split=sbd_train"], capsys)
    assert code == 2
    assert "share images (1): c." in errors
    shutil.copy(voc / "JPEGImages" / "e.jpg", voc / "JPEGImages" / "d.jpg")
    code, _, errors = run(leaking, capsys)
    assert code == 2
    assert "e.jpg and" in errors
    assert "under other names (1)" in errors
    assert not (tmp_path / "leak").exists()
