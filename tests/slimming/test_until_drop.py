"""Tests of nets that become smaller until they have lost too much."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fcn
from fcn.data.image_io import read_size
from fcn.data.voc import read_split
from fcn.errors import OutputError, RunError
from fcn.runs.folder import RunFolder
from fcn.slimming import until_drop
from fcn.slimming.step_table import SlimStep, read_steps
from fcn.slimming.until_drop import SlimSeries, slim_until_drop

WriteRun = Callable[..., Path]
OPTIONS: dict[str, Any] = {"images": 1, "size": (64, 64), "scored_images": 0, "overrides": ["train.steps=1"]}


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_steps_go_on_where_they_were_stopped(
    write_run: WriteRun, tmp_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, folder = write_run(), tmp_path / "steps"
    with monkeypatch.context() as patch:
        patch.setattr(until_drop, "train", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            slim_until_drop(run, folder, 1.0, most_steps=2, **OPTIONS)
    started = (folder / "step_01_start" / "slim.json").read_bytes()
    first = (folder / "steps.json").read_text()
    done = slim_until_drop(run, folder, 1.0, most_steps=2, **OPTIONS)
    assert (folder / "step_01_start" / "slim.json").read_bytes() == started
    assert [step.name for step in done.steps] == ["full", "step_01", "step_02"]
    assert first.count("full") == 1
    assert "step_01" not in first
    assert done.smallest == done.steps[-1]
    for before, after in zip(done.steps, done.steps[1:], strict=False):
        assert 0.7 * before.gflop < after.gflop <= 0.8 * before.gflop
        assert after.parameters < before.parameters
    height, width = read_size(read_split(dataset, "val")[0].image_path)
    timed = {(step.engine, step.image_size) for step in done.steps}
    assert timed == {("tensorflow float32", f"{height}x{width}")}
    trained = fcn.load_model(folder / "step_02")
    assert trained.count_params() == done.steps[-1].parameters
    assert fcn.evaluate(folder / "step_02", dataset).scores.mean_iou == pytest.approx(done.steps[-1].mean_iou)
    config = RunFolder(folder / "step_02").load_config()
    assert (config.train.steps, config.train.teacher) == (1, str(run))
    assert config.train.learning_rate == 1e-4  # once a tenth of the run's 1e-3, in the second step too
    # All is there: nothing is made once more. A drop that is passed already ends it.
    assert slim_until_drop(run, folder, 1.0, most_steps=2, **OPTIONS).steps == done.steps
    plan = json.loads((folder / "plan.json").read_text())
    assert plan.pop("fine_tuning") == ["train.learning_rate=0.0001"]
    assert plan.pop("channels_by") == "reconstruction"
    (folder / "plan.json").write_text(json.dumps(plan | {"channels_by": "taylor"}))  # as 0.2.0 wrote it
    assert slim_until_drop(run, folder, 1.0, most_steps=2, **OPTIONS).steps == done.steps
    with pytest.raises(RunError, match="channels_by: taylor -> reconstruction"):
        slim_until_drop(run, folder, 1.0, channels_by="reconstruction", **OPTIONS)
    with monkeypatch.context() as patch:
        patch.setattr(until_drop, "train", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            slim_until_drop(run, folder, 1.0, most_steps=3, **OPTIONS)
    made = json.loads((folder / "step_03_start" / "slim.json").read_text())
    assert (made["channels_by"], made["source"]) == ("taylor", str(folder / "step_02"))
    with pytest.raises(RunError, match=r"factor: 0\.8 -> 0\.5"):
        slim_until_drop(run, folder, 1.0, factor=0.5, **OPTIONS)


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_options_may_change_while_no_net_is_made(
    write_run: WriteRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, folder = write_run(), tmp_path / "steps"
    options = OPTIONS | {"images": 0}
    with monkeypatch.context() as patch:
        patch.setattr(until_drop, "slim", _interrupt)
        gflop = []
        for size, channels_by in (((64, 64), "norm"), ((32, 64), None)):
            with pytest.raises(KeyboardInterrupt):
                slim_until_drop(run, folder, 1.0, channels_by=channels_by, **options | {"size": size})
            gflop.append(read_steps(folder)[0].gflop)
    assert gflop[1] < 0.6 * gflop[0]
    assert json.loads((folder / "plan.json").read_text())["channels_by"] == "norm"
    (folder / "step_01_start").mkdir()
    with pytest.raises(RunError, match=r"size: \[32, 64\] -> \[64, 64\]"):
        slim_until_drop(run, folder, 1.0, **options)


def _interrupt(*arguments: object, **options: object) -> None:
    raise KeyboardInterrupt


def test_the_smallest_net_is_the_last_that_has_not_lost_too_much() -> None:
    steps = tuple(
        SlimStep(f"step_{number}", 10.0 - number, 1, 1.0, None, mean_iou)
        for number, mean_iou in enumerate((0.6, 0.596, 0.599, 0.58))
    )
    assert SlimSeries(Path(), steps, 0.005).smallest == steps[2]
    assert SlimSeries(Path(), steps, 0.0).smallest == steps[0]


def test_what_cannot_be_done_is_refused(write_run: WriteRun, tmp_path: Path) -> None:
    run = write_run()
    with pytest.raises(RunError, match="factor above 0, below 1"):
        slim_until_drop(run, tmp_path / "new", 0.005, factor=1.0)
    for options, message in (
        ({"most_steps": 0}, "at least one net"),
        ({"images": 0}, "at least one image"),
        ({"size": (200,)}, "size of .height, width."),
        ({"scored_images": -1}, "images to score on"),
    ):
        with pytest.raises(RunError, match=message):
            slim_until_drop(run, tmp_path / "new", 0.005, **options)
    with pytest.raises(OutputError):
        slim_until_drop(run, run, 0.005)
    assert not (tmp_path / "new").exists()
