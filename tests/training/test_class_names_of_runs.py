"""Tests of runs on data sets without a list of classes: the run knows its names."""

import shutil
from pathlib import Path

import pytest

from fcn.config.file import Config
from fcn.errors import DataError
from fcn.evaluation.evaluate import evaluate
from fcn.training.checkpoint import saved_class_names
from fcn.training.loop import train

pytestmark = [pytest.mark.usefixtures("eager"), pytest.mark.slow]


def configured(root: Path, **data: str) -> Config:
    return Config.model_validate(
        {
            "data": {"root": root, **data},
            "augmentation": {"crop_size": (16, 16)},
            "model": {"width": 1 / 32, "fc_channels": 8},
            "train": {"steps": 1},
        }
    )


def test_a_run_that_goes_on_takes_its_names_from_itself(dataset: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    shutil.copytree(dataset, root)
    first = train(configured(root), tmp_path / "run")
    assert saved_class_names(first.run) == ("ground", "cat", "dog")
    (root / "labels.txt").unlink()
    again = train(configured(root), tmp_path / "run", resume=True)
    assert again.classes.names == ("ground", "cat", "dog")
    assert evaluate(first.run.path, root).scores.mean_iou == first.evaluation.scores.mean_iou
    with pytest.raises(DataError, match=r"has no labels\.txt"):
        train(configured(root), tmp_path / "other")
    moved = root.rename(tmp_path / "moved")
    with pytest.raises(DataError, match=r"has no labels\.txt"):
        evaluate(first.run.path, moved)


def test_a_run_of_before_goes_on_with_the_recipe_of_now(
    tmp_path: Path, make_dataset: object, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"train": ["2007_000001", "2008_000002"], "val": ["2009_000003"]}
    root = make_dataset(tmp_path / "set", names)  # type: ignore[operator]
    (root / "labels.txt").unlink()
    first = train(configured(root), tmp_path / "run")
    assert first.classes.names[15] == "person"
    assert train(configured(root, classes="voc"), tmp_path / "run", resume=True).classes == first.classes
    assert "Warning: 18 classes are in no label at all" in capsys.readouterr().err
