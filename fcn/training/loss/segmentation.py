"""The weighted sum of losses of a configuration, as a Keras loss."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from fcn.config.loss import OF_TEACHER
from fcn.config.sections import LossConfig
from fcn.training.loss.pixel import LabeledPixels, cross_entropy, focal, hardest
from fcn.training.loss.region import dice, lovasz


def build_loss(config: LossConfig, class_weights: npt.ArrayLike | None) -> "SegmentationLoss":
    """Builds the loss a configuration asks for.

    Args:
        config: The losses.
        class_weights: Result of `fcn.data.balance.class_weights` for `config`: floats `[C]`, or None without
            weights.

    Raises:
        ValueError: If there are class weights and `config` asks for none, or the other way around.

    Example:
        >>> loss = build_loss(LossConfig(terms={"cross_entropy": 1.0, "dice": 0.5}), None)
        >>> round(float(loss(ops.array([[[0, 255]]]), ops.zeros((1, 1, 2, 2)))), 4)
        0.7931
    """
    if (class_weights is None) != (config.class_weights == "none"):
        raise ValueError(
            "Expected `class_weights` where the configuration asks for some, and None where not. "
            f"Received: class_weights={class_weights!r} for loss.class_weights={config.class_weights!r}."
        )
    weights = None if class_weights is None else np.asarray(class_weights, np.float64).tolist()
    return SegmentationLoss(**_plain_options(config), class_weights=weights)


def _plain_options(config: LossConfig) -> dict[str, Any]:
    """Returns the options of the losses of labels without class weights, which may have to be measured."""
    return config.model_dump(exclude={"class_weights", *OF_TEACHER})


@keras.saving.register_keras_serializable(package="fcn")
class SegmentationLoss(keras.losses.Loss):  # type: ignore[misc]
    """The weighted sum of losses over the labeled pixels of a batch; arguments as in `LossConfig`.

    Void pixels neither count nor have a gradient: it is exactly 0 whatever their logits. A batch of
    nothing but void has the loss 0. Everything is computed in float32.

    "cross_entropy", "ohem" and "focal" weight each pixel with its class's weight. With the reduction
    "mean" their sum is divided by the sum of the weights of the pixels that count, as in PyTorch, so
    weights of 2 for every class change nothing; "sum" does not divide. Smoothing acts on "cross_entropy"
    and "ohem". "dice" and "lovasz" count every class equally already and have no weights.

    With several replicas (`tf.distribute`) each has its own part of the batch. "sum" adds their losses,
    which is the sum over the whole batch. Otherwise the loss is the mean of the replicas' losses: that of
    the whole batch only where all have labeled pixels of the same weight. `mean_over_replicas` makes the
    terms "cross_entropy" and "focal" equal to it always. "ohem", "dice" and "lovasz" look at one
    replica's part at a time. On JAX with `keras.distribution` there is one batch and one loss.

    Call arguments: label `int[B, H, W]`, 255 = void; logits `float[B, H, W, C]`.

    Args:
        terms: Weight of each loss, by name.
        reduction: "mean" or "sum" over pixels.
        label_smoothing: Share of a pixel's truth that is spread over all classes.
        class_weights: One a class; None: 1 for all.
        focal_gamma: Exponent of "focal".
        ohem_threshold: "ohem" keeps pixels whose true class has at most this probability.
        ohem_min_kept: Smallest share of the labeled pixels that "ohem" keeps, whatever the threshold.
        name: Name of the loss.

    Attributes:
        mean_over_replicas: Maps the sum of weights that a replica divides by, `float32[]`, to the mean of all
            replicas' sums. At first it is the identity; it is not saved.
    """

    def __init__(
        self,
        terms: Mapping[str, float],
        reduction: str,
        label_smoothing: float,
        class_weights: Sequence[float] | None,
        focal_gamma: float,
        ohem_threshold: float,
        ohem_min_kept: float,
        name: str = "segmentation_loss",
    ) -> None:
        # Keras divides a "mean" by the number of replicas, but not a "sum".
        super().__init__(name=name, reduction=reduction, dtype="float32")
        self.terms = dict(terms)
        self.label_smoothing = label_smoothing
        self.class_weights = None if class_weights is None else list(class_weights)
        self.focal_gamma = focal_gamma
        self.ohem_threshold = ohem_threshold
        self.ohem_min_kept = ohem_min_kept
        self.mean_over_replicas: Callable[[Any], Any] = lambda weight: weight

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Returns the loss of a batch, `float32[]`.

        Raises:
            ValueError: If there are sample weights: Keras would apply them to the sum over the batch.
        """
        if sample_weight is not None:
            raise ValueError(
                "Expected no `sample_weight`: pixels are weighted by their class, with `class_weights`, or "
                "left out with the label 255."
            )
        return super().__call__(y_true, y_pred)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the loss of a batch, `float32[1]`; Keras takes numbers without axes for reduced."""
        num_classes = y_pred.shape[-1]
        if self.class_weights is not None and len(self.class_weights) != num_classes:
            raise ValueError(
                f"Expected a class weight for each of the {num_classes} channels of the logits. "
                f"Received: {len(self.class_weights)} weights."
            )
        pixels = LabeledPixels.of(y_true, y_pred)
        losses = [weight * self._term(name, pixels) for name, weight in self.terms.items()]
        return ops.reshape(sum(losses[1:], losses[0]), (1,))

    def _term(self, name: str, pixels: LabeledPixels) -> Any:
        match name:
            case "cross_entropy":
                losses = cross_entropy(pixels, self.class_weights, self.label_smoothing)
                return self._reduce(losses, pixels.weights(self.class_weights))
            case "ohem":
                kept = hardest(pixels, self.ohem_threshold, self.ohem_min_kept)
                losses = cross_entropy(pixels, self.class_weights, self.label_smoothing)
                return self._reduce(kept * losses, kept * pixels.weights(self.class_weights))
            case "focal":
                losses = focal(pixels, self.class_weights, self.focal_gamma)
                return self._reduce(losses, pixels.weights(self.class_weights))
            case "dice":
                return dice(pixels)
            case "lovasz":
                return lovasz(pixels)
        raise ValueError(
            f"Expected terms among cross_entropy, ohem, focal, dice and lovasz. Received: {name!r}."
        )

    def _reduce(self, losses: Any, weights: Any) -> Any:
        """Returns the sum of `losses`, or its quotient with that of `weights`, both `float32[B, H, W]`."""
        total = ops.sum(losses)
        if self.reduction == "sum":
            return total
        divisor = self.mean_over_replicas(ops.sum(weights))
        return total / ops.where(divisor > 0, divisor, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this loss again."""
        return {
            "terms": self.terms,
            "reduction": self.reduction,
            "label_smoothing": self.label_smoothing,
            "class_weights": self.class_weights,
            "focal_gamma": self.focal_gamma,
            "ohem_threshold": self.ohem_threshold,
            "ohem_min_kept": self.ohem_min_kept,
            "name": self.name,
        }


@keras.saving.register_keras_serializable(package="fcn")
class VoidCrossentropy(SegmentationLoss):
    """Cross entropy between labels and logits, averaged over the labeled pixels of a batch.

    Void pixels neither count nor have a gradient. A batch of nothing but void has the loss 0.

    Call arguments: label `int[B, H, W]`, 255 = void; logits `float[B, H, W, C]`.

    Example:
        >>> loss = VoidCrossentropy()(ops.array([[[0, 255]]]), ops.zeros((1, 1, 2, 2)))
        >>> round(float(loss), 4)
        0.6931
    """

    def __init__(self, name: str = "void_crossentropy") -> None:
        plain = LossConfig(terms={"cross_entropy": 1.0}, reduction="mean", label_smoothing=0.0)
        super().__init__(**_plain_options(plain), class_weights=None, name=name)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this loss again."""
        return {"name": self.name}
