"""The optimizer a configuration asks for."""

from typing import Any

import keras
from keras import ops

from fcn.sections import TrainConfig


@keras.saving.register_keras_serializable(package="fcn")
class PolySchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A learning rate that falls to zero: `learning_rate * (1 - step / steps) ** power`.

    Source: DeepLab v2, section 4.1.1. With `power` 0 it is constant.

    Args:
        learning_rate: At the first step, or where the warm-up ends.
        steps: Number of steps of the training.
        power: Exponent; 0.9 is usual.
        warmup_steps: Steps over which the rate first rises in a straight line.

    Example:
        >>> schedule = PolySchedule(0.1, steps=100, power=1.0, warmup_steps=0)
        >>> round(float(schedule(50)), 3)
        0.05
    """

    def __init__(self, learning_rate: float, steps: int, power: float, warmup_steps: int) -> None:
        self.learning_rate = learning_rate
        self.steps = steps
        self.power = power
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate of a step, counted from 0."""
        step = ops.cast(step, "float32")
        remaining = ops.maximum(1.0 - step / self.steps, 0.0)
        rising = ops.minimum((step + 1.0) / max(1, self.warmup_steps), 1.0)
        return self.learning_rate * ops.power(remaining, self.power) * rising

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this schedule again."""
        return {
            "learning_rate": self.learning_rate,
            "steps": self.steps,
            "power": self.power,
            "warmup_steps": self.warmup_steps,
        }


def build_schedule(config: TrainConfig) -> PolySchedule:
    """Builds the learning rate schedule a configuration asks for."""
    power = config.power if config.schedule == "poly" else 0.0
    return PolySchedule(config.learning_rate, config.steps, power, config.warmup_steps)


def build_optimizer(config: TrainConfig) -> keras.optimizers.Optimizer:
    """Builds the optimizer a configuration asks for; weight decay acts on kernels only."""
    schedule = build_schedule(config)
    decay = config.weight_decay or None
    if config.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=decay or 0.0)
    else:
        optimizer = keras.optimizers.SGD(schedule, momentum=config.momentum, weight_decay=decay)
    if decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
