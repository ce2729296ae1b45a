"""One way to label an image, whatever the model was saved as."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from fcn.classes import Classes
from fcn.data.image_io import Pixels, decode_image, read_image
from fcn.errors import RunError
from fcn.models.fcn import FCN
from fcn.run import exported_versions, is_exported, load_model

CLASSES_ASSET = "classes.json"
"""Name of the file with class names and palette among the assets of an exported model."""


LabelFunction = Callable[[Pixels], Any]
"""From images `uint8[B, H, W, 3]` to labels `uint8[B, H, W]`."""


class Prediction(NamedTuple):
    """What a net says about one image.

    Attributes:
        label: `uint8[H, W]`, the most probable class id of each pixel, at the image's own size.
        classes: What the ids mean.
    """

    label: Pixels
    classes: Classes

    def areas(self) -> dict[str, float]:
        """Returns the share of the image that each class covers, by class name; absent ones are left out."""
        pixels = np.bincount(self.label.ravel(), minlength=len(self.classes.names))
        shares = pixels / max(1, self.label.size)
        return {
            name: float(share) for name, share in zip(self.classes.names, shares, strict=False) if share > 0
        }


class Predictor:
    """Labels images with a trained net.

    Args:
        model: A net; or the path of a run folder, a `.keras` file or an exported folder.

    Attributes:
        classes: The names and colors of the classes it tells apart.

    Raises:
        RunError: If there is no model at the path, or it cannot be read.

    Example:
        >>> from fcn.models.fcn import FCN
        >>> predictor = Predictor(FCN(num_classes=2, width=1 / 16))
        >>> predictor.predict(np.zeros((30, 40, 3), np.uint8)).label.shape
        (30, 40)
    """

    def __init__(self, model: FCN | Path | str) -> None:
        self.classes, self._predict = _open(model)

    def predict(self, image: Path | str | bytes | npt.NDArray[np.uint8]) -> Prediction:
        """Labels one image.

        Args:
            image: A path, the content of an image file, or pixels `uint8[H, W, 3]` RGB.

        Raises:
            DataError: If the image cannot be read or decoded.
            ValueError: If pixels have another type or shape.
        """
        pixels = _pixels(image)
        label = self._predict(pixels[np.newaxis])[0]
        return Prediction(np.asarray(label), self.classes)


def _pixels(image: Path | str | bytes | npt.NDArray[np.uint8]) -> Pixels:
    if isinstance(image, bytes):
        return decode_image(image)
    if isinstance(image, (Path, str)):
        return read_image(Path(image))
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"Expected pixels uint8[H, W, 3]. Received: {image.dtype}{list(image.shape)}.")
    return image


def _open(model: FCN | Path | str) -> tuple[Classes, LabelFunction]:
    if not isinstance(model, FCN):
        if is_exported(Path(model)):
            return _load_exported(Path(model))
        model = load_model(model)
    return model.classes, _keras_function(model)


def _keras_function(model: FCN) -> LabelFunction:
    """Returns a graph from `uint8[B, H, W, 3]` to label `uint8[B, H, W]`, one for all sizes."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)])  # type: ignore[untyped-decorator]
    def predict(images: tf.Tensor) -> tf.Tensor:
        logits = model(tf.cast(images, tf.float32), training=False)
        return tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.uint8)

    function: LabelFunction = predict
    return function


def _load_exported(path: Path) -> tuple[Classes, LabelFunction]:
    """Loads a SavedModel, of several versions the highest: its classes and its way to label pixels."""
    folder = path if (path / "saved_model.pb").exists() else exported_versions(path)[-1]
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
