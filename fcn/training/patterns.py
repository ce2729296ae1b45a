"""Finds the layers and variables that fit patterns in a configuration.

Patterns are those of file names: `*` fits any characters, also `/`, and `?` fits one.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import keras

from fcn.errors import ConfigError


def variable_key(variable: Any) -> str:
    """Returns the name that patterns are compared with: "LAYER/VARIABLE".

    Keras puts the names of models around a layer in front of it or not, depending on how the net was built.

    Example:
        >>> layer = keras.layers.Dense(1, name="fc7")
        >>> layer.build((None, 2))
        >>> variable_key(layer.bias)
        'fc7/bias'
    """
    return "/".join(variable.path.split("/")[-2:])


def multiplier(key: str, multipliers: Mapping[str, float]) -> float:
    """Returns the product of the factors of all patterns that fit a variable.

    Example:
        >>> multiplier("score_fr/bias", {"*/bias": 2.0, "score_*": 10.0, "fc7/*": 3.0})
        20.0
    """
    return math.prod(factor for pattern, factor in multipliers.items() if fnmatchcase(key, pattern))


def check_multipliers(multipliers: Iterable[str], model: keras.Model) -> None:
    """Checks that each pattern of `train.learning_rate_multipliers` fits something.

    Raises:
        ConfigError: If one fits no variable that is trained.
    """
    keys = [variable_key(variable) for variable in model.trainable_variables]
    for pattern in multipliers:
        if not any(fnmatchcase(key, pattern) for key in keys):
            raise ConfigError(
                f"train.learning_rate_multipliers: {pattern!r} fits no variable that is trained. Expected a "
                f"pattern for names such as {', '.join(keys[:1] + keys[-2:])}."
            )


def freeze(model: keras.Model, patterns: Sequence[str]) -> tuple[str, ...]:
    """Keeps layers from being trained; call it before the model is compiled.

    Frozen batch normalization also keeps its statistics. Layers that are frozen already stay frozen.

    Args:
        model: The net.
        patterns: Patterns of names of layers. The batch normalization after a convolution `NAME` is
            `NAME_bn`, so "NAME*" freezes both.

    Returns:
        The names of the layers with weights that fit.

    Raises:
        ConfigError: If a pattern fits no layer with weights, or nothing is left to train.
    """
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    frozen = []
    for pattern in patterns:
        fitting = [name for name in layers if fnmatchcase(name, pattern)]
        if not fitting:
            raise ConfigError(
                f"train.freeze: {pattern!r} fits no layer with weights. The net has {', '.join(layers)}."
            )
        frozen += fitting
    for name in frozen:
        layers[name].trainable = False
    if frozen and not model.trainable_variables:
        raise ConfigError("train.freeze: leaves nothing to train. Remove a pattern.")
    return tuple(dict.fromkeys(frozen))
