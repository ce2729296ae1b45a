"""The optimizers of a configuration: how each updates a variable."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from fcn.config.sections import LossConfig, TrainConfig
from fcn.system.tensorflow_step import apply_momentum
from fcn.training.layerwise_optimizer import LayerwiseOptimizer
from fcn.training.patterns import check_multipliers
from fcn.training.schedule import build_schedule

_DEFAULT_LOSS = LossConfig()


@keras.saving.register_keras_serializable(package="fcn")
class CaffeSGD(LayerwiseOptimizer):
    """Stochastic gradient descent with momentum, as Caffe computes it.

    `velocity = momentum * velocity + learning_rate * (gradient + kernel_decay * kernel)`, which is then
    subtracted. The velocity keeps the learning rates of the past, so a falling rate acts at once only on
    new gradients. Without decay this is `keras.optimizers.SGD`. Source: Caffe's solver for FCN-32s to 8s
    (Shelhamer et al., PAMI 2017).

    Args:
        learning_rate: A float or a schedule over updates.
        momentum: Share of the velocity that is kept.
        options: Arguments of `LayerwiseOptimizer`.

    Example:
        >>> weight = keras.Variable([2.0], name="kernel")
        >>> optimizer = CaffeSGD(0.1, momentum=0.9, kernel_decay=0.5)
        >>> optimizer.apply([ops.array([1.0])], [weight])  # 2 - 0.1 * (1 + 0.5 * 2)
        >>> round(float(weight[0]), 6)
        1.8
    """

    slot_names = ("velocity",)

    def __init__(self, learning_rate: Any, momentum: float, **options: Any) -> None:
        super().__init__(learning_rate, **options)
        self.momentum = momentum

    def new_values(self, values: Sequence[Any], gradient: Any, learning_rate: Any, decay: float) -> list[Any]:
        """Returns the weight and its velocity after an update."""
        weight, velocity = values
        if decay:
            gradient = gradient + decay * weight
        velocity = self.momentum * velocity + learning_rate * gradient
        return [weight - velocity, velocity]

    def update_variable(
        self, targets: Sequence[Any], gradient: Any, learning_rate: Any, decay: float
    ) -> None:
        """Changes the weight and its velocity; TensorFlow does so in place."""
        if keras.backend.backend() != "tensorflow":
            super().update_variable(targets, gradient, learning_rate, decay)
            return
        weight, velocity = targets
        if decay:
            gradient = gradient + decay * weight
        apply_momentum(weight, velocity, learning_rate * gradient, self.momentum)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this optimizer again, without its state."""
        return super().get_config() | {"momentum": self.momentum}


@keras.saving.register_keras_serializable(package="fcn")
class LayerwiseAdamW(LayerwiseOptimizer):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019, algorithm 2).

    A factor of the learning rate is also a factor of the decay. Constants are those of Keras' AdamW.

    Args:
        learning_rate: A float or a schedule over updates.
        options: Arguments of `LayerwiseOptimizer`.
    """

    slot_names = ("momentum", "velocity")
    BETA_1 = 0.9
    BETA_2 = 0.999
    EPSILON = 1e-7

    def __init__(self, learning_rate: Any, **options: Any) -> None:
        super().__init__(learning_rate, **options)

    def new_values(self, values: Sequence[Any], gradient: Any, learning_rate: Any, decay: float) -> list[Any]:
        """Returns the weight and both moments after an update."""
        weight, first, second = values
        step = ops.cast(self.iterations + 1, gradient.dtype)
        first = first + (1 - self.BETA_1) * (gradient - first)
        second = second + (1 - self.BETA_2) * (ops.square(gradient) - second)
        # Corrects for moments that start at zero.
        unbiased = ops.sqrt(1 - self.BETA_2**step) / (1 - self.BETA_1**step)
        change = learning_rate * unbiased * first / (ops.sqrt(second) + self.EPSILON)
        if decay:
            change = change + learning_rate * decay * weight
        return [weight - change, first, second]


def build_optimizer(
    config: TrainConfig, model: keras.Model | None = None, loss: LossConfig = _DEFAULT_LOSS
) -> LayerwiseOptimizer:
    """Builds the optimizer a configuration asks for; weight decay acts on kernels only.

    Args:
        config: How to learn.
        model: The net to train, with layers frozen already; None leaves patterns unchecked.
        loss: The loss; its reduction decides whether parts of a step are averaged or summed.

    Raises:
        ConfigError: If a pattern of `train.learning_rate_multipliers` fits no variable that is trained.
    """
    if model is not None:
        check_multipliers(config.learning_rate_multipliers, model)
    options = {
        "kernel_decay": config.weight_decay,
        "multipliers": config.learning_rate_multipliers,
        "clip_norm": config.clip_norm,
        "accumulate": config.accumulate,
        "reduction": loss.reduction,
    }
    schedule = build_schedule(config)
    if config.optimizer == "adamw":
        return LayerwiseAdamW(schedule, **options)
    return CaffeSGD(schedule, config.momentum, **options)
