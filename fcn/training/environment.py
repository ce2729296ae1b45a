"""Describes the versions and the commit of a run, and the rates of a mean loss like its summed one."""

import subprocess
from pathlib import Path
from typing import Any

from fcn.config.file import Config
from fcn.data.stream import TrainingStream
from fcn.training import devices
from fcn.training.schedule import describe_summed_loss

# Enough to know the size of an image to some percent.
_SAMPLE = 50


def describe_environment(config: Config, stream: TrainingStream) -> dict[str, Any]:
    """Returns the content of `environment.json`: JSON values by name.

    Args:
        config: How to learn; with a summed loss, "loss" describes the equivalent rates of a mean loss.
        stream: The training examples.
    """
    environment = devices.describe() | {"git_hash": git_hash()}
    if config.loss.reduction == "sum":
        environment["loss"] = describe_summed_loss(config, _labeled_pixels(stream))
    return environment


def git_hash() -> str | None:
    """Returns the commit this package is checked out at; None where it is installed or git is missing."""
    root = Path(__file__).parents[2]
    command = ["git", "rev-parse", "--show-toplevel", "HEAD"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", check=False)
    except (OSError, UnicodeDecodeError):
        return None
    top, _, commit = done.stdout.strip().partition("\n")
    return commit if commit and Path(top).resolve() == root.resolve() else None


def _labeled_pixels(stream: TrainingStream) -> float:
    """Returns how many labeled pixels an item has, on average over the first ones."""
    count = min(_SAMPLE, len(stream.examples))
    return sum(int((stream[index][1] < stream.num_classes).sum()) for index in range(count)) / count
