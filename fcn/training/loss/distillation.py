"""The loss of a net that learns from labels and from a teacher."""

from typing import Any

import keras
from keras import ops

from fcn.classes import UNLABELED, VOID
from fcn.training.loss.pixel import LabeledPixels
from fcn.training.loss.segmentation import SegmentationLoss


def divergence(logits: Any, teacher_logits: Any, temperature: float) -> Any:
    """Returns how far a net's probabilities are from those of its teacher, `float32[...]`; 0 where equal.

    It is the Kullback-Leibler divergence `sum(p log(p / q))` of the probabilities q of the net from those p
    of the teacher, both of logits divided by the temperature, times the temperature squared, so that
    gradients are about as large at any temperature (Hinton, Vinyals & Dean, "Distilling the Knowledge in a
    Neural Network", 2015, section 2).

    Args:
        logits: `float32[..., C]`.
        teacher_logits: The same of the teacher.
        temperature: Above 0.

    Example:
        >>> same = divergence(ops.array([[1.0, 2.0]]), ops.array([[1.0, 2.0]]), 2.0)
        >>> other = divergence(ops.array([[0.0, 0.0]]), ops.array([[99.0, 0.0]]), 1.0)  # log(2)
        >>> float(same[0]), round(float(other[0]), 4)
        (0.0, 0.6931)
    """
    log_p = ops.log_softmax(teacher_logits / temperature)
    log_q = ops.log_softmax(logits / temperature)
    return temperature**2 * ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)


@keras.saving.register_keras_serializable(package="fcn")
class TaughtLoss(SegmentationLoss):
    """The losses of labels plus the divergence from a teacher.

    The divergence is a mean, or with the reduction "sum" a sum, over all pixels of the images, whether they
    have a label or not; class weights do not act on it. What is outside of the images does not count. With
    several replicas it is the mean over the whole batch, as cross entropy is.

    Call arguments: label `int[B, H, W]`, class ids, 254 = no class, 255 = outside of the image; logits
    `float[B, H, W, 2 * C]`, those of the net and then those of its teacher, which have no gradient.

    Args:
        distillation: Weight of the divergence.
        distillation_temperature: Its temperature.
        **options: Of `SegmentationLoss`.
    """

    def __init__(
        self,
        distillation: float,
        distillation_temperature: float,
        name: str = "taught_loss",
        **options: Any,
    ) -> None:
        super().__init__(name=name, **options)
        self.distillation = distillation
        self.distillation_temperature = distillation_temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the loss of a batch, `float32[1]`."""
        num_classes = y_pred.shape[-1] // 2
        logits, taught = y_pred[..., :num_classes], ops.stop_gradient(y_pred[..., num_classes:])
        label = ops.cast(y_true, "int32")
        of_labels = super().call(ops.where(ops.equal(label, UNLABELED), VOID, label), logits)
        inside = LabeledPixels.of(label, logits)
        differences = divergence(
            inside.logits, LabeledPixels.of(label, taught).logits, self.distillation_temperature
        )
        return of_labels + self.distillation * self._reduce(differences, inside.weights(None))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this loss again."""
        return {
            **super().get_config(),
            "distillation": self.distillation,
            "distillation_temperature": self.distillation_temperature,
        }
