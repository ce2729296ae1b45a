"""The arguments of `fcn.train` and `fcn.load_config` in a program, and the result as text."""

from pathlib import Path

import pytest

import fcn
from fcn.config.file import as_config
from fcn.errors import ConfigError, RunError

RECIPE = """
data: {root: ROOT}
augmentation: {crop_size: [16, 16]}
model: {width: 0.03125, fc_channels: 8}
train: {steps: 1, learning_rate: 0.01}
"""
SECTIONS = {
    "data": {"root": "ROOT"},
    "augmentation": {"crop_size": (16, 16)},
    "model": {"width": 0.03125, "fc_channels": 8},
    "train": {"steps": 1, "learning_rate": 0.01},
}


def test_a_file_and_a_dictionary_are_the_same_configuration(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    config = fcn.load_config(str(path))
    assert config == fcn.load_config(path) == as_config(SECTIONS) == as_config(path) == as_config(config)
    longer = as_config(config, ["train.steps=5", "data.val_split=test"])
    assert longer == as_config(SECTIONS, ["train.steps=5", "data.val_split=test"])
    assert (longer.train.steps, longer.data.val_split) == (5, "test")
    assert SECTIONS["train"]["steps"] == 1
    epochs = as_config(SECTIONS | {"train": {"epochs": 3}})
    assert as_config(epochs, ["train.seed=1"]).train.epochs == 3
    assert as_config(epochs, ["train.steps=7"]).train.steps == 7
    path.write_text(epochs.to_yaml())
    assert fcn.load_config(path) == epochs
    assert as_config(config, ["train.epochs=null"]).train.steps == 1


@pytest.mark.parametrize(
    ("config", "overrides", "said"),
    [
        (
            SECTIONS | {"train": {"step": 1}},
            [],
            "train.step: unknown key. Did you mean train.steps?",
        ),
        (SECTIONS | {"train": 3}, [], "configuration: train: expected keys and their values. Received: 3."),
        (SECTIONS, ["train.steps=0"], "configuration: train.steps: expected"),
        (SECTIONS, ["train.epochs=2", "train.steps=2"], "expected only one of them"),
        ({}, [], "configuration: data.root: is missing"),
        ("missing.yaml", [], "missing.yaml: cannot be read"),
    ],
)
def test_what_is_no_configuration_is_one_message(config: object, overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        as_config(config, overrides)
    assert said in str(caught.value)


def test_without_a_configuration_there_is_a_run_to_resume(tmp_path: Path) -> None:
    for resume in (False, True):
        with pytest.raises(RunError, match="holds no run to resume"):
            fcn.train(None, tmp_path / "run", resume=resume)


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_result_prints_as_a_short_table(dataset: Path, tmp_path: Path) -> None:
    result = fcn.train(SECTIONS | {"data": {"root": dataset}}, str(tmp_path / "run"))
    title, mean, accuracy, *classes = str(result).splitlines()
    assert title == f"{tmp_path / 'run'}: best checkpoint on {len(result.evaluation.images)} images"
    assert mean.split()[:2] == ["mean", "IoU"]
    assert accuracy.endswith(f"{100 * result.evaluation.scores.pixel_accuracy:.2f}%")
    assert [line.split()[2] for line in classes] == list(result.classes.names)
    assert len({len(line) for line in (mean, accuracy, *classes)}) == 1
