"""Makes a net smaller step by step, and trains it after each, until it has lost too much."""

import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fcn.config.file import as_config
from fcn.data.image_io import read_image
from fcn.data.voc import Example
from fcn.errors import RunError
from fcn.inference.predictor import Predictor
from fcn.models.net import SegmentationNet
from fcn.runs.folder import RunFolder
from fcn.runs.model_file import load_model
from fcn.slimming.connections import count_channels
from fcn.slimming.cost import measure_cost
from fcn.slimming.fine_tuning import fine_tuning
from fcn.slimming.options import (
    CHANNELS_BY,
    FACTOR,
    IMAGES,
    MOST_STEPS,
    SCORED_IMAGES,
    SIZE,
    Criterion,
    check_options,
)
from fcn.slimming.result import SLIM_FILE
from fcn.slimming.slim import open_run, score, slim
from fcn.slimming.step_table import STEPS_FILE, SlimStep, read_steps, write_steps
from fcn.system.files import check_new_folder, write_json
from fcn.system.json_files import read_json_file
from fcn.system.text import print_notice
from fcn.training.checked_data import read_checked
from fcn.training.loop import train

PLAN = "plan.json"
"""Name of the file that says how the steps in a folder are made."""

_FINE_TUNING = "fine_tuning"
"""Key of the settings that a plan adds to those of the caller."""
_CHANNELS_BY = "channels_by"
_KEYS = {"source", "factor", _CHANNELS_BY, "images", "size", "overrides", _FINE_TUNING}

_WARM_UP, _ROUNDS = 2, 5


class SlimSeries(NamedTuple):
    """A series of ever smaller nets.

    Attributes:
        folder: Where they were written.
        steps: The first is the net before; the last may have lost too much.
        drop: Mean IoU that may be lost, 0 to 1.
    """

    folder: Path
    steps: tuple[SlimStep, ...]
    drop: float

    @property
    def smallest(self) -> SlimStep:
        """The smallest net that has not lost too much."""
        return [step for step in self.steps if self.steps[0].mean_iou - step.mean_iou <= self.drop][-1]


def slim_until_drop(
    run: Path | str,
    folder: Path | str,
    drop: float,
    *,
    factor: float = FACTOR,
    most_steps: int = MOST_STEPS,
    channels_by: Criterion | None = None,
    images: int = IMAGES,
    size: tuple[int, int] = SIZE,
    scored_images: int = SCORED_IMAGES,
    overrides: Sequence[str] = (),
    trust: bool = False,
) -> SlimSeries:
    """Makes a net smaller and trains it, again and again, until it has lost too much.

    Each step writes two run folders, `step_01_start` and `step_01`, and tables of all steps. The net of the
    run is the teacher of each (`train.teacher`), and the learning rate lower than that of the run
    (`fcn.slimming.fine_tuning`), unless `overrides` say otherwise. A call for the same folder goes on where
    the last one was stopped.

    Args:
        run: A run folder, whose configuration names the data and how to train.
        folder: A new folder, or one of an earlier call.
        drop: Mean IoU on the validation split that may be lost, 0 to 1: 0.005 is half a point.
        factor: Operations of each net relative to those of the one before.
        most_steps: Nets to make at most.
        channels_by: As of `fcn.slimming.slim.slim`, like the three that follow; None: as in the earlier call,
            or the default.
        images: Training examples to measure on.
        size: (height, width) of the image that operations are counted for.
        scored_images: Images of the validation split to score on before each training; 0: none.
        overrides: Changes of the run's configuration for each training, "section.key=value" each.
        trust: Whether to load also a model with parts that could run code.

    Raises:
        FcnError: As `fcn.slimming.slim.slim` and `fcn.training.loop.train` do.
        RunError: If the folder was made in another way.
    """
    source, folder = Path(run), Path(folder)
    if not 0 < factor < 1:
        raise RunError(f"Expected a factor above 0, below 1. Received: {factor}.")
    if most_steps < 1:
        raise RunError(f"Expected at least one net to make. Received: most_steps={most_steps}.")
    before = _read_plan(folder)
    if channels_by is None:
        channels_by = CHANNELS_BY if before is None else before[_CHANNELS_BY]
    check_options(channels_by, images, size, scored_images)
    config = open_run(source)[1]
    overrides = [f"train.teacher={json.dumps(str(source))}", *overrides]
    as_config(config, overrides)  # raises an error that explains what is wrong with them
    plan = {
        "source": str(source),
        "factor": factor,
        _CHANNELS_BY: channels_by,
        "images": images,
        "size": list(size),
        "overrides": overrides,
        _FINE_TUNING: fine_tuning(config),
    }
    plan = _prepare(folder, before, plan)
    steps = read_steps(folder)
    net = load_model(source, trust)
    examples = read_checked(config.data, net.class_names).val_examples
    if not steps:
        steps = [_measured("full", net, size, examples, None, score(net, examples))]
        write_steps(folder, steps)
    while steps[0].mean_iou - steps[-1].mean_iou <= drop and len(steps) <= most_steps:
        steps.append(_next(folder, source, steps, examples, plan, scored_images, trust))
        write_steps(folder, steps)
    return SlimSeries(folder, tuple(steps), drop)


