"""Tests of which runs are taken, trained on or refused."""

import math
import os
from pathlib import Path

import keras
import pytest

from fcn.classes import Classes
from fcn.comparison.candidates import Candidate, Request
from fcn.comparison.compare import Labeler, compare
from fcn.comparison.plan import plan_comparison
from fcn.comparison.runs import (
    best_score,
    check_starts,
    config_of,
    finish,
    has_passed,
    is_finished,
    open_candidate,
    training_cost,
)
from fcn.config.file import Config, load_config
from fcn.errors import DataError, RunError
from fcn.runs.folder import RunFolder
from fcn.runs.log import COLUMNS
from fcn.training.changes import record_changes
from fcn.training.loop import train

pytestmark = pytest.mark.usefixtures("eager")

CLASSES = Classes.named(("ground", "cat", "dog"))


@pytest.fixture
def config(write_config) -> Config:
    return load_config(write_config())


@pytest.fixture
def candidate(config: Config, tmp_path: Path) -> Candidate:
    """A net with an unfinished run in the same configuration."""
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").write_text(config.to_yaml())
    return Candidate("net", run, config)


def changed(candidate: Candidate, section: str, **values: object) -> Candidate:
    config = candidate.config
    part = getattr(config, section).model_copy(update=values)
    return candidate._replace(config=config.model_copy(update={section: part}))


def test_a_run_in_the_same_configuration_is_taken(candidate: Candidate, dataset: Path) -> None:
    net = open_candidate(candidate, CLASSES)
    assert (net.name, net.classes.names) == ("fcn32s", CLASSES.names)
    # When it is written changes nothing of what is learned, nor does another name of the same folder.
    open_candidate(changed(candidate, "train", log_steps=1, checkpoint_steps=7), CLASSES)
    open_candidate(changed(candidate, "data", root=Path(os.path.relpath(dataset))), CLASSES)


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        ("train", {"steps": 9}, "train.steps: 2 -> 9"),
        ("model", {"width": 0.5}, "model.width: 0.03125 -> 0.5"),
        ("data", {"root": Path("elsewhere")}, "-> elsewhere"),
        ("model", {"weights": "imagenet"}, "model.weights: none -> imagenet"),
        ("train", {"teacher": "runs/large"}, "train.teacher: None -> runs/large"),
        ("data", {"unlabeled": Path("photos")}, "data.unlabeled: None -> photos"),
    ],
)
def test_a_run_in_another_configuration_is_refused(
    candidate: Candidate, section: str, values: dict, said: str
) -> None:
    before = (candidate.path / "config.yaml").read_bytes()
    with pytest.raises(RunError) as caught:
        open_candidate(changed(candidate, section, **values), CLASSES)
    message = str(caught.value)
    assert message.startswith(f"{candidate.path}: was trained with another configuration")
    assert said in message
    assert "--output DIR" in message
    assert (candidate.path / "config.yaml").read_bytes() == before


def test_other_files_are_told_before_training(candidate: Candidate, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").touch()
    with pytest.raises(RunError, match="holds other files, and no run"):
        open_candidate(candidate._replace(path=tmp_path / "full"), CLASSES)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("runs/gone", r"^second: cannot be trained\. runs/gone: no such model"),
        ("fcn8s_voc", "Did you mean the published net fcn8s-voc"),
        # Its file is in no mirror; the error says where it would be looked for.
        ("vgg16-keras-notop", "^second: cannot be trained\\. (.|\n)*mirror"),
    ],
)
def test_missing_weights_are_told_before_any_net_is_built(
    weights: str, said: str, candidate: Candidate, write_config, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FCN_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("FCN_WEIGHTS_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    write_config("first")
    write_config("second", model=f", weights: {weights}")
    plan = plan_comparison(Request([Path("first.yaml"), Path("second.yaml")], Path("out")))
    with pytest.raises(RunError, match=said):
        compare(plan, Labeler("tensorflow", "float32"), None, 1)
    assert not Path("out").exists()
    assert "inspecting" not in capsys.readouterr().err
    # A net with a checkpoint is trained on without them.
    missing = changed(candidate, "model", weights=weights)
    with pytest.raises(RunError):
        check_starts([missing])
    RunFolder(candidate.path).last.touch()
    check_starts([missing])


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        ("train", {"freeze": ("block9*",)}, "train.freeze: 'block9*' fits no layer"),
        ("train", {"learning_rate_multipliers": {"fc9/*": 2.0}}, "'fc9/*' fits no variable"),
        ("loss", {"class_weights": (1.0, 2.0)}, "expected one weight for each of the 3 classes"),
        (
            "model",
            {"width": 1 / 16, "weights": "THIN"},
            "expected block1_conv1 to have weights",
        ),
        # A net with other classes.
        ("train", {"teacher": "THIN"}, "; the data set has ground, cat, dog. Expected the same classes"),
    ],
)
def test_what_cannot_be_trained_is_told_before_training(
    candidate: Candidate, section: str, values: dict, said: str, model_path: Path, tmp_path: Path
) -> None:
    values = {key: str(model_path) if value == "THIN" else value for key, value in values.items()}
    with pytest.raises(RunError) as caught:
        open_candidate(changed(candidate, section, **values)._replace(path=tmp_path / "new"), CLASSES)
    message = str(caught.value)
    assert message.startswith("net: cannot be trained. ")
    assert said in message
    assert not (tmp_path / "new").exists()


def test_class_weights_that_a_training_measures_need_no_data_before_it(
    candidate: Candidate, tmp_path: Path
) -> None:
    measured = changed(candidate, "loss", class_weights="median_frequency")
    net = open_candidate(measured._replace(path=tmp_path / "new"), CLASSES)
    assert net.loss.class_weights == [1.0] * len(CLASSES.names)


