"""The recipe that a plan for a data set starts from: the values of `configs/own_classes.yaml`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fcn.config.file import Config, as_config

_VALUES: dict[str, dict[str, Any]] = {
    "augmentation": {
        "crop_size": (320, 320),
        "scale": (0.5, 1.5),
        "flip": True,
        "rotation": 10.0,
        "color_jitter": 0.3,
    },
    "model": {
        "net": "fcn8s",
        "fc_channels": 512,
        "upsampling": "learned",
        "dropout": 0.1,
        "skip_scales": (0.01, 0.002),
        "input_scale": 0.5,
        "weights": "imagenet",
    },
    "train": {
        "steps": 400,
        "batch_size": 4,
        "optimizer": "adamw",
        "learning_rate": 1e-4,
        "learning_rate_multipliers": {"fc6/*": 3.0, "fc7/*": 3.0, "score_*": 4.0},
        "freeze": ("block1_*", "block2_*", "block3_*"),
        "schedule": "poly",
        "power": 0.9,
        "warmup_steps": 20,
        "weight_decay": 0.01,
        "ema": 0.98,
        "precision": "float32",
        "checkpoint_steps": 100,
        "evaluate_steps": 100,
    },
}


def own_classes(root: Path, overrides: Sequence[str] = ()) -> Config:
    """Returns the recipe for a data set.

    Args:
        root: The data set.
        overrides: "section.key=value" each, as after `--set`.

    Raises:
        ConfigError: If any of these is not as expected.

    Example:
        >>> own_classes(Path("data/mine")).data.val_share
        0.2
    """
    return as_config({"data": {"root": root, "val_share": 0.2}, **_VALUES}, overrides)