def _read_plan(folder: Path) -> dict[str, Any] | None:
    """Returns how the steps in a folder were made; None if there is no plan.

    That of 0.2.0 trains at the rate of the run, and goes on so.

    Raises:
        RunError: If there is something else.
    """
    path = folder / PLAN
    if not path.exists():
        return None
    try:
        plan = read_json_file(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error}). Choose another folder.") from error
    if not isinstance(plan, dict) or plan.keys() | {_FINE_TUNING} != _KEYS:
        raise RunError(f"{path}: expected a file that fcn slim --until-drop wrote. Choose another folder.")
    return {_FINE_TUNING: [], **plan}


def _prepare(folder: Path, before: dict[str, Any] | None, plan: dict[str, Any]) -> dict[str, Any]:
    """Makes the folder, or checks that its steps were made as these are to be.

    Args:
        folder: The folder.
        before: How its steps were made.
        plan: How the next steps are to be made.

    Returns:
        The plan, with the settings of the steps that are there.

    Raises:
        OutputError: If the folder cannot be written to.
        RunError: If the steps were made in another way.
    """
    path = folder / PLAN
    if before is None:
        check_new_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, plan)
        return plan
    used = plan | {_FINE_TUNING: before[_FINE_TUNING]}
    if changed := [f"{key}: {before[key]} -> {value}" for key, value in used.items() if before[key] != value]:
        if not any(folder.glob("step_*")):  # only the net before was measured
            (folder / STEPS_FILE).unlink(missing_ok=True)
            write_json(path, plan)
            return plan
        raise RunError(
            f"{folder}: its steps were made in another way ({'; '.join(changed)}). Set these back to go on, "
            "or choose another folder."
        )
    print_notice(f"Continuing in {folder}.")
    return used


def _next(
    folder: Path,
    source: Path,
    steps: Sequence[SlimStep],
    examples: Sequence[Example],
    plan: dict[str, Any],
    scored_images: int,
    trust: bool,
) -> SlimStep:
    """Makes the last net smaller, or goes on where that was stopped, and trains it."""
    name = f"step_{len(steps):02}"
    start, trained = RunFolder(folder / f"{name}_start"), RunFolder(folder / name)
    if not start.exists():
        slim(
            source if len(steps) == 1 else folder / steps[-1].name,
            start.path,
            gflop=plan["factor"] * steps[-1].gflop,
            channels_by=plan[_CHANNELS_BY],
            images=plan["images"],
            size=(plan["size"][0], plan["size"][1]),
            scored_images=scored_images,
            trust=trust,
        )
    untrained = read_json_file(start.path / SLIM_FILE)["mean_iou"]
    print_notice(f"Training {trained.path}. If you stop it, the same command continues.")
    overrides = [*plan[_FINE_TUNING], *plan["overrides"], f"model.weights={json.dumps(str(start.path))}"]
    result = train(start.config, trained.path, resume=trained.exists(), trust=trust, overrides=overrides)
    net = load_model(trained.path, trust)
    mean_iou = float(result.evaluation.scores.mean_iou)
    return _measured(name, net, plan["size"], examples, untrained and untrained["after"], mean_iou)


def _measured(
    name: str,
    net: SegmentationNet,
    size: Sequence[int],
    examples: Sequence[Example],
    untrained: float | None,
    mean_iou: float,
) -> SlimStep:
    predictor, image = Predictor(net), read_image(examples[0].image_path, examples[0].bits)
    seconds = []
    for _ in range(_WARM_UP + _ROUNDS):
        began = time.monotonic()
        predictor.predict(image)
        seconds.append(time.monotonic() - began)
    return SlimStep(
        name,
        measure_cost(net, size).gflop(count_channels(net)),
        int(net.count_params()),
        1000 * statistics.median(seconds[_WARM_UP:]),
        untrained,
        mean_iou,
        f"{predictor.engine.name} {predictor.engine.precision}",
        f"{image.shape[0]}x{image.shape[1]}",
    )
