"""Checks of the keys with which a net learns from another one, which are in several sections."""

from fcn.config.loss import OF_TEACHER
from fcn.config.sections import LossConfig, TrainConfig


def check_teaching(loss: LossConfig, train: TrainConfig) -> None:
    """Refuses keys that change nothing without a teacher.

    Args:
        loss: The section `loss`.
        train: The section `train`.

    Raises:
        ValueError: If there is one.

    Example:
        >>> check_teaching(LossConfig(distillation=0.5), TrainConfig())
        Traceback (most recent call last):
        ValueError: loss.distillation=0.5 changes nothing without train.teacher: set both, or leave it out
    """
    if train.teacher is not None:
        return
    for key in OF_TEACHER:
        value = getattr(loss, key)
        if value != LossConfig.model_fields[key].default:
            raise ValueError(
                f"loss.{key}={value:g} changes nothing without train.teacher: set both, or leave it out"
            )
