"""A net with the signatures of an exported model, in a graph that needs nothing but TensorFlow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from fcn.exports.graph import decode_image, encode_label
from fcn.inference.engines.dilation import scoring
from fcn.inference.engines.signatures import PREDICT_LOGITS, PREDICT_TENSOR, SERVING_DEFAULT
from fcn.inference.engines.tensorflow import divide_scores
from fcn.models.net import SegmentationNet
from fcn.outputs.temperature import Temperatures

_ANY_IMAGES = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
_SHRUNK_IMAGES = tf.TensorSpec([None, None, None, 3], tf.float32, name="images")
_ENCODED_IMAGES = tf.TensorSpec([None], tf.string, name="image_bytes")


class ServedModel(tf.Module):  # type: ignore[misc]
    """A net with the signatures of an exported model.

    Args:
        model: The net.
        classes_path: JSON file with the names and colors of its classes; it travels along.
        model_path: JSON file with its arguments; it travels along.
    """

    def __init__(self, model: SegmentationNet, classes_path: Path, model_path: Path) -> None:
        super().__init__()
        # As functions: attributes that are models would be saved too, and all weights once more.
        self._score: Callable[[Any], Any] = scoring(model)
        self._score_shrunk: Callable[[Any], Any] = scoring(model.without_resizing())
        self._variables = [variable.value for variable in model.variables]
        self._num_classes: int = model.num_classes
        self._bits: int = model.bits
        self._shrinks: bool = model.input_scale != 1
        self._temperatures = Temperatures.of(model.temperatures)
        self.classes = tf.saved_model.Asset(str(classes_path))
        self.arguments = tf.saved_model.Asset(str(model_path))

    def save(self, folder: Path) -> None:
        """Writes a SavedModel; of a net that makes images smaller with a signature for pieces of them."""
        signatures = {
            SERVING_DEFAULT: self.serve,
            PREDICT_TENSOR: self.predict_tensor,
            PREDICT_LOGITS: self.predict_logits,
        }
        if self._shrinks:
            # A function of the class would be traced and saved for every net.
            signatures["predict_shrunk_logits"] = tf.function(
                self._predict_shrunk_logits, input_signature=[_SHRUNK_IMAGES], autograph=False
            )
        tf.saved_model.save(self, str(folder), signatures=signatures)

    @tf.function(input_signature=[_ANY_IMAGES], autograph=False)  # type: ignore[untyped-decorator]
    def predict_logits(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores pixels.

        Args:
            images: `uint8[B, H, W, 3]`, RGB.

        Returns:
            `logits`: `float32[B, H, W, C]`.
        """
        return {"logits": self._score(tf.cast(images, tf.float32))}

    def _predict_shrunk_logits(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores pixels of images that were made smaller by the net's `input_scale` already.

        Args:
            images: `float32[B, h, w, 3]`, RGB, 0 to 255.

        Returns:
            `logits`: `float32[B, h, w, C]`.
        """
        return {"logits": self._score_shrunk(images)}

    @tf.function(input_signature=[_ANY_IMAGES], autograph=False)  # type: ignore[untyped-decorator]
    def predict_tensor(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Labels pixels.

        Args:
            images: `uint8[B, H, W, 3]`, RGB.

        Returns:
            `label`: `uint8[B, H, W]`, class ids.
        """
        return {"label": _label(self.predict_logits(images)["logits"])}

    @tf.function(input_signature=[_ENCODED_IMAGES], autograph=False)  # type: ignore[untyped-decorator]
    def serve(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Labels encoded images, whose sizes may differ.

        Args:
            image_bytes: `string[B]`, the contents of JPEG, PNG or BMP files.

        Returns:
            `label_png_bytes`: `string[B]`, 8-bit gray PNGs of class ids at each image's own size.
            `class_areas`: `float32[B, C]`, the share of the image that each class covers.
            `mean_confidence`: `float32[B]`, the probability of the label, on average over the pixels; of a
                calibrated net with its temperatures.
        """

        def one(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            logits = self.predict_logits(decode_image(data, self._bits)[tf.newaxis])["logits"]
            label = _label(logits)
            areas = _class_areas(label, self._num_classes)
            # The last to use the logits may overwrite them, and they are the largest of all maps.
            with tf.control_dependencies([label]):
                confidence = tf.reduce_mean(_confidence(divide_scores(logits, label, self._temperatures)))
            return encode_label(label[0]), areas, confidence

        png, areas, confidence = tf.map_fn(
            one,
            image_bytes,
            fn_output_signature=(
                tf.TensorSpec([], tf.string),
                tf.TensorSpec([self._num_classes], tf.float32),
                tf.TensorSpec([], tf.float32),
            ),
            parallel_iterations=1,  # the memory of one image, however many are in a request
        )
        return {"label_png_bytes": png, "class_areas": areas, "mean_confidence": confidence}


def _label(logits: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.uint8)


def _class_areas(label: tf.Tensor, num_classes: int) -> tf.Tensor:
    ids = tf.reshape(tf.cast(label, tf.int32), [-1])
    pixels = tf.math.bincount(ids, minlength=num_classes, maxlength=num_classes)
    return tf.cast(pixels, tf.float32) / tf.cast(tf.size(ids), tf.float32)


def _confidence(logits: tf.Tensor) -> tf.Tensor:
    """Returns the largest softmax: one over the sum of exponentials of differences to the maximum."""
    largest = tf.reduce_max(logits, axis=-1, keepdims=True)
    return 1 / tf.reduce_sum(tf.exp(logits - largest), axis=-1)
