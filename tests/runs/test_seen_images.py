"""The images that a net was trained and validated on, as its run records them or its data set holds them."""

import shutil
from pathlib import Path

import pytest

from fcn.config.file import Config
from fcn.data.leaks import digest_images
from fcn.data.voc import read_split
from fcn.runs.digests import DataRecord, SplitDigests, TrainingImages, write_record
from fcn.runs.folder import DIGESTS, RunFolder
from fcn.runs.seen_images import seen_images


@pytest.fixture
def root(dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dataset, tmp_path / "data"))


@pytest.fixture
def run(root: Path, tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.config.write_text(Config.model_validate({"data": {"root": root}}).to_yaml())
    return run


def test_what_a_run_has_kept_is_not_read_again(run: RunFolder, root: Path) -> None:
    train, val = ({*digest_images(read_split(root, split))} for split in ("train", "val"))
    assert seen_images(run.path) == train | val, "a run of an older version has kept nothing"
    earlier = TrainingImages("before", "train", (b"b" * 16,))
    unknown = TrainingImages("long before", None, None)
    record = DataRecord(
        TrainingImages("run", "train", (b"a" * 16,)), "val", SplitDigests(), (earlier, unknown)
    )
    write_record(run.digests, record)
    assert seen_images(run.path) == {b"a" * 16, b"b" * 16} | val
    unlabeled = record.train._replace(unlabeled=(b"c" * 16,))
    write_record(run.digests, record._replace(train=unlabeled))
    assert seen_images(run.path) == {b"a" * 16, b"b" * 16} | val, "nobody has labeled the others yet"
    assert seen_images(run.path / "checkpoints" / "best.keras") == seen_images(run.path)
    export = run.path.parent / "export" / "1"
    export.mkdir(parents=True)
    (export / "saved_model.pb").touch()
    shutil.copy(run.digests, export / DIGESTS)
    assert seen_images(export.parent) == seen_images(export) == {b"a" * 16, b"b" * 16}


def test_what_is_not_there_any_more_is_not_known(run: RunFolder, root: Path) -> None:
    train = {*digest_images(read_split(root, "train"))}
    (root / "JPEGImages" / "y.jpg").write_bytes(b"broken")
    assert seen_images(run.path) == train
    shutil.rmtree(root)
    assert seen_images(run.path) == frozenset()
    assert seen_images(run.path.parent / "net.keras") == frozenset()
    run.config.write_text("data: 1")
    assert seen_images(run.path) == frozenset()


def test_lists_of_a_run_that_divided_its_images_are_its_own(run: RunFolder, root: Path) -> None:
    lists = root / "ImageSets" / "Segmentation"
    shutil.copytree(lists, run.splits)
    (lists / "val.txt").unlink()
    run.config.write_text(Config.model_validate({"data": {"root": root, "val_share": 0.3}}).to_yaml())
    val = {*digest_images(read_split(root, "val", lists=run.splits))}
    assert val < seen_images(run.path)
    assert len(seen_images(run.path)) == 7
