"""Plans of thin nets: real trials, and trainings of what they wrote, whose memory is measured."""

import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from planned_training import train_plan

from fcn.cli.main import main
from fcn.config.file import Config, load_config
from fcn.planning.plan import TrainingPlan, make_plan
from fcn.planning.recipe import format_plan
from fcn.system.measured_process import measure

THIN = {"width": 1 / 16, "fc_channels": 16, "dropout": 0.5}


def planned(root: Path, hours: float, gigabytes: float | None, **train) -> TrainingPlan:
    config = Config.model_validate(
        {"data": {"root": root}, "model": THIN, "train": {"learning_rate": 1e-4, **train}}
    )
    return make_plan(config, hours, gigabytes)


def within(plan: TrainingPlan, folder: Path, gigabytes: float) -> None:
    """Trains what a plan wrote for some steps, within its limit of memory."""
    path = folder / "plan.yaml"
    path.write_text(format_plan(plan, path, ["fcn", "plan"]))
    assert load_config(path) == plan.config
    measured = measure(partial(train_plan, path, folder / "run", 6), 1e9 * gigabytes)
    assert measured.result == 6


@pytest.mark.slow
def test_from_a_data_set_to_a_plan_that_trains(
    make_dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "getloadavg", lambda: (999.0, 0.0, 0.0))
    root = make_dataset(Path("mine"), {"train": list("abcdef")}, sizes=((256, 256), (256, 128)))
    thin = ["model.width=0.0625", "model.fc_channels=16", "model.weights=none", "train.batch_size=2"]
    limit = ["--hours", "1", "--memory", "1.2", "--output", "mine.yaml", "--json"]
    with pytest.raises(SystemExit) as stopped:
        main(["plan", str(root), *limit, *(part for key in thin for part in ("--set", key))])
    captured = capsys.readouterr()
    assert not stopped.value.code, captured.err
    document = json.loads(captured.out)
    assert "Trying 256x192 at input_scale 1, 2 images at once, in float32" in captured.err
    assert "Warning: Other programs use this machine: they wanted 999.0 cores of" in captured.err
    assert document["reasons"]["train.steps"].endswith("Plan again when it is quiet")
    assert document["fingerprint"]["num_train"] == 5  # a fifth of six is scored
    assert document["fingerprint"]["median_size"] == [256, 192]
    assert [one["name"] for one in document["fingerprint"]["classes"]] == ["ground", "cat", "dog"]
    assert document["peak_bytes"] < 1.2e9
    text, config = Path("mine.yaml").read_text(), load_config("mine.yaml")
    assert config.values() == document["config"]
    assert (config.train.freeze, config.data.sampling) == ((), "uniform")
    comments = " ".join(line.partition("# ")[2].strip() for line in text.splitlines() if "# " in line)
    for key, reason in document["reasons"].items():
        name = key.split(".")[1]
        assert f"\n  {name}: " in text, key
        assert " ".join(reason.split()) in comments, key
    assert f"about {config.train.steps * 2 / 5:,.0f} times" in text
    # What the plan wrote stays within the memory that it was given.
    measured = measure(partial(train_plan, Path("mine.yaml").resolve(), tmp_path / "run", 6), 1.2e9)
    assert measured.result == 6
    with pytest.raises(SystemExit) as stopped:
        main(["plan", str(root), "--output", str(tmp_path)])
    assert stopped.value.code == 2
    assert "expected a file or a new name" in capsys.readouterr().err


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(50))
def test_what_plans_wrote_never_runs_out_of_memory(seed: int, make_dataset, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    sizes = [tuple(int(side) for side in rng.integers(40, 900, 2)) for _ in range(5)]
    root = make_dataset(tmp_path / "data", {"train": list("abcd"), "val": ["v"]}, sizes=sizes, seed=seed)
    gigabytes = round(float(rng.uniform(1.3, 2.2)), 2)
    options = {
        "batch_size": int(rng.choice([1, 2, 4, 8, 16])),
        "optimizer": str(rng.choice(["sgd", "adamw"])),
        "ema": 0.9 if rng.random() < 0.5 else None,
    }
    plan = planned(root, float(rng.choice([0.02, 0.2, 2.0])), gigabytes, **options)
    within(plan, tmp_path, gigabytes)


def test_what_a_plan_cannot_be_made_for_is_said(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        ([dataset, "--hours", "0"], "expected hours, such as 0.5 or 2, received '0'"),
        ([dataset, "--memory", "no"], "expected gigabytes"),
        (["missing.yaml"], "missing.yaml"),
        (["missing"], "missing: no such folder"),
        ([dataset, "--set", "loss.reduction=sum"], "loss.reduction=sum: a plan changes the crop"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["plan", *map(str, arguments)])
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err
