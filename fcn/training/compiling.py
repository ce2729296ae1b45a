"""Compiles a net with its loss and optimizer."""

import keras

from fcn.config.file import Config
from fcn.data.balance import Weights
from fcn.models.net import SegmentationNet
from fcn.training import devices
from fcn.training.loss import build_loss
from fcn.training.optimizer import build_optimizer
from fcn.training.patterns import freeze


def compile_net(model: SegmentationNet, config: Config, weights: Weights | None) -> None:
    """Freezes what is not trained, and compiles a net with its loss and optimizer, which is built.

    Args:
        model: The net to train.
        config: How to train it.
        weights: `float64[num_classes]`, weights of the classes; None without.

    Raises:
        ConfigError: If a pattern of the configuration fits nothing.
    """
    freeze(model, config.train.freeze)
    loss = build_loss(config.loss, weights)
    loss.mean_over_replicas = devices.mean_over_replicas
    optimizer = build_optimizer(config.train, model, config.loss)
    # XLA on a CPU makes transposed convolutions many times slower.
    xla = config.train.xla or keras.backend.backend() == "jax"
    model.compile(optimizer=optimizer, loss=loss, jit_compile=xla)
    # Or the first step would create the optimizer's variables, and TensorFlow would trace it twice.
    optimizer.build(model.trainable_variables)


def compile_again(model: SegmentationNet, config: Config, weights: Weights | None, step: int) -> None:
    """Compiles a net that is restored with another number of parts of a batch; its optimizer's state stays.

    Args:
        model: The net.
        config: How to train it from now on.
        weights: As of `compile_net`.
        step: Updates of the weights so far.
    """
    before = model.optimizer
    compile_net(model, config, weights)
    model.optimizer.take_state(before, step)
