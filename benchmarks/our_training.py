"""A net of this package, compiled as `fcn.training.loop.train` compiles it."""

from contextlib import ExitStack
from typing import Literal

import keras
from task import LEARNING_RATE, MOMENTUM

from fcn.config.sections import LossConfig, TrainConfig
from fcn.models.factory import build_model
from fcn.training.loss import build_loss
from fcn.training.optimizer import build_optimizer
from fcn.training.precision import computing_in

Precision = Literal["float32", "bfloat16"]

# What is entered here lasts as long as the process.
_PRECISION = ExitStack()


def our_fcn8s(num_classes: int, width: float, precision: Precision, xla: bool) -> keras.Model:
    """Builds and compiles FCN-8s; `train_on_batch` is one step.

    Args:
        num_classes: Number of classes.
        width: Channels of every layer in front of the scores, relative to VGG16.
        precision: As in `train.precision`.
        xla: Whether XLA compiles the step; on JAX it always does, and on PyTorch `torch.compile`.
    """
    train = TrainConfig(
        optimizer="sgd",
        learning_rate=LEARNING_RATE,
        momentum=MOMENTUM,
        weight_decay=0.0,
        precision=precision,
        xla=xla,
    )
    _PRECISION.enter_context(computing_in(train.precision))
    keras.utils.set_random_seed(train.seed)
    model = build_model("fcn8s", num_classes=num_classes, width=width)
    model.compile(
        optimizer=build_optimizer(train, model),
        loss=build_loss(LossConfig(), None),
        jit_compile=train.xla or keras.backend.backend() == "jax",
    )
    return model
