"""What training makes small."""

from typing import Any

import keras
from keras import ops

from fcn.classes import VOID


@keras.saving.register_keras_serializable(package="fcn")
class VoidCrossentropy(keras.losses.Loss):  # type: ignore[misc]
    """Cross entropy between labels and logits, averaged over the labeled pixels of a batch.

    Void pixels neither count nor have a gradient. A batch of nothing but void has the loss 0.

    Call arguments: label `int[B, H, W]`, 255 = void; logits `float[B, H, W, C]`.

    Example:
        >>> loss = VoidCrossentropy()(ops.array([[[0, 255]]]), ops.zeros((1, 1, 2, 2)))
        >>> round(float(loss), 4)
        0.6931
    """

    def __init__(self, name: str = "void_crossentropy", **kwargs: Any) -> None:
        super().__init__(name=name, reduction="sum", **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the share of each pixel in the loss, `float32[B, H, W]`; their sum is the loss."""
        labels = ops.cast(y_true, "int32")
        known = ops.not_equal(labels, VOID)
        losses = ops.sparse_categorical_crossentropy(
            ops.where(known, labels, 0), ops.cast(y_pred, "float32"), from_logits=True
        )
        weights = ops.cast(known, "float32")
        return ops.where(known, losses, 0.0) / ops.maximum(ops.sum(weights), 1.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this loss again."""
        return {"name": self.name}
