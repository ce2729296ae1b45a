"""Tests of what is compared: names, budgets, data, and what is refused."""

import zipfile
from pathlib import Path

import pytest

from fcn.comparison.candidates import Request
from fcn.comparison.plan import plan_comparison
from fcn.config.file import load_config
from fcn.errors import ConfigError, DataError, FcnError, RunError
from fcn.training.checked_data import read_checked


def write_net(path: Path) -> Path:
    """Writes what may be a net, as far as can be told without a backend."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    return path


def write_run(path: Path, config: Path) -> Path:
    write_net(path / "checkpoints" / "best.keras")
    (path / "config.yaml").write_text(config.read_text())
    return path


def test_a_configuration_is_trained_once_for_each_net(write_config, tmp_path: Path, dataset: Path) -> None:
    plan = plan_comparison(
        Request(
            [write_config()],
            tmp_path / "out",
            nets=("fcn8s", "frontend"),
            changes=["model.width=0.5", "train.log_steps=5"],
            steps=7,
            seed=3,
        )
    )
    assert [(one.name, one.path) for one in plan.candidates] == [
        ("fcn8s", tmp_path / "out" / "fcn8s"),
        ("frontend", tmp_path / "out" / "frontend"),
    ]
    for one in plan.candidates:
        # What `fcn train CONFIG --set ...` would do.
        changes = [f"model.net={one.name}", "model.width=0.5", "train.log_steps=5"]
        changes += ["train.steps=7", "train.seed=3"]
        assert one.config == load_config(tmp_path / "thin.yaml", changes)
    assert (plan.root, plan.split, plan.classes.names) == (dataset, "val", ("ground", "cat", "dog"))
    assert [example.name for example in plan.examples] == ["x", "y", "z"]


def test_names_of_several_configurations_and_models(write_config, tmp_path: Path, model_path: Path) -> None:
    config = write_config("two")
    run = write_run(tmp_path / "runs" / "a", config)
    sources = [write_config("one"), model_path, config, run, write_net(tmp_path / "b" / "checkpoints.keras")]
    plan = plan_comparison(Request(sources, tmp_path))
    assert [one.name for one in plan.candidates] == ["one", "net", "two", "a", "checkpoints"]
    assert [one.config is None for one in plan.candidates] == [False, True, False, True, True]
    plan = plan_comparison(Request(sources[:3], tmp_path, nets=("fcn16s", "context")))
    assert [one.name for one in plan.candidates] == [
        *("one-fcn16s", "one-context", "net", "two-fcn16s", "two-context")
    ]


def test_a_checkpoint_is_called_after_its_run(write_config, tmp_path: Path) -> None:
    checkpoint = write_net(tmp_path / "voc" / "checkpoints" / "last.keras")
    plan = plan_comparison(Request([write_config(), checkpoint], tmp_path))
    assert plan.candidates[1].name == "voc-last"


@pytest.mark.parametrize(
    ("train", "said"),
    [
        (", seed: 1", "train.seed: expected the same value for all nets. Received: 0 (one) and 1 (two)"),
        (", batch_size: 4", "--set train.batch_size=N"),
    ],
)
def test_other_budgets_are_refused(write_config, tmp_path: Path, train: str, said: str) -> None:
    other = write_config("two", train=train.replace(", batch_size: 4", ""))
    if "batch" in train:
        other.write_text(other.read_text().replace("batch_size: 2", "batch_size: 4"))
    with pytest.raises(ConfigError) as caught:
        plan_comparison(Request([write_config("one"), other], tmp_path))
    assert said in str(caught.value)


def test_steps_and_seed_make_budgets_equal(write_config, tmp_path: Path) -> None:
    configs = [write_config("one"), write_config("two", train=", seed: 1")]
    configs[0].write_text(configs[0].read_text().replace("steps: 2", "steps: 9"))
    with pytest.raises(ConfigError, match="--steps N"):
        plan_comparison(Request(configs, tmp_path, seed=5))
    plan = plan_comparison(Request(configs, tmp_path, seed=5, steps=4))
    assert {(one.config.train.steps, one.config.train.seed) for one in plan.candidates} == {(4, 5)}


def test_one_data_set_for_all(write_config, tmp_path: Path, dataset: Path, make_dataset) -> None:
    other = make_dataset(tmp_path / "other", {"train": ["a"], "val": ["b", "c"], "few": ["b"]})
    configs = [write_config("one"), write_config("two", root=other)]
    with pytest.raises(ConfigError, match=r"data.root: expected the same value for all nets.*--data ROOT"):
        plan_comparison(Request(configs, tmp_path))
    plan = plan_comparison(Request(configs, tmp_path, data=other, split="few"))
    assert {one.config.data.root for one in plan.candidates} == {plan.root} == {other}
    assert [example.name for example in plan.examples] == ["b"]
    # The same folder by another name is the same.
    around = dataset.parent / ".." / dataset.parent.name / dataset.name
    plan_comparison(Request([configs[0], write_config("three", root=around)], tmp_path))
    splits = [configs[0], write_config("four", more=", val_split: train, train_split: val")]
    with pytest.raises(ConfigError, match=r"data\.val_split"):
        plan_comparison(Request(splits, tmp_path))


def test_a_share_of_the_training_images_is_scored_as_trainings_do(
    write_config, make_dataset, tmp_path: Path
) -> None:
    names = [f"n{number}" for number in range(8)]
    root = make_dataset(tmp_path / "undivided", {"train": names, "few": names[:2]})
    one = write_config("one", root=root, more=", val_share: 0.25")
    plan = plan_comparison(Request([one], tmp_path, nets=("fcn8s", "fcn32s")))
    for candidate in plan.candidates:
        data = read_checked(candidate.config.data)
        assert plan.examples == data.val_examples
        assert len(data.train_examples) == 6
    assert "data.val_share=0.25" in plan.division
    learned = plan_comparison(Request([one], tmp_path, split="train"))
    assert learned.examples == read_checked(load_config(one).data).train_examples
    assert (learned.val_share, learned.is_learned_from) == (0.25, True)
    assert "the others, which it learns from, are scored" in learned.division
    copy = write_config("copy", more=", val_share: 0.25")
    listed = plan_comparison(Request([copy], tmp_path))
    assert (listed.division, [example.name for example in listed.examples]) == ("", ["x", "y", "z"])
    assert plan_comparison(Request([copy], tmp_path, data=root)).examples == plan.examples
    others = plan_comparison(Request([one], tmp_path, split="few"))
    assert (others.division, [example.name for example in others.examples]) == ("", names[:2])
    for more in ("", ", val_share: 0.5"):
        other = write_config("other", root=root, more=more)
        with pytest.raises(
            ConfigError, match=r"data\.val_share: expected the same.*copy the lists of one run"
        ):
            plan_comparison(Request([one, other], tmp_path))
    with pytest.raises(DataError, match=r"val\.txt: no such split"):
        plan_comparison(Request([write_config("none", root=root)], tmp_path))
    (root / "SegmentationClass" / "n3.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"n3\.png"):
        plan_comparison(Request([one], tmp_path))


def test_runs_are_scored_on_the_images_that_they_have_recorded(
    write_config, make_dataset, tmp_path: Path
) -> None:
    names = [f"n{number}" for number in range(8)]
    root = make_dataset(tmp_path / "undivided", {"train": names})
    config = write_config("one", root=root, more=", val_share: 0.25")
    chosen = {one.name for one in plan_comparison(Request([config], tmp_path)).examples}
    others = sorted({*names} - chosen)
    runs = []
    for name, left_out in (("a", others[:2]), ("b", others[:2]), ("c", others[2:4])):
        run = write_run(tmp_path / name, config)
        (run / "splits").mkdir()
        for split, listed in (("val", left_out), ("train", [one for one in names if one not in left_out])):
            (run / "splits" / f"{split}.txt").write_text("".join(f"{one}\n" for one in listed))
        runs.append(run)
    plan = plan_comparison(Request(runs[:2], tmp_path))
    assert [example.name for example in plan.examples] == others[:2]
    assert (plan.val_share, plan.is_learned_from) == (0.25, False)
    # So are the images that they learned from, and those of a checkpoint of a run.
    checkpoints = [write_net(run / "checkpoints" / "last.keras") for run in runs[:2]]
    for sources in (runs[:2], checkpoints):
        learned = plan_comparison(Request(sources, tmp_path, split="train"))
        assert [example.name for example in learned.examples] == [n for n in names if n not in others[:2]]
        assert plan_comparison(Request(sources, tmp_path)).examples == plan.examples
    with pytest.raises(RunError, match=r"^c: its training left out other images .* than a, .*RUN/splits"):
        plan_comparison(Request(runs, tmp_path))
    with pytest.raises(RunError, match=r"^a: its training left out other images .* than a training now"):
        plan_comparison(Request([config, runs[0]], tmp_path))
    # Another data set is divided as a training would do it now.
    other = make_dataset(tmp_path / "other", {"train": [f"m{number}" for number in range(4)]})
    assert len(plan_comparison(Request(runs[:1], tmp_path, data=other)).examples) == 1
    (runs[0] / "splits" / "val.txt").unlink()
    with pytest.raises(DataError, match=r"val\.txt: no such split\. The run has: train\."):
        plan_comparison(Request(runs[:1], tmp_path))


def test_data_are_checked(write_config, tmp_path: Path, dataset: Path) -> None:
    with pytest.raises(DataError, match="share images"):
        plan_comparison(Request([write_config(more=", val_split: train")], tmp_path))
    with pytest.raises(DataError, match="nowhere"):
        plan_comparison(Request([write_config(root=tmp_path / "nowhere")], tmp_path))
    with pytest.raises(DataError, match=r"test\.txt"):
        plan_comparison(Request([write_config()], tmp_path, split="test"))


def test_models_are_scored_on_what_their_runs_say(tmp_path: Path, dataset: Path, write_config) -> None:
    run = write_run(tmp_path / "run", write_config(more=", val_split: train, train_split: val"))
    plan = plan_comparison(Request([run], tmp_path))
    assert (plan.root, plan.split) == (dataset, "train")
    with pytest.raises(RunError, match="--data: is missing"):
        plan_comparison(Request([write_net(tmp_path / "net.keras")], tmp_path))


def test_a_run_whose_data_were_moved_is_named(tmp_path: Path, dataset: Path, write_config) -> None:
    run = write_run(tmp_path / "run", write_config(root=tmp_path / "gone"))
    with pytest.raises(RunError) as caught:
        plan_comparison(Request([run], tmp_path))
    assert str(caught.value).startswith(f"{run}: was trained on {tmp_path / 'gone'}, which no longer exists")
    assert "--data ROOT" in str(caught.value)
    assert plan_comparison(Request([run], tmp_path, data=dataset)).root == dataset


def test_what_is_no_net_is_told(tmp_path: Path, dataset: Path) -> None:
    text, exported, empty = tmp_path / "README.md", tmp_path / "exported", tmp_path / "empty"
    text.write_text("# Nets")
    (exported / "1").mkdir(parents=True)
    (exported / "1" / "saved_model.pb").touch()
    empty.mkdir()
    for path, said in (
        (tmp_path / "nodir", "no such model"),
        (text, "not a .keras file"),
        (exported, "is an exported model"),
        (empty, "holds no model"),
    ):
        for data in (None, dataset):
            with pytest.raises(RunError, match=said) as caught:
                plan_comparison(Request([path], tmp_path, data=data))
            assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"nets": ("fcn8s",)}, "--nets: applies to configurations that are trained"),
        ({"steps": 3}, "--steps: applies"),
        ({"seed": 0}, "--seed: applies"),
        ({"changes": ["train.steps=1"]}, "--set: applies"),
        ({"sources": [Path("a/net.keras"), Path("b/net")]}, "net: two nets have this name"),
        ({"sources": [Path("none.yaml")]}, "none.yaml: cannot be read"),
    ],
)
def test_mistakes_are_told(changed: dict, said: str, tmp_path: Path, dataset: Path) -> None:
    request = Request([Path("net.keras")], tmp_path, data=dataset)
    with pytest.raises(FcnError) as caught:
        plan_comparison(request._replace(**changed))
    assert said in str(caught.value)
