from pathlib import Path

from fcn.comparison.candidates import Candidate
from fcn.comparison.same_work import same_work
from fcn.config.file import as_config


def result(comparison, name: str, *overrides: str, in_grid: bool = True):
    config = as_config({"data": {"root": "x"}}, overrides)
    varied = {"a.b": name} if in_grid else {}
    candidate = Candidate(name, Path(name), config, varied)
    return comparison.nets[0]._replace(candidate=candidate, config=config)


def test_nets_of_a_grid_share_a_time_unless_they_compute_something_else(comparison) -> None:
    alike = ["train.learning_rate=1e-3", "train.seed=4", "train.steps=9", "train.warmup_steps=3"]
    nets = [result(comparison, "first"), *(result(comparison, text, text) for text in alike)]
    assert same_work(nets) == dict.fromkeys((net.name for net in nets), "first")
    different = [
        "model.net=fcn32s",
        "train.optimizer=adamw",
        "train.batch_size=4",
        "augmentation.crop_size=[64, 64]",
    ]
    nets += [result(comparison, text, text) for text in different]
    assert {name: one for name, one in same_work(nets).items() if one != "first"} == {
        text: text for text in different
    }


def test_nets_that_were_given_one_by_one_are_each_timed(comparison) -> None:
    nets = [
        result(comparison, "a", in_grid=False),
        result(comparison, "b", in_grid=False),
        comparison.nets[1],
    ]
    assert same_work(nets) == {"a": "a", "b": "b", "second": "second"}
