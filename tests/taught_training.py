"""Trainings of a thin net with a teacher, and what their checkpoints hold."""

import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fcn.config.file import Config

NAMES = ("ground", "cat", "dog")
"""The classes of the fixture `dataset`."""


def configured(root: Path, teacher: Path | str | None, sections: Any = None, **train_values: Any) -> Config:
    values = {
        "data": {"root": root},
        "augmentation": {"crop_size": (24, 24), "color_jitter": 0.1},
        "model": {"net": "fcn32s", "width": 1 / 32, "fc_channels": 8, "dropout": 0.5},
        "train": {
            "steps": 4,
            "batch_size": 2,
            "accumulate": 2,
            "learning_rate": 0.05,
            "log_steps": 1,
            "checkpoint_steps": 2,
            "evaluate_steps": 4,
            "teacher": None if teacher is None else str(teacher),
            **train_values,
        },
    }
    return Config.model_validate({**values, **(sections or {})})


def stored(checkpoint: Path) -> dict[str, np.ndarray]:
    """Returns all arrays in a checkpoint: weights and the state of the optimizer."""
    found: dict[str, np.ndarray] = {}

    def keep(name: str, member: object) -> None:
        if isinstance(member, h5py.Dataset):
            found[name] = np.asarray(member)

    with (
        zipfile.ZipFile(checkpoint) as archive,
        archive.open("model.weights.h5") as file,
        h5py.File(file, "r") as weights,
    ):
        weights.visititems(keep)
    return found
