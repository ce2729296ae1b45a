"""Trainings on unpacked images: the same weights, also after a crash, and nothing left in the end."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from thin_training import CrashAt, arrays, thin_config

from fcn.config.augmentation import AugmentationConfig
from fcn.config.file import Config
from fcn.runs.folder import RunFolder
from fcn.training.changes import changed_learning
from fcn.training.checked_data import CheckedData, read_checked
from fcn.training.loop import train
from fcn.training.unpacking import open_unpacked

pytestmark = pytest.mark.usefixtures("eager")
MEGAPIXELS = 300e-6  # three of the four images are larger


def configured(root: Path, megapixels: float | None) -> Config:
    config = thin_config(root, {"steps": 4, "batch_size": 2, "checkpoint_steps": 2, "evaluate_steps": 4})
    data = config.data.model_copy(update={"unpack_megapixels": megapixels})
    return config.model_copy(update={"data": data})


@pytest.fixture(scope="module")
def data(dataset: Path) -> CheckedData:
    return read_checked(configured(dataset, None).data)


@pytest.mark.slow
def test_a_training_learns_the_same_and_leaves_nothing(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(configured(dataset, None), tmp_path / "whole").run
    assert "npacked" not in capsys.readouterr().err
    config = configured(dataset, MEGAPIXELS)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run", callbacks=[CrashAt(2)])
    folder = RunFolder(tmp_path / "run").unpacked
    kept = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(kept) == 3
    seen = []

    class Look(CrashAt):
        def stop(self) -> None:
            seen.append({path: path.stat().st_mtime_ns for path in folder.iterdir()})

    again = train(config, tmp_path / "run", resume=True, callbacks=[Look(0)]).run
    assert seen == [kept]
    assert capsys.readouterr().err.count("Unpacked 3 images of more than 0.0003 megapixels in ") == 2
    assert not folder.exists()
    for one, other in zip(arrays(whole.last), arrays(again.last), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_line_says_what_is_not_unpacked(
    dataset: Path,
    data: CheckedData,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, run = configured(dataset, MEGAPIXELS), RunFolder(tmp_path)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2 * 4 * 520))
    found = open_unpacked(run, config, data)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Unpacked 1 image of more than 0.0003 megapixels in ")
    assert lines[0].endswith(f"GB in {run.unpacked}, until the training is finished.")
    assert lines[1] == (
        "Warning: 2 images of more than 0.0003 megapixels are decoded as a whole for each crop, which is "
        "slow. All of them unpacked need 0.0 GB, and at most half of the free space is used. Free space, or "
        "choose another disk for the run: run_path=NAME."
    )
    opened = [found.open(example) is not None for example in data.train_examples]
    assert opened == [True, False, False, False]


def test_without_space_or_a_place_to_write_a_training_goes_on(
    dataset: Path, data: CheckedData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").write_bytes(b"")
    found = open_unpacked(RunFolder(tmp_path / "run"), configured(dataset, MEGAPIXELS), data)
    assert not any(found.open(example) for example in data.train_examples)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"Warning: {tmp_path / 'run' / 'unpacked'}")
    assert ".npy: cannot be written (" in line
    assert line.endswith(" Until then, large images are decoded as a whole for each crop, which is slow.")


@pytest.mark.parametrize(
    ("megapixels", "crop_size"), [(16.0, (16, 16)), (None, (16, 16)), (MEGAPIXELS, None)]
)
def test_small_and_whole_images_are_not_unpacked(
    megapixels: float | None,
    crop_size: tuple[int, int] | None,
    dataset: Path,
    data: CheckedData,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    augmentation = AugmentationConfig(crop_size=crop_size)
    config = configured(dataset, megapixels).model_copy(update={"augmentation": augmentation})
    found = open_unpacked(RunFolder(tmp_path), config, data)
    assert not any(found.open(example) for example in data.train_examples)
    assert not [*tmp_path.iterdir()]
    assert capsys.readouterr().err == ""


def test_the_limit_changes_nothing_that_is_learned(dataset: Path) -> None:
    assert changed_learning(configured(dataset, None), configured(dataset, 1.0)) == []
    assert configured(dataset, 16.0) == thin_config(
        dataset, {"steps": 4, "batch_size": 2, "checkpoint_steps": 2, "evaluate_steps": 4}
    )
