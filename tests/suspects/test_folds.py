"""Folds of a split: equally large, with groups in one piece; and what is refused."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thin_training import thin_config

from fcn.errors import DataError, RunError
from fcn.labels.validation_split import record_division
from fcn.runs.folder import RunFolder
from fcn.suspects.folds import _only_one, divide_into_folds
from fcn.suspects.search import Request, asked_nets, prepare, rank_suspects
from fcn.training.checked_data import read_checked


@settings(max_examples=50)
@given(st.lists(st.integers(0, 12), min_size=1), st.integers(2, 5), st.integers(0, 3))
def test_groups_stay_together_and_folds_are_alike(groups: list[int], count: int, seed: int) -> None:
    sizes = Counter(groups)
    if len(sizes) < count:
        with pytest.raises(DataError, match=f"--folds {count}"):
            divide_into_folds(groups, count, seed)
        return
    folds = divide_into_folds(groups, count, seed)
    assert set(folds) == set(range(count))
    assert len({*zip(groups, folds, strict=True)}) == len(sizes)
    filled = Counter(folds)
    assert max(filled.values()) - min(filled.values()) <= max(sizes.values())
    assert divide_into_folds(groups, count, seed) == folds


def test_one_command_works_in_a_run_at_a_time(tmp_path: Path) -> None:
    work = tmp_path / "folds"
    with _only_one(work), pytest.raises(RunError, match=f"{work}: another"), _only_one(work):
        pass
    with _only_one(work):
        pass


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_folds_of_a_run_that_divided_its_images_are_of_those_it_was_trained_on(
    make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_dataset(tmp_path / "data", {"train": [f"n{number}" for number in range(5)]})
    config = thin_config(root, {"steps": 1, "batch_size": 1})
    config = config.with_values("data", val_share=0.2)
    # Folds learn from no teacher: it has seen the labels that they doubt.
    config = config.with_values("train", teacher="gone").with_values("loss", distillation=0.5)
    data = read_checked(config.data)
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    record_division(run, config.data, data.train_examples, data.val_examples)
    run.config.write_text(config.to_yaml())
    task = prepare(Request(run.path, folds=2))
    assert {example.name for example in task.examples} == {example.name for example in data.train_examples}
    with asked_nets(task) as nets:
        asked = [example.name for net in nets for example in net.examples]
        assert sorted(asked) == sorted(example.name for example in data.train_examples)
        work = run.path / "folds" / "data" / "ImageSets" / "Segmentation"
        listed = [line.partition("\t")[0] for line in (work / "val.txt").read_text().splitlines()]
        assert listed == [example.name for example in data.val_examples]
        assert rank_suspects(task, nets).num_images == 4
