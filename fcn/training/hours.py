"""How many steps a training of some hours has, measured before its first step."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras

from fcn.config.file import Config
from fcn.errors import ConfigError
from fcn.report.pictures import spread
from fcn.runs.folder import RunFolder
from fcn.system.files import write_json
from fcn.system.measured_process import MemoryLimitError, measure
from fcn.system.remedies import as_started
from fcn.system.text import counted, print_notice
from fcn.training import devices
from fcn.training.checked_data import CheckedData
from fcn.training.cost import Cost
from fcn.training.trial import Trial, megapixels, part_of

_MOST_STEPS = 52  # 50 without the first, rounded up to a scoring
_MOST_SHARE = 0.1
"""Share of the hours in which steps are measured; a few are measured in any case."""
_TRAIN_IMAGES, _VAL_IMAGES = 16, 2


def with_measured_steps(config: Config, data: CheckedData, run: RunFolder, began: float) -> Config:
    """Returns a configuration with its hours as steps, which it measures, says and records in the run.

    Args:
        config: How to train.
        data: Its data.
        run: The folder.
        began: When the training was started, by `time.monotonic`.

    Raises:
        ConfigError: If several processes train together.
        FcnError: If the steps cannot be taken.
    """
    hours = config.train.hours
    if hours is None:
        return config
    if devices.process()[1] > 1:
        raise ConfigError(
            f"train.hours={hours:g}: steps of several processes are not measured. Set train.steps or "
            "train.epochs."
        )
    seconds = 3600 * hours
    print_notice(f"Measuring steps, for at most a tenth of {hours:g} hours ...")
    cost = _measured(config, data, _MOST_SHARE * seconds)
    val_megapixels = megapixels(data.val_examples)
    left = seconds - (time.monotonic() - began)
    found = cost.steps_within(config, left, val_megapixels)
    steps = max(1, found)
    text = (
        f"train.hours={hours:g}: {counted(steps, 'step')} of {config.train.batch_size}, since a step took "
        f"{cost.step_seconds:.3g} s and scoring takes "
        f"{cost.save_seconds + val_megapixels * cost.score_seconds:.3g} s ({cost.steps} steps were measured)."
    )
    if not found:
        text += f" One step takes longer: about {cost.total_seconds(config, 1, val_megapixels):.0f} s."
    print_notice(text)
    record: dict[str, Any] = {"hours": hours, "steps": steps, "val_megapixels": val_megapixels}
    write_json(run.length, record | {"measured": cost._asdict()})
    return config.with_values("train", steps=steps, hours=None)


def _measured(config: Config, data: CheckedData, seconds: float) -> Cost:
    """Takes some steps in another process, so that nothing of this one changes: weights, random numbers."""
    train = spread(range(len(data.train_examples)), _TRAIN_IMAGES)
    part = part_of(data, train, spread(range(len(data.val_examples)), _VAL_IMAGES))
    with TemporaryDirectory(prefix="fcn-hours-") as folder:
        trial = Trial(config, part, Path(folder), _MOST_STEPS, seconds, keras.backend.backend())
        try:
            return measure(trial.take, doing="measuring steps").result
        except MemoryLimitError as error:
            raise ConfigError(
                "train.hours: the process that measures steps ran out of memory. Set train.accumulate, so "
                "that a batch is computed in parts, or a smaller augmentation.crop_size; "
                f"`{as_started('python -m fcn plan')}` finds what fits."
            ) from error
