"""Checks of the keys with which a net learns from another one, which are in several sections."""

from typing import Any

from fcn.config.loss import OF_TEACHER
from fcn.config.sections import DataConfig, LossConfig, TrainConfig


def check_teaching(data: DataConfig, loss: LossConfig, train: TrainConfig) -> None:
    """Refuses keys that change nothing without a teacher or without unlabeled images.

    Args:
        data: The section `data`.
        loss: The section `loss`.
        train: The section `train`.

    Raises:
        ValueError: If there is one, or if a training without labels is to last epochs.

    Example:
        >>> from pathlib import Path
        >>> check_teaching(DataConfig(root=Path("x")), LossConfig(distillation=0.5), TrainConfig())
        Traceback (most recent call last):
        ValueError: loss.distillation=0.5 changes nothing without train.teacher: set both, or leave it out
    """
    if train.teacher is None:
        for key in OF_TEACHER:
            value = getattr(loss, key)
            if value != LossConfig.model_fields[key].default:
                raise ValueError(
                    f"loss.{key}={value:g} changes nothing without train.teacher: set both, or leave it out"
                )
        if data.unlabeled is not None:
            raise ValueError(
                f"data.unlabeled={data.unlabeled} changes nothing without train.teacher, which labels these "
                "images: set both, or leave it out"
            )
    share = data.unlabeled_share
    if data.unlabeled is None and share != DataConfig.model_fields["unlabeled_share"].default:
        raise ValueError(
            f"data.unlabeled_share={share:g} changes nothing without data.unlabeled: set both, or leave it "
            "out"
        )
    if train.epochs is not None and not data.labeled_share:
        raise ValueError(
            f"train.epochs={train.epochs:g}: are passes over the training split, from which "
            f"data.unlabeled_share={share:g} takes nothing. Set train.steps"
        )


def without_teacher() -> dict[str, dict[str, Any]]:
    """Returns the values of each section with which a net learns from labels alone."""
    loss = {key: LossConfig.model_fields[key].default for key in OF_TEACHER}
    share = DataConfig.model_fields["unlabeled_share"].default
    return {"train": {"teacher": None}, "loss": loss, "data": {"unlabeled": None, "unlabeled_share": share}}
