"""Tests of what a net and those it started from were trained on, and of finding a checkpoint's run."""

import json
import shutil
import warnings
from pathlib import Path

import pytest

from fcn.cli.main import main
from fcn.config.file import Config
from fcn.data.voc import read_split
from fcn.evaluation.evaluate import evaluate, find_training
from fcn.inference.predictor import Predictor
from fcn.runs.lineage import EarlierTraining, find_run, trained_before
from fcn.runs.lineage_warnings import describe_earlier

pytestmark = pytest.mark.usefixtures("eager")

CLASS_NAMES = ("ground", "cat", "dog")


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


def test_a_version_of_an_export_is_no_run(dataset: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", dataset)
    (run / "1").mkdir()
    (run / "1" / "config.yaml").write_bytes((run / "config.yaml").read_bytes())
    (run / "1" / "saved_model.pb").touch()
    assert find_run(run / "1") is None


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
    assert f"whether {gone} saw any could not be checked" in str(
        describe_earlier(trained_before(str(gone), val), 3)
    )


def test_a_circle_of_runs_ends(dataset: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", dataset, str(tmp_path / "run"))
    assert len(trained_before(str(run), read_split(dataset, "val"))) == 10


def test_training_images_in_the_scored_split_are_counted(thin_net, dataset: Path, tmp_path: Path) -> None:
    predictor = Predictor(thin_net(class_names=CLASS_NAMES))
    run = write_run(tmp_path / "run", dataset)
    on_val, on_train = evaluate(predictor, dataset), evaluate(predictor, dataset, "train")
    assert find_training(run, on_val) == ("train", 4, 0, ())
    assert find_training(run, on_train) == ("train", 4, 4, ())
    mixed = shutil.copytree(dataset, tmp_path / "mixed")
    (mixed / "ImageSets" / "Segmentation" / "val.txt").write_text("x\nb\n")
    assert find_training(run, evaluate(predictor, mixed)) == ("train", 4, 1, ())
    later = write_run(tmp_path / "later", dataset, str(run))
    assert find_training(later, on_train) == ("train", 4, 4, (EarlierTraining(str(run), "train", 4),))
    gone = write_run(tmp_path / "gone", tmp_path / "nowhere", split="more")
    assert find_training(gone, on_val) == ("more", None, None, ())
    assert find_training(None, on_val) is None
    assert find_training(tmp_path, on_val) is None
    (gone / "config.yaml").write_text("[")
    assert find_training(gone, on_val) is None


@pytest.mark.slow
def test_the_call_warns_of_scores_that_are_too_good(
    thin_net, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = thin_net(class_names=CLASS_NAMES)
    first = write_run(tmp_path / "first", dataset, split="val")
    run = write_run(tmp_path / "run", dataset, str(first))
    file = run / "checkpoints" / "best.keras"
    net.save(file)
    for model in (run, str(run), file, Predictor(run)):
        with pytest.warns(UserWarning, match="first was trained on 3 of the 3 scored images") as caught:
            evaluate(model, dataset)
        assert len(caught) == 1
        assert caught[0].filename == __file__  # where the user called
    with pytest.warns(UserWarning, match="run was trained on 4 of the 4 scored images, so these") as caught:
        evaluate(run, dataset, "train")
    assert len(caught) == 1
    net.save(tmp_path / "net.keras")
    shutil.rmtree(first)
    for model in (run, Predictor(run)):  # without digests, nobody knows now
        with pytest.warns(UserWarning, match="first saw any could not be checked") as caught:
            evaluate(model, dataset)
        assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in (tmp_path / "net.keras", net):
            evaluate(model, dataset)
        evaluate(net, dataset, "train")
    assert "Warning" not in capsys.readouterr().err


@pytest.mark.slow
def test_evaluate_finds_the_run_of_a_checkpoint_and_keeps_its_step(
    thin_net, dataset: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    first = write_run(tmp_path / "first", dataset, split="val")
    run = write_run(tmp_path / "run", dataset, str(first))
    best, last = run / "checkpoints" / "best.keras", run / "checkpoints" / "last.keras"
    thin_net(class_names=CLASS_NAMES).save(best)
    shutil.copy(best, last)
    monkeypatch.chdir(tmp_path)
    for model in (run, best, last):
        (run / "scores.json").write_text(json.dumps({"step": 7}))
        with pytest.raises(SystemExit) as stopped:
            main(["evaluate", str(model), "--data", str(dataset)])
        assert not stopped.value.code
        errors = capsys.readouterr().err
        assert errors.count("trained on 3 of the 3 scored images") == errors.count("Warning") == 1
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
