"""Nets as TensorFlow's graphs, in which the kernels of convolutions dilate."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf


def scoring(model: keras.Model) -> Callable[[Any], Any]:
    """Returns the function from images to a net's logits, for graphs that are never differentiated.

    Keras' dilated convolutions cut their map into as many parts as neighbors that the kernel skips, and put
    the parts together again (SpaceToBatch). Here TensorFlow's kernels dilate: results differ only by
    rounding, and no part is padded to the size of the largest.

    Args:
        model: A net; each call uses its current weights.
    """

    def score(images: Any) -> Any:
        # The way `keras.models.clone_model` follows a model.
        return model._run_through_graph(images, operation_fn=_computing)

    return score


def _computing(layer: Any) -> Callable[..., Any]:
    """Returns the function that computes a layer."""
    dilates = (
        isinstance(layer, keras.layers.Conv2D)
        and layer.dilation_rate != (1, 1)
        and layer.strides == (1, 1)
        and layer.groups == 1
        and layer.data_format == "channels_last"
    )
    if dilates:
        return partial(_dilated, layer)
    computing: Callable[..., Any] = layer
    return computing


def _dilated(layer: keras.layers.Conv2D, maps: tf.Tensor) -> tf.Tensor:
    maps, kernel = (tf.cast(values, layer.compute_dtype) for values in (maps, layer.kernel))
    with tf.name_scope(layer.name):
        outputs = tf.nn.conv2d(maps, kernel, 1, layer.padding.upper(), dilations=layer.dilation_rate)
        if layer.use_bias:
            outputs = tf.nn.bias_add(outputs, tf.cast(layer.bias, layer.compute_dtype))
        return outputs if layer.activation is None else layer.activation(outputs)