def test_models_need_the_classes_of_the_data_set(model_path: Path, net) -> None:
    found = open_candidate(Candidate("net", model_path, None), net.classes)
    assert found.count_params() == net.count_params()
    with pytest.raises(
        DataError, match=r"expected a net with the classes of the data set: sky, sea\. Received: "
    ):
        open_candidate(Candidate("net", model_path, None), Classes.named(("sky", "sea")))
    with pytest.raises(RunError, match="no such model"):
        open_candidate(Candidate("net", model_path.with_name("other.keras"), None), CLASSES)


def test_a_run_is_finished_when_its_last_step_was_scored(candidate: Candidate) -> None:
    log = candidate.path / "log.csv"
    header = ",".join(COLUMNS)
    assert not is_finished(candidate)
    log.write_text(f"{header}\n1,,,,,0.5,0.5,0.5,0.5,\n2,1.5,0.1,9,61.5,,,,,\n")
    (candidate.path / "checkpoints" / "best.keras").touch()
    assert not is_finished(candidate)
    log.write_text(f"{log.read_text()}2,,,,,0.5,0.5,0.5,0.5,\n")
    assert is_finished(candidate)
    assert training_cost(candidate) == (2, 61.5)
    assert training_cost(Candidate("model", candidate.path / "checkpoints" / "best.keras", None)) == (2, 61.5)
    (candidate.path / "checkpoints" / "best.keras").unlink()
    assert not is_finished(candidate)


def test_what_is_known_of_models(model_path: Path, candidate: Candidate) -> None:
    model = Candidate("net", model_path, None)
    assert (is_finished(model), config_of(model), training_cost(model)) == (True, None, (None, None))
    assert config_of(candidate._replace(config=None)) == candidate.config


class Stopped(keras.callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        raise KeyboardInterrupt


@pytest.mark.exhaustive
def test_an_interrupted_training_goes_on(config: Config, tmp_path: Path) -> None:
    settings = config.train.model_copy(update={"checkpoint_steps": 1})
    net = Candidate("net", tmp_path / "net", config.model_copy(update={"train": settings}))
    with pytest.raises(KeyboardInterrupt):
        train(net.config, net.path, callbacks=[Stopped()])
    assert not is_finished(net)
    finish(net)
    assert is_finished(net)
    assert training_cost(net)[0] == 2


def lengthened(candidate: Candidate, *lengths: int) -> Candidate:
    """Gives the run of a net these lengths, as far as its files say, and returns the net for 8 steps."""
    run = RunFolder(candidate.path)
    run.config.write_text(candidate.trained_for(lengths[0]).config.to_yaml())
    for length in lengths[1:]:
        before, after = run.load_config(), candidate.trained_for(length).config
        record_changes(run, before, after, before.train.steps)
        run.config.write_text(after.to_yaml())
    return candidate.trained_for(8)


@pytest.mark.parametrize("lengths", [(2,), (2, 4), (2, 4, 8)])
def test_a_run_in_a_rung_is_taken(candidate: Candidate, lengths: tuple[int, ...]) -> None:
    open_candidate(lengthened(candidate, *lengths), CLASSES, rungs=(2, 4, 8))


@pytest.mark.parametrize(
    ("lengths", "rungs", "said"),
    [
        # Its learning rate fell in another way than in rungs.
        ((8,), (2, 4, 8), "train.steps: 8 -> 2, then 4, then 8"),
        ((2, 8), (2, 4, 8), "train.steps: 2, then 8 -> 2, then 4, then 8"),
        ((3,), (2, 4, 8), "train.steps: 3 -> 2, then 4, then 8"),
        ((2, 4), (), "train.steps: 4 -> 8"),
    ],
)
def test_a_run_of_other_rungs_is_refused(
    candidate: Candidate, lengths: tuple[int, ...], rungs: tuple[int, ...], said: str
) -> None:
    with pytest.raises(RunError) as caught:
        open_candidate(lengthened(candidate, *lengths), CLASSES, rungs=rungs)
    assert f"was trained with another configuration ({said})" in str(caught.value)


def test_a_rung_is_passed_when_it_was_scored_or_in_a_later_one(candidate: Candidate) -> None:
    net = lengthened(candidate, 2)
    header = ",".join(COLUMNS)
    assert [has_passed(net, steps) for steps in (1, 2, 4)] == [True, False, False]
    log = "1,,,,,0.5,0.5,0.5,0.5,\n2,,,,,0.5,0.5,0.25,0.5,\n"
    (net.path / "log.csv").write_text(f"{header}\n{log}")
    (net.path / "checkpoints" / "best.keras").touch()
    assert [has_passed(net, steps) for steps in (1, 2, 4)] == [True, True, False]
    assert [best_score(net, steps) for steps in (1, 2, 4)] == [0.5, 0.5, 0.5]
    lengthened(candidate, 2, 4)
    assert [has_passed(net, steps) for steps in (1, 2, 4)] == [True, True, False]
    (net.path / "log.csv").write_text(f"{header}\n{log}4,,,,,0.5,0.5,0.75,0.5,\n")
    assert [has_passed(net, steps) for steps in (1, 2, 4)] == [True, True, True]
    assert [best_score(net, steps) for steps in (1, 2, 4)] == [0.5, 0.5, 0.75]
    (net.path / "log.csv").write_text(f"{header}\n1,,,,,0.5,0.5,nan,0.5,\n")
    assert math.isnan(best_score(net, 4))
