"""Tests of what the weights a training starts from were trained on, and of finding a checkpoint's run."""

import json
import shutil
from pathlib import Path

import pytest

from fcn.cli import main
from fcn.config import Config
from fcn.data.voc import read_split
from fcn.evaluation import EarlierTraining, describe_earlier, find_run, trained_before


def write_run(path: Path, root: Path, weights: str = "none", split: str = "train") -> Path:
    data = {"root": root, "train_split": split}
    config = Config.model_validate({"data": data, "model": {"weights": weights}})
    (path / "checkpoints").mkdir(parents=True)
    (path / "config.yaml").write_text(config.to_yaml())
    return path


def test_a_checkpoint_belongs_to_its_run(dataset: Path, tmp_path: Path, monkeypatch) -> None:
    run = write_run(tmp_path / "run", dataset)
    monkeypatch.chdir(run / "checkpoints")
    for model in (run, run / "checkpoints" / "best.keras", Path("last.keras"), Path("..")):
        found = find_run(model)
        assert found is not None
        assert found.path.resolve() == run
    for model in (run / "best.keras", tmp_path, tmp_path / "none", run / "log.csv"):
        assert find_run(model) is None


def test_runs_are_followed_to_the_first(dataset: Path, tmp_path: Path) -> None:
    first = write_run(tmp_path / "first", dataset, "imagenet", split="val")
    second = write_run(tmp_path / "second", dataset, str(first / "checkpoints" / "best.keras"))
    val = read_split(dataset, "val")
    assert trained_before(str(second), val) == (
        EarlierTraining(str(second), "train", 0),
        EarlierTraining(str(first), "val", 3),
    )
    assert trained_before(str(second), val[:2])[1].num_scored == 2
    assert trained_before("imagenet", val) == trained_before("none", val) == ()
    warning = describe_earlier(trained_before(str(second), val), 3)
    assert warning is not None
    assert f"{first} was trained on 3 of the 3 scored images" in warning
    assert str(second) not in warning
    assert describe_earlier(trained_before(str(second), val)[:1], 3) is None


def test_what_is_gone_cannot_be_checked(dataset: Path, tmp_path: Path) -> None:
    gone = write_run(tmp_path / "gone", tmp_path / "nowhere")
    broken = write_run(tmp_path / "broken", dataset)
    (broken / "config.yaml").write_text("[")
    val = read_split(dataset, "val")
    assert trained_before(str(gone), val) == (EarlierTraining(str(gone), "train", None),)
    assert trained_before(str(broken), val) == (EarlierTraining(str(broken), None, None),)
    assert f"whether {gone} saw any cannot be checked" in str(
        describe_earlier(trained_before(str(gone), val), 3)
    )


def test_a_circle_of_runs_ends(dataset: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", dataset, str(tmp_path / "run"))
    assert len(trained_before(str(run), read_split(dataset, "val"))) == 10


def test_evaluate_finds_the_run_of_a_checkpoint_and_keeps_its_step(
    thin_net, dataset: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    first = write_run(tmp_path / "first", dataset, split="val")
    run = write_run(tmp_path / "run", dataset, str(first))
    best, last = run / "checkpoints" / "best.keras", run / "checkpoints" / "last.keras"
    thin_net(class_names=("ground", "cat", "dog")).save(best)
    shutil.copy(best, last)
    monkeypatch.chdir(tmp_path)
    for model in (run, best, last):
        (run / "scores.json").write_text(json.dumps({"step": 7}))
        with pytest.raises(SystemExit) as stopped:
            main(["evaluate", str(model), "--data", str(dataset)])
        assert not stopped.value.code
        assert "trained on 3 of the 3 scored images" in capsys.readouterr().err
        kept = json.loads((run / "scores.json").read_text())
        document = json.loads((tmp_path / "scores.json").read_text()) if model == last else kept
        assert kept["step"] == 7
        assert ("mean_iou" in kept) == (model != last)
        assert ("step" in document) == (model != last)
        assert document["training"] == {
            "split": "train",
            "num_images": 4,
            "num_scored": 0,
            "earlier": [{"run": str(first), "split": "val", "num_scored": 3}],
        }
