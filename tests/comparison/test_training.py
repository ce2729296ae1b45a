"""Tests of the trainings of a comparison; those that are killed are in `test_killed_grid.py`."""

import json
from pathlib import Path

import pytest

from fcn.comparison.candidates import Request
from fcn.comparison.plan import Plan, plan_comparison
from fcn.comparison.training import describe_trainings, train_all
from fcn.data.voc import read_split
from fcn.errors import NonFiniteLossError
from fcn.evaluation.evaluate import evaluate_and_check
from fcn.inference.predictor import Predictor

pytestmark = pytest.mark.usefixtures("eager")


def planned(config: Path, *vary: str, **options: object) -> Plan:
    return plan_comparison(Request([config], config.parent / "out", vary=vary, **options))


@pytest.mark.parametrize(
    ("vary", "options", "text"),
    [
        (["train.seed=1,2,3", "model.net=fcn8s,frontend"], {"steps": 500}, "6 trainings of 500 steps."),
        (["train.steps=20,1000"], {}, "2 trainings of 20 to 1,000 steps."),
        ([], {}, "1 training of 2 steps."),
        (
            ["train.seed=1,2,3,4"],
            {"steps": 4000, "halving": True},
            "4 trainings in rungs: 4 to step 1,000, 2 to step 2,000, 1 to step 4,000; "
            "8,000 steps in place of 16,000.",
        ),
    ],
)
def test_the_first_line_says_what_is_trained(write_config, vary: list, options: dict, text: str) -> None:
    assert describe_trainings(planned(write_config(), *vary, **options)) == text


def test_nothing_is_said_where_nothing_is_trained(model_path: Path, dataset: Path) -> None:
    plan = plan_comparison(Request([model_path], Path("out"), data=dataset))
    assert describe_trainings(plan) == ""


@pytest.mark.slow
def test_a_rate_that_is_too_high_does_not_end_a_grid(write_config, capsys) -> None:
    config = write_config()
    grid = planned(config, "train.learning_rate=1e30,0.01", steps=3)
    trained = train_all(grid)
    assert list(trained.failures) == ["1e+30"]
    assert "Most likely the learning rate (1e+30) is too high" in trained.failures["1e+30"]
    assert "Training 0.01 (2 of 2)" in capsys.readouterr().err
    # Again, only that one is trained, and it fails alike; a single net ends the command.
    assert train_all(grid) == trained
    assert "Training 1e+30 (1 of 1)" in capsys.readouterr().err
    with pytest.raises(NonFiniteLossError):
        train_all(planned(config, changes=["train.learning_rate=1e30"], steps=3))


@pytest.mark.slow
def test_all_nets_are_trained_and_scored_on_one_division(write_config, make_dataset, tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "undivided", {"train": [f"n{number}" for number in range(5)]})
    config = write_config(root=root, more=", val_share: 0.4")
    plan = planned(config, "train.seed=1,2", steps=1)
    train_all(plan)
    for candidate in plan.candidates:
        splits = {name: read_split(root, name, lists=candidate.path / "splits") for name in ("train", "val")}
        assert (splits["val"], len(splits["train"])) == (plan.examples, 3)
        checked = evaluate_and_check(
            Predictor(candidate.path), root, plan.split, boundary=True, examples=plan.examples
        )
        assert [image.example for image in checked.evaluation.images] == plan.examples
        assert checked.training is not None
        assert (checked.training.num_images, checked.training.num_scored) == (3, 0)
        kept = json.loads((candidate.path / "scores.json").read_text())
        assert checked.evaluation.scores.mean_iou == pytest.approx(kept["mean_iou"])
