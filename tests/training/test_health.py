"""Tests of the warnings about trainings that go wrong."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fcn.config.file import Config, as_config
from fcn.config.sections import TrainConfig
from fcn.evaluation.evaluation import Evaluation
from fcn.evaluation.metrics import Scores
from fcn.models.fcn import FCN
from fcn.runs.folder import RunFolder
from fcn.runs.log import COLUMNS
from fcn.system.remedies import naming_options
from fcn.training.callbacks import not_finite
from fcn.training.checkpoint import Position
from fcn.training.health import (
    HIGH_STEPS,
    HealthCheck,
    describe_batch_of_one,
    describe_high_loss,
    describe_never_predicted,
    describe_one_class,
    describe_waiting,
)
from fcn.training.patterns import freeze

pytestmark = pytest.mark.usefixtures("eager")

NAMES = ("ground", "cat", "dog")


def configured(root: Path = Path("data"), **sections: dict[str, Any]) -> Config:
    """A configuration; `sections` change some of its values."""
    values: dict[str, dict[str, Any]] = {
        "data": {"root": root},
        "augmentation": {"crop_size": (16, 16), "scale": (1.0, 1.0)},
        "model": {"net": "fcn32s", "width": 1 / 32, "fc_channels": 16},
        "train": {"steps": 40, "batch_size": 2, "optimizer": "adamw", "learning_rate": 0.01},
    }
    return Config.model_validate(
        {name: values.get(name, {}) | sections.get(name, {}) for name in {**values, **sections}}
    )


def test_a_loss_that_stays_high_is_explained_by_the_skips() -> None:
    config = configured(model={"net": "fcn8s"})
    text = describe_high_loss(3.0, [8.0] * HIGH_STEPS, config)
    assert text is not None
    assert "above twice the first value (3); their mean is 8." in text
    assert text.endswith("model.skip_scales=[0.01,0.002].")


@pytest.mark.parametrize(
    "model",
    [{"net": "fcn32s"}, {"net": "fcn8s_at_once"}, {"net": "fcn8s", "skip_scales": (0.01, 0.002)}],
)
def test_a_loss_that_stays_high_is_explained_by_the_rate(model: dict[str, Any]) -> None:
    text = describe_high_loss(3.0, [8.0] * HIGH_STEPS, configured(model=model))
    assert str(text).endswith("train.learning_rate=0.001, or with train.warmup_steps=500.")


@pytest.mark.parametrize(
    "losses",
    [
        [8.0] * (HIGH_STEPS - 1),  # not for long
        [5.9] * HIGH_STEPS,
        [100.0] * 40 + [2.0] * (HIGH_STEPS - 40),
        [],
    ],
)
def test_a_loss_may_be_high_for_a_while(losses: list[float]) -> None:
    assert describe_high_loss(3.0, losses, configured()) is None
    assert describe_high_loss(math.inf, losses, configured()) is None


def test_one_class_everywhere_is_told() -> None:
    matrix = np.array([[5, 0, 0], [2, 0, 0], [0, 0, 0]])
    text = describe_one_class(matrix, NAMES, configured())
    assert str(text).startswith("every pixel of the validation images was labeled ground. ")
    assert "train.learning_rate=0.001 and 0.1; if neither helps, data.sampling=balanced, loss.cl" in str(text)


@pytest.mark.parametrize(
    "matrix",
    [
        [[5, 0, 0], [2, 1, 0], [0, 0, 0]],
        [[5, 0, 0], [0, 0, 0], [0, 0, 0]],  # the labels have one class only
        np.zeros((3, 3), int),
    ],
)
def test_two_classes_are_enough(matrix: Any) -> None:
    assert describe_one_class(np.array(matrix), NAMES, configured()) is None


def test_a_class_that_is_never_predicted_is_told() -> None:
    matrix = np.array([[5, 1, 0], [1, 2, 0], [3, 0, 0]])
    none, every = np.zeros(3, bool), np.ones(3, bool)
    text = describe_never_predicted(none, every, matrix, NAMES, configured())
    assert str(text).startswith("1 class has never been predicted: dog. ")
    assert str(text).endswith(
        "data.sampling=balanced, loss.class_weights=median_frequency or train.steps=80."
    )
    set_already = configured(data={"sampling": "balanced"}, loss={"class_weights": "median_frequency"})
    text = describe_never_predicted(none, every, matrix, NAMES, set_already)
    assert str(text).endswith("Start a new run with train.steps=80.")
    for predicted, trained in (
        (np.array([False, False, True]), every),
        (none, np.array([True, True, False])),
    ):
        assert describe_never_predicted(predicted, trained, matrix, NAMES, configured()) is None
    absent = np.array([[5, 1, 0], [1, 2, 0], [0, 0, 0]])
    assert describe_never_predicted(none, every, absent, NAMES, configured()) is None


def test_waiting_for_data_is_told() -> None:
    assert "steps spend 45% of their time waiting for data" in str(describe_waiting(0.45, 40))
    for share, seconds in ((0.2, 400), (0.9, 20), (math.nan, 0)):
        assert describe_waiting(share, seconds) is None


def test_batch_normalization_needs_several_images() -> None:
    net = FCN(num_classes=3, width=1 / 32, fc_channels=16, batch_normalization=True)
    one, two = (
        as_config({"data": {"root": "x"}, "train": {"batch_size": 2, "accumulate": parts}})
        for parts in (2, 1)
    )
    assert "Set train.batch_size=16, or model.batch" in str(describe_batch_of_one(one, net, 1))
    assert describe_batch_of_one(two, net, 1) is None
    assert "batch_size=16, " in str(describe_batch_of_one(two, net, 2))
    whole = as_config(one, ["augmentation.crop_size=null"])
    assert "Set model.batch_normalization=false, or augmentation" in str(describe_batch_of_one(whole, net, 1))
    freeze(net, ["*_bn"])
    assert describe_batch_of_one(one, net, 1) is None
    plain = FCN(num_classes=3, width=1 / 32, fc_channels=16)
    assert describe_batch_of_one(one, plain, 1) is None


def test_a_loss_that_is_not_finite_names_what_to_change() -> None:
    config = TrainConfig(learning_rate=0.1, precision="bfloat16")
    error = str(not_finite("The loss became nan", 7, config))
    assert "run_path=NAME, overrides=['train.learning_rate=0.01'], or with a warm-up, overrides=" in error
    with naming_options():
        error = str(not_finite("The loss became nan", 7, config))
    assert "train.learning_rate=0.01, or with a warm-up, --set train.warmup_steps=500" in error
    assert ", or with --set train.precision=float32. Checkpoints" in error


ONE_CLASS = [[5, 0, 0], [2, 0, 0], [1, 0, 0]]
TWO_CLASSES = [[5, 1, 0], [2, 0, 0], [1, 0, 0]]


def evaluation_of(matrix: Any) -> Evaluation:
    matrix = np.array(matrix)
    return Evaluation(Scores.from_matrix(matrix), matrix, ())


class Checked:
    """A check of a training that nobody takes."""

    def __init__(self, folder: Path, config: Config, has_trained_scores: bool = True) -> None:
        self.wait = SimpleNamespace(share=math.nan, seconds=0.0)
        session: Any = SimpleNamespace(
            run=RunFolder(folder),
            config=config,
            model=SimpleNamespace(layers=[], has_trained_scores=lambda: has_trained_scores),
            predictor=SimpleNamespace(classes=SimpleNamespace(names=NAMES)),
            train_pixels=np.array([9, 9, 9]),
            position=Position(0),
        )
        wait: Any = self.wait
        self.check = HealthCheck(session, wait)


def test_each_warning_comes_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked = Checked(tmp_path, configured(train={"steps": 1000}))
    checked.check.begin(0)
    for step in range(1, 501):
        if step == 300:
            checked.wait.share, checked.wait.seconds = 0.5, 60.0
        checked.check.on_step(step, loss=2.0 if step < 30 else 5.0)
    for step in (100, 199, 200, 300):  # before a fifth of the steps it may happen
        checked.check.check_scores(step, evaluation_of(ONE_CLASS))
    for step in (499, 500, 600):  # and this before half of them, or in two validations
        checked.check.check_scores(step, evaluation_of(TWO_CLASSES))
    lines = capsys.readouterr().err.splitlines()
    begins = [line.partition(": ")[2][:34] for line in lines]
    assert all(line.startswith("Warning: ") for line in lines)
    assert begins == [
        "At step 100: most losses of the la",
        "At step 300: steps spend 50% of th",
        "At step 200: every pixel of the va",
        "At step 500: 1 class has never bee",
    ]


@pytest.mark.parametrize(
    ("validations", "warned"),
    [
        ([(300, ONE_CLASS), (400, TWO_CLASSES), (500, ONE_CLASS)], 500),  # it has collapsed
        ([(100, TWO_CLASSES), (110, ONE_CLASS)], 110),
        ([(500, ONE_CLASS), (510, ONE_CLASS)], 510),
        ([(500, ONE_CLASS), (600, TWO_CLASSES), (700, TWO_CLASSES)], None),
        ([(1000, ONE_CLASS)], 1000),
    ],
)
def test_a_net_may_label_everything_alike_once(
    validations: list[tuple[int, Any]],
    warned: int | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    checked = Checked(tmp_path, configured(train={"steps": 1000}))
    for step, matrix in validations:
        checked.check.check_scores(step, evaluation_of(matrix))
    said = [line for line in capsys.readouterr().err.splitlines() if "every pixel" in line]
    assert [line.split(":")[1] for line in said] == ([f" At step {warned:,}"] if warned else [])


def test_a_resumed_training_knows_its_first_loss(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commas = "," * (len(COLUMNS) - 2)
    (tmp_path / "log.csv").write_text(f"{','.join(COLUMNS)}\n50,2.0{commas}\n100,9.0{commas}\n")
    checked = Checked(tmp_path, configured(train={"steps": 1000}))
    checked.check.begin(100)
    for step in range(101, 101 + HIGH_STEPS):
        checked.check.on_step(step, loss=5.0)
    assert "above twice the first value (2); their mean is 5." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("has_trained_scores", "reduction", "warned"),
    [(False, "mean", True), (True, "mean", False), (False, "sum", False)],
)
def test_a_net_that_diverges_at_once_is_compared_with_its_first_step(
    has_trained_scores: bool,
    reduction: str,
    warned: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = configured(train={"steps": 1000}, loss={"reduction": reduction})
    checked = Checked(tmp_path, config, has_trained_scores)
    checked.check.begin(0)
    for step in range(1, 1 + HIGH_STEPS):
        checked.check.on_step(step, loss=1.1 if step == 1 else 50.0)
    said = capsys.readouterr().err
    assert ("Warning: At step 100: most losses of the last 100 steps are above twice" in said) == warned
