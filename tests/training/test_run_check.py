"""Checks before a training reads its data."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fcn.config.file import Config, as_config
from fcn.errors import DataError, DownloadError, RunError
from fcn.runs.folder import RunFolder
from fcn.system.remedies import naming_options
from fcn.training.loop import train
from fcn.training.run_check import check_run, check_weights
from fcn.weights.catalog import NETS

NOTOP = NETS["vgg16-keras-notop"].file.name


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FCN_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("FCN_WEIGHTS_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ("imagenet", DownloadError, NOTOP),
        ("vgg16-keras-notop", DownloadError, NOTOP),
        ("fcn8s_voc", RunError, "Did you mean the published net fcn8s-voc"),
        ("runs/none", RunError, "runs/none: no such model"),
    ],
)
def test_missing_weights_are_said_before_the_data_are_read(
    weights: str, error: type[Exception], message: str, tmp_path: Path
) -> None:
    lists = tmp_path / "data/ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (tmp_path / "data/JPEGImages").mkdir()
    for split in ("train", "val"):
        (lists / f"{split}.txt").write_text(f"not_there_{split}")
    config = {"data": {"root": tmp_path / "data"}, "model": {"fc_channels": 16, "weights": weights}}
    with pytest.raises(error, match=message):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_data_that_are_not_there_are_said_before_weights_are_downloaded(tmp_path: Path) -> None:
    config = {"data": {"root": tmp_path / "nowhere"}, "model": {"fc_channels": 16, "weights": "imagenet"}}
    with pytest.raises(DataError, match="nowhere: no such folder"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "weights").exists()


@pytest.mark.parametrize(
    ("change", "way"),
    [
        (
            "model.net=fcn16s",
            "from its net: --set model.weights=run --set model.net=fcn16s --set train.steps=7",
        ),
        ("model.width=0.25", "(its net does not fit then): --set model.width=0.25 --set train.steps=7"),
        (
            "train.learning_rate=0.02",
            "from its net: --set model.weights=run --set train.steps=7 --set train.learning_rate=0.02",
        ),
    ],
)
def test_a_refused_change_names_the_way_that_works(change: str, way: str, tmp_path: Path) -> None:
    run = RunFolder(Path("run"))
    run.path.mkdir()
    config = Config.model_validate({"data": {"root": tmp_path}})
    run.config.write_text(config.to_yaml())
    wanted = as_config(config, [change, "train.steps=7"])
    with pytest.raises(RunError) as caught:
        check_run(run, wanted, resume=True)
    message = str(caught.value)
    assert f"({change.partition('=')[0]}: " in message
    command = message.partition(way.partition(": ")[0] + ": ")[2]
    called: dict[str, Any] = {}
    eval(command, {"fcn": SimpleNamespace(train=lambda *_, **given: called.update(given)), "NAME": "name"})
    assert {change, "train.steps=7"} <= {*called["overrides"]}
    with naming_options(), pytest.raises(RunError) as caught:
        check_run(run, wanted, resume=True)
    command = way.replace(": ", f": python -m fcn train {run.config} --run NAME ")
    assert str(caught.value).endswith(f"back to resume it, or start another run {command}")


@pytest.mark.parametrize("name", ["vgg.pth", "vgg.safetensors", "vgg.caffemodel"])
def test_files_of_published_weights_may_be_started_and_learned_from(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.touch()
    for section, values in (("model", {"weights": str(path)}), ("train", {"teacher": str(path)})):
        config = Config.model_validate({"data": {"root": tmp_path}, section: values})
        check_weights(RunFolder(tmp_path / "run"), config)


def test_a_run_that_is_there_names_the_ways_on(tmp_path: Path) -> None:
    run = RunFolder(Path("run"))
    run.path.mkdir()
    config = Config.model_validate({"data": {"root": tmp_path}})
    run.config.write_text(config.to_yaml())
    with pytest.raises(RunError) as caught:
        check_run(run, config, resume=False)
    in_python = "run_path=NAME, or from its net: run_path=NAME, overrides=['model.weights=run']."
    assert str(caught.value).endswith(f"To start another run: {in_python}")
    with naming_options(), pytest.raises(RunError) as caught:
        check_run(run, config, resume=False)
    assert str(caught.value).endswith("--run NAME, or from its net: --run NAME --set model.weights=run.")


def test_a_run_with_a_checkpoint_needs_no_weights(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    config = Config.model_validate({"data": {"root": tmp_path}, "model": {"weights": "runs/none"}})
    with pytest.raises(RunError, match="runs/none"):
        check_weights(run, config)
    run.last.parent.mkdir(parents=True)
    run.last.touch()
    check_weights(run, config)
