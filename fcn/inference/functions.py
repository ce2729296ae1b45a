"""From pixels to labels: a Keras net on its backend, or an exported model."""

import json
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fcn.classes import Classes
from fcn.data.image_io import Pixels
from fcn.errors import RunError
from fcn.models.fcn import FCN
from fcn.run import exported_versions

CLASSES_ASSET = "classes.json"
"""Name of the file with class names and palette among the assets of an exported model."""

_COMPILED_SIZES = 16
"""Image sizes whose programs JAX keeps; each takes megabytes, and a data set may have hundreds."""

LabelFunction = Callable[[Pixels], Any]
"""From images `uint8[B, H, W, 3]` to labels `uint8[B, H, W]`."""


def keras_function(model: FCN) -> LabelFunction:
    """Returns a function that labels with the weights a net has when it is called."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _tensorflow_function(model)
    if backend == "jax":
        return _jax_function(model)
    return _torch_function(model)


def _tensorflow_function(model: FCN) -> LabelFunction:
    """Returns one graph for all sizes."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)])  # type: ignore[untyped-decorator]
    def predict(images: tf.Tensor) -> tf.Tensor:
        logits = model(tf.cast(images, tf.float32), training=False)
        return tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.uint8)

    function: LabelFunction = predict
    return function


def _jax_function(model: FCN) -> LabelFunction:
    """Returns one program for each size, compiled when the size first comes; the last few are kept.

    It runs on one device of this process, with the copy of the weights that is there, and so may be called
    by one process alone, however many hold the net.
    """
    import jax

    def label(weights: Any, others: Any, images: Any) -> Any:
        logits, _ = model.stateless_call(weights, others, images.astype(np.float32), training=False)
        return logits.argmax(axis=-1).astype(np.uint8)

    @lru_cache(maxsize=_COMPILED_SIZES)
    def compiled(*size: int) -> Any:
        del size  # JAX keeps what it compiled for a function as long as the function: each size gets its own
        return jax.jit(partial(label))

    def predict(images: Pixels) -> Pixels:
        weights = [weight.value.addressable_data(0) for weight in model.trainable_variables]
        others = [weight.value.addressable_data(0) for weight in model.non_trainable_variables]
        return np.asarray(compiled(*images.shape)(weights, others, images))

    return predict


def _torch_function(model: FCN) -> LabelFunction:
    """Returns a pass of which only labels come back from the device, a byte a pixel.

    Not in PyTorch's inference mode: a net that is scored while it learns may keep tensors made here.
    """
    import torch

    def predict(images: Pixels) -> Pixels:
        with torch.no_grad():
            logits = model(keras.ops.cast(keras.ops.convert_to_tensor(images), "float32"), training=False)
            label: Pixels = logits.argmax(-1).to(torch.uint8).cpu().numpy()
        return label

    return predict


def exported_function(path: Path) -> tuple[Classes, LabelFunction]:
    """Loads a SavedModel, of several versions the highest: its classes and its way to label pixels.

    Raises:
        RunError: If it cannot be read, or TensorFlow is not installed.
    """
    folder = path if (path / "saved_model.pb").exists() else exported_versions(path)[-1]
    try:
        import tensorflow as tf
    except ImportError as error:
        raise RunError(
            f"{folder}: an exported model needs TensorFlow, which is not installed. Install it, or give the "
            "run folder or the .keras file the model came from."
        ) from error
    try:
        exported = tf.saved_model.load(str(folder))
        predict = exported.signatures["predict_tensor"]
        document = json.loads((folder / "assets" / CLASSES_ASSET).read_text())
        classes = Classes.with_palette(tuple(document["names"]), np.array(document["palette"], np.uint8))
    except Exception as error:  # TensorFlow raises whatever its parsers raise on a damaged file
        raise RunError(
            f"{folder}: cannot be read as a model exported by this package ({error}). Export it again."
        ) from error

    def label(images: Pixels) -> tf.Tensor:
        return predict(images=tf.constant(images))["label"]

    label.exported = exported  # type: ignore[attr-defined]  # signatures do not keep their model alive
    return classes, label
