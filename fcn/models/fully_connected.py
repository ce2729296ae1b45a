"""The fully connected tail of a classifier, and the same layers as convolutions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[Any]

ELEMENTWISE = (
    keras.layers.Activation,
    keras.layers.ActivityRegularization,
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.ELU,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.LeakyReLU,
    keras.layers.ReLU,
)
"""Layers that treat every number alike, or all channels of a place together."""

PER_CHANNEL = (keras.layers.BatchNormalization, keras.layers.PReLU, keras.layers.Softmax)
"""Layers with an axis of channels, which is another one in a map than in a vector."""

_Folded = tuple[Weights, Weights]


class Tail(NamedTuple):
    """The fully connected part of a classifier.

    Attributes:
        window: (height, width, channels) of the map that `Flatten` turns into a vector.
        layers: The classifier's layers after `Flatten`, in the order they are applied.
    """

    window: tuple[int, int, int]
    layers: tuple[keras.layers.Layer, ...]

    @property
    def last_dense(self) -> keras.layers.Dense:
        """The layer that scores the classes."""
        return next(layer for layer in reversed(self.layers) if isinstance(layer, keras.layers.Dense))

    @property
    def kept(self) -> tuple[keras.layers.Layer, ...]:
        """The layers with a counterpart in the converted net: a convolution, or a layer of the same kind."""
        first = next(i for i, layer in enumerate(self.layers) if isinstance(layer, keras.layers.Dense))
        return tuple(
            layer
            for index, layer in enumerate(self.layers)
            if not isinstance(layer, keras.layers.Flatten)
            and (index > first or not isinstance(layer, keras.layers.BatchNormalization))
        )


def refusal(layer: Any, reason: str) -> ValueError:
    """Returns the error for a layer that cannot be converted."""
    return ValueError(f"Layer {layer.name!r} ({type(layer).__name__}) cannot be converted: {reason}")


def clone(layer: Any, **changes: Any) -> Any:
    """Returns a new layer with the settings of another one and some changes.

    Example:
        >>> clone(keras.layers.Conv2D(3, 1, padding="same", name="conv"), padding="valid").padding
        'valid'
    """
    if isinstance(layer, keras.layers.Lambda):
        # Its settings hold Python code, that Keras refuses to run again unless it is told to.
        return type(layer).from_config(layer.get_config() | changes, safe_mode=False)
    return type(layer).from_config(layer.get_config() | changes)


def copy_weights(source: Any, target: Any, change: Callable[[Weights], Weights] = np.asarray) -> None:
    """Copies all weights of a layer to one of the same kind.

    Args:
        source: A built layer, or an operation, which has no weights.
        target: A built copy of it.
        change: Function applied to each array.

    Raises:
        ValueError: If the shapes differ.
    """
    if not getattr(source, "weights", None):
        return
    target.set_weights([change(value) for value in source.get_weights()])
    if isinstance(target, keras.layers.Normalization):
        target.finalize_state()


def apply_as_convolutions(
    features: Any, tail: Tail, num_classes: int | None, name: Callable[[str], str]
) -> Any:
    """Applies the tail of a classifier to every window of a map.

    Args:
        features: `float[B, H, W, C]`, symbolic.
        tail: The layers to apply; they are not changed.
        num_classes: Channels of a new last layer that starts at zero; None to keep the last one.
        name: From the name of a layer to that of its copy.

    Returns:
        `float[B, H - height + 1, W - width + 1, num_classes]`, where (height, width) is the tail's window.

    Raises:
        ValueError: If a layer cannot be applied to a map; the message names it.
    """
    height, width, _ = tail.window
    kernel_size = (height, width)
    folded: _Folded | None = None
    behind_last = False
    for layer in tail.layers:
        if isinstance(layer, keras.layers.Flatten):
            continue
        if isinstance(layer, keras.layers.Dense):
            behind_last = layer is tail.last_dense
            cut = num_classes if behind_last else None
            features = _convolve(features, layer, kernel_size, folded, cut, name(layer.name))
            kernel_size, folded = (1, 1), None
        elif layer not in tail.kept:
            folded = _scale_and_shift(layer)
        else:
            if behind_last and num_classes is not None and layer.weights:
                raise refusal(
                    layer,
                    "its weights belong to the classes that `num_classes` cuts. Leave `num_classes` out, or "
                    f"take the layer out of the model: it follows {tail.last_dense.name!r}.",
                )
            features = _apply(features, layer, name(layer.name))
    return features


def _convolve(
    features: Any,
    dense: keras.layers.Dense,
    kernel_size: tuple[int, int],
    folded: _Folded | None,
    num_classes: int | None,
    name: str,
) -> Any:
    if getattr(dense, "quantization_mode", None) is not None:
        raise refusal(dense, "it is quantized. Convert the model first, then quantize.")
    kernel = keras.ops.convert_to_numpy(dense.kernel)
    bias = keras.ops.convert_to_numpy(dense.bias) if dense.use_bias else None
    if folded is not None:
        scale, shift = folded
        bias = (0 if bias is None else bias) + shift @ kernel
        kernel = scale[:, np.newaxis] * kernel
    convolution = keras.layers.Conv2D(
        dense.units if num_classes is None else num_classes,
        kernel_size,
        data_format="channels_last",
        activation=dense.activation,
        use_bias=bias is not None,
        kernel_initializer=dense.kernel_initializer if num_classes is None else "zeros",
        bias_initializer=dense.bias_initializer if num_classes is None else "zeros",
        kernel_regularizer=dense.kernel_regularizer,
        bias_regularizer=dense.bias_regularizer,
        activity_regularizer=dense.activity_regularizer,
        kernel_constraint=_for_kernel(dense.kernel_constraint),
        bias_constraint=dense.bias_constraint,
        dtype=dense.dtype_policy,
        trainable=dense.trainable,
        name=name,
    )
    scores = convolution(features)
    if num_classes is None:
        # Flatten runs over rows, then columns, then channels, as the axes of a kernel do.
        weights = [kernel.reshape(convolution.kernel.shape)]
        convolution.set_weights(weights if bias is None else [*weights, bias])
    return scores


def _for_kernel(constraint: Any) -> Any:
    """Returns what constrains a kernel `[h, w, c, out]` as this constrained `[h * w * c, out]`."""
    config = constraint.get_config() if constraint is not None else {}
    if config.get("axis") != 0:
        return constraint
    return type(constraint).from_config(config | {"axis": [0, 1, 2]})


def _scale_and_shift(layer: keras.layers.BatchNormalization) -> _Folded:
    mean, variance = (keras.ops.convert_to_numpy(x) for x in (layer.moving_mean, layer.moving_variance))
    scale = 1 / np.sqrt(variance + layer.epsilon)
    scale = scale * (keras.ops.convert_to_numpy(layer.gamma) if layer.scale else 1)
    return scale, (keras.ops.convert_to_numpy(layer.beta) if layer.center else 0) - mean * scale


def _apply(features: Any, layer: Any, name: str) -> Any:
    if isinstance(layer, keras.layers.PReLU):
        copy = clone(layer, name=name, shared_axes=[1, 2])
        features = copy(features)
        copy_weights(layer, copy, lambda alpha: alpha.reshape(1, 1, -1))
        return features
    # The channels of a vector are its axis 1 as well as -1, those of a map only the latter.
    copy = clone(layer, name=name, axis=-1) if isinstance(layer, PER_CHANNEL) else clone(layer, name=name)
    features = copy(features)
    copy_weights(layer, copy)
    return features
