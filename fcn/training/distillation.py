"""A net and its teacher as one Keras model, which `fit` trains."""

from typing import Any

import keras
from keras import ops

from fcn.config.file import Config
from fcn.models.net import SegmentationNet
from fcn.training.loss.distillation import TaughtLoss
from fcn.training.teacher import Teacher


class TaughtNet(keras.Model):  # type: ignore[misc]
    """A net beside its teacher: from images to the logits of both.

    The teacher sees what the net sees, crops and colors changed alike, once, without dropout and with the
    statistics of its batch normalizations. It is part of the step, so that it runs on the same device, and
    its weights are no constants of the graph. Only the net is trained and saved.

    Input: images `[B, H, W, 3]` RGB, 0 to 255. Output: `float32[B, H, W, 2 * C]`, logits of the net, then
    those of the teacher.

    Args:
        net: The net that learns.
        teacher: Its teacher, which is not trainable.
    """

    def __init__(self, net: SegmentationNet, teacher: SegmentationNet) -> None:
        super().__init__(name=f"taught_{net.name}", dtype="float32")
        self.net = net
        self.teacher = teacher

    def call(self, images: Any, training: bool | None = None) -> Any:
        """Returns the logits of both nets."""
        taught = ops.stop_gradient(self.teacher(images, training=False))
        return ops.concatenate([self.net(images, training=training), taught], axis=-1)


def learner_of(model: SegmentationNet, teacher: Teacher | None, config: Config) -> keras.Model:
    """Returns what `fit` is called on: the net itself, or with a teacher both as one, compiled as the net is.

    The optimizer is that of the net, whose checkpoints hold it.

    Args:
        model: The net that learns, compiled.
        teacher: Its teacher; None without one.
        config: How to learn.
    """
    if teacher is None:
        return model
    learner = TaughtNet(model, teacher.net)
    loss = TaughtLoss(
        **model.loss.get_config() | {"name": "taught_loss"},
        distillation=config.loss.distillation,
        distillation_temperature=config.loss.distillation_temperature,
    )
    loss.mean_over_replicas = model.loss.mean_over_replicas
    learner.compile(optimizer=model.optimizer, loss=loss, jit_compile=model.jit_compile)
    return learner
