"""How many steps a training has, where its configuration says epochs or hours. Imports no backend."""

import math
from fractions import Fraction

from fcn.config.file import Config
from fcn.errors import RunError
from fcn.labels.validation_split import count_training_images
from fcn.runs.folder import RunFolder
from fcn.system.json_files import read_json_file
from fcn.system.remedies import resume_run
from fcn.system.text import counted


def with_steps(config: Config) -> Config:
    """Returns a configuration with its epochs as steps; hours stay.

    Raises:
        DataError: If the training split cannot be read.
    """
    settings = config.train
    if settings.epochs is None:
        return config
    images = count_training_images(config.data)
    # Of the decimals: 1.0 - 0.9 is a little less than 0.1 as a float, which may add a step.
    unlabeled_share = Fraction(str(config.data.unlabeled_share)) if config.data.unlabeled else 0
    examples = Fraction(settings.epochs * images) / (1 - unlabeled_share)
    steps = max(1, math.ceil(examples / settings.batch_size))
    return config.with_values("train", steps=steps, epochs=None)


def describe_epochs(config: Config, steps: int) -> str:
    """Returns how many steps the epochs of a configuration are.

    Args:
        config: The configuration, with epochs.
        steps: What `with_steps` has found.

    Example:
        >>> from fcn.config.file import as_config
        >>> config = as_config({"data": {"root": "VOC2012"}, "train": {"epochs": 0.5, "batch_size": 8}})
        >>> describe_epochs(config, 90)
        'train.epochs=0.5: 90 steps of 8 images.'
    """
    settings = config.train
    images = counted(settings.batch_size, "image")
    return f"train.epochs={settings.epochs:g}: {counted(steps, 'step')} of {images}."


def with_recorded_steps(config: Config, run: RunFolder) -> Config:
    """Returns a configuration with the steps that its hours became when the run was started.

    Args:
        config: How to train.
        run: The folder; nothing changes where there is no run yet.

    Raises:
        RunError: If the run was started with other hours, or without.
    """
    hours = config.train.hours
    if hours is None or not run.exists():
        return config
    steps = run.load_config().train.steps
    recorded = _read_hours(run)
    if recorded != hours:
        started = "without train.hours" if recorded is None else f"with train.hours={recorded:g}"
        longer = 2 * steps if recorded is None else round(steps * hours / recorded)
        raise RunError(
            f"{run.path}: was started {started} and has {steps:,} steps. Received: train.hours={hours:g}. To "
            f"change its length, set steps: {resume_run(run.path, f'train.steps={max(1, longer)}')}"
        )
    return config.with_values("train", steps=steps, hours=None)


def _read_hours(run: RunFolder) -> float | None:
    try:
        recorded = read_json_file(run.length)
    except (OSError, ValueError):
        return None
    hours = recorded.get("hours") if isinstance(recorded, dict) else None
    return float(hours) if isinstance(hours, (int, float)) else None
