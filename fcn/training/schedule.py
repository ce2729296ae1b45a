"""The learning rate in the course of a training."""

from typing import Any

import keras
from keras import ops

from fcn.config.file import Config
from fcn.config.sections import TrainConfig


@keras.saving.register_keras_serializable(package="fcn")
class PolySchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A learning rate that falls to zero: `learning_rate * (1 - step / steps) ** power`.

    Steps count from 0, so the last one, `steps - 1`, still has a rate above zero. Source: DeepLab v2,
    section 4.1.1. With `power` 0 it is constant.

    In a warm-up this is multiplied by `(step + 1) / warmup_steps`: the first step has one part of it, and
    the step `warmup_steps - 1` is the first that has all of it.

    Args:
        learning_rate: Before the fall and the warm-up.
        steps: Number of steps of the training.
        power: Exponent; 0.9 is usual.
        warmup_steps: Steps over which the rate first rises in a straight line; 0: none.

    Example:
        >>> schedule = PolySchedule(0.1, steps=100, power=1.0, warmup_steps=0)
        >>> round(float(schedule(50)), 3)
        0.05
        >>> schedule = PolySchedule(0.1, steps=100, power=0.0, warmup_steps=4)
        >>> [round(float(schedule(step)), 3) for step in range(5)]
        [0.025, 0.05, 0.075, 0.1, 0.1]
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


def mean_loss_learning_rate(config: Config, image_pixels: float) -> float:
    """Returns the learning rate that gives a mean loss the steps of a summed one.

    A sum over N pixels is N times their mean, and so is its gradient.

    Args:
        config: A configuration with a summed loss.
        image_pixels: Labeled pixels of a training image, on average.
    """
    return config.train.learning_rate * config.train.batch_size * image_pixels


def describe_summed_loss(config: Config, image_pixels: float) -> str:
    """Returns a sentence with the rates of a mean loss that are equivalent to those of a summed one.

    Args:
        config: A configuration with `loss.reduction` "sum".
        image_pixels: Labeled pixels of a training image, on average.

    Raises:
        ValueError: If the loss is not summed, or an image has no labeled pixel.
    """
    settings = config.train
    if config.loss.reduction != "sum":
        raise ValueError(f'Expected loss.reduction "sum". Received: {config.loss.reduction!r}.')
    if not image_pixels > 0:
        raise ValueError(f"Expected labeled pixels. Received: image_pixels={image_pixels}.")
    pixels = settings.batch_size * image_pixels
    text = f"The loss is summed over some {pixels:,.0f} labeled pixels a step"
    if settings.optimizer == "adamw":
        return f"{text}; adamw takes the same steps for a mean loss, at any scale of the loss."
    rate = mean_loss_learning_rate(config, image_pixels)
    text += f": learning rate {settings.learning_rate:.3g} is {rate:.3g} for a mean loss"
    if settings.weight_decay:
        text += f", with weight decay {settings.weight_decay / pixels:.3g}"
    if settings.momentum:
        momentum = settings.momentum
        text += f"; momentum {momentum:g} makes that {rate / (1 - momentum):.3g} over many steps"
    return f"{text}."
