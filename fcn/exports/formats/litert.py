"""Writes and runs a net in the LiteRT (TensorFlow Lite) format, for phones and small computers."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fcn.data.image_io import Pixels
from fcn.errors import OutputError, RunError
from fcn.inference.engines.exported import check_num_classes, litert_file
from fcn.models.patches import ordinary_convolutions
from fcn.system.optional import import_optional
from fcn.system.stderr import stderr_held_back

SIGNATURE = "predict"
"""Name of the only signature of the file."""

_ONE_IMAGE = tf.TensorSpec([1, None, None, 3], tf.uint8, name="images")


def write_litert(net: keras.Model, version: Path) -> Path:
    """Writes a net as `litert/model.tflite` into an exported version.

    Its signature "predict" takes `images: uint8[1, H, W, 3]` RGB, one image of any size, and answers `label:
    uint8[1, H, W]` and `logits: float32[1, H, W, C]`, computed in float32 by LiteRT's own operations alone.
    Without its signature, call `resize_tensor_input` for each new size.

    Args:
        net: A net from images to logits. For a full one the converter takes six times as much memory as the
            weights, and a minute.
        version: Folder of the version.

    Returns:
        The file.

    Raises:
        OutputError: If the folder cannot be written to or the disk is full.
    """

    @tf.function(input_signature=[_ONE_IMAGE])  # type: ignore[untyped-decorator]
    def predict(images: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = net(tf.cast(images, tf.float32), training=False)
        return {"label": tf.cast(tf.argmax(logits, -1, output_type=tf.int32), tf.uint8), "logits": logits}

    served = tf.Module()
    served.predict = predict
    served.weights = [variable.value for variable in net.variables]
    path = litert_file(version)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # By way of a SavedModel, since a graph alone gives a file without a signature.
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            with ordinary_convolutions():
                tf.saved_model.save(served, folder, signatures={SIGNATURE: predict})
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
            path.write_bytes(converter.convert())
    except (OSError, tf.errors.OpError) as error:
        raise OutputError(
            f"{path}: cannot be written ({error}). Free space or choose a folder you may write to."
        ) from error
    return path


def import_interpreter() -> Any:
    """Returns LiteRT's interpreter, a class.

    Raises:
        BackendError: If `ai-edge-litert` is not installed.
    """
    return import_optional("ai_edge_litert.interpreter", "format=litert", "litert").Interpreter


def litert_labeler(version: Path) -> Callable[[Pixels], Pixels]:
    """Returns a function that labels an image with LiteRT on a CPU, for one thread at a time.

    Args:
        version: Folder of an exported version that has LiteRT's form.

    Returns:
        A function from an image `uint8[H, W, 3]` RGB, of any size, to its label `uint8[H, W]`, class ids.

    Raises:
        BackendError: If `ai-edge-litert` is not installed.
        RunError: If there is no such file, it cannot be read, or has another number of classes than the
            version.
    """
    interpreter_class = import_interpreter()
    path = litert_file(version)
    try:
        with stderr_held_back():  # it prints which of its kernels it uses
            interpreter = interpreter_class(str(path), num_threads=os.cpu_count())
            interpreter.allocate_tensors()
            predict = interpreter.get_signature_runner(SIGNATURE)
            scores = predict.get_output_details()["logits"]["shape_signature"].tolist()
    except (ValueError, RuntimeError, KeyError) as error:
        raise RunError(
            f"{path}: cannot be read by LiteRT ({error}). Export the model again with --format litert."
        ) from error
    check_num_classes(version, path, scores[-1] if scores else None)

    def label(image: Pixels) -> Pixels:
        labels: Pixels = predict(images=image[np.newaxis])["label"][0]
        return labels

    return label
