"""A trained net as a SavedModel that needs nothing but TensorFlow."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from fcn.errors import BackendError, OutputError
from fcn.files import atomic_folder, write_json
from fcn.inference.exported import CLASSES_ASSET, MODEL_ASSET
from fcn.inference.openvino_engine import import_openvino
from fcn.models.fcn import FCN
from fcn.run import load_model
from fcn.sections import FORMATS
from fcn.serving.onnx_export import write_onnx
from fcn.serving.onnx_graph import import_onnx

try:
    import tensorflow as tf

    from fcn.serving.graph import decode_image, encode_label
    from fcn.serving.litert_export import write_litert
    from fcn.serving.openvino_export import Calibration, add_openvino
except ImportError as error:
    raise BackendError(
        "Exporting needs TensorFlow, which is not installed. Install it (pip install tensorflow), or export "
        "on another machine: runs and .keras files of every backend can be read there."
    ) from error

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

    def __init__(self, model: FCN, classes_path: Path, model_path: Path) -> None:
        super().__init__()
        layers = model.without_resizing()
        # As functions: attributes that are models would be saved too, and all weights once more.
        self._score: Callable[[Any], Any] = lambda images: model(images, training=False)
        self._score_shrunk: Callable[[Any], Any] = lambda images: layers(images, training=False)
        self._variables = [variable.value for variable in model.variables]
        self.classes = tf.saved_model.Asset(str(classes_path))
        self.arguments = tf.saved_model.Asset(str(model_path))

    @tf.function(input_signature=[_ANY_IMAGES])  # type: ignore[untyped-decorator]
    def predict_logits(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores pixels.

        Args:
            images: `uint8[B, H, W, 3]`, RGB.

        Returns:
            `logits`: `float32[B, H, W, C]`.
        """
        return {"logits": self._score(tf.cast(images, tf.float32))}

    @tf.function(input_signature=[_SHRUNK_IMAGES])  # type: ignore[untyped-decorator]
    def predict_shrunk_logits(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores pixels of images that were made smaller by the net's `input_scale` already.

        Args:
            images: `float32[B, h, w, 3]`, RGB, 0 to 255.

        Returns:
            `logits`: `float32[B, h, w, C]`.
        """
        return {"logits": self._score_shrunk(images)}

    @tf.function(input_signature=[_ANY_IMAGES])  # type: ignore[untyped-decorator]
    def predict_tensor(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Labels pixels.

        Args:
            images: `uint8[B, H, W, 3]`, RGB.

        Returns:
            `label`: `uint8[B, H, W]`, class ids.
        """
        logits = self.predict_logits(images)["logits"]
        return {"label": tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.uint8)}

    @tf.function(input_signature=[_ENCODED_IMAGES])  # type: ignore[untyped-decorator]
    def serve(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Labels encoded images, whose sizes may differ.

        Args:
            image_bytes: `string[B]`, the contents of JPEG, PNG or BMP files.

        Returns:
            `label_png_bytes`: `string[B]`, 8-bit grey PNGs of class ids at each image's own size.
        """

        def one(data: tf.Tensor) -> tf.Tensor:
            image = decode_image(data)
            return encode_label(self.predict_tensor(image[tf.newaxis])["label"][0])

        return {"label_png_bytes": tf.map_fn(one, image_bytes, fn_output_signature=tf.string)}


def export(
    model: FCN | Path | str,
    output: Path | str,
    formats: Sequence[str] = (),
    calibration: Calibration | None = None,
) -> Path:
    """Writes a net as the next version of an exported model.

    Args:
        model: A net, or the path of a run folder or a `.keras` file.
        output: Folder of the versions; the first is `output/1`, the next `output/2`.
        formats: What to write beside the SavedModel: some of `fcn.sections.FORMATS`.
        calibration: For layers in int8 in the format "openvino"; None for none.

    Returns:
        The folder of the new version: a SavedModel with the signatures `serving_default`,
        `predict_tensor` and `predict_logits`; of a net with an `input_scale` also `predict_shrunk_logits`,
        with which large images are labeled in pieces.

    Raises:
        BackendError: If Keras runs on another backend than TensorFlow, or what a format needs is not
            installed.
        DataError: If images to calibrate with cannot be used.
        OutputError: If the folder cannot be written to or the disk is full.
        QuantizationError: If int8 loses more than it may; nothing is written then.
        RunError: If there is no model at the path.
        ValueError: If there is no such format, or a calibration without the format that takes it.

    Example:
        >>> import tempfile
        >>> export(FCN(num_classes=2, width=1 / 16), tempfile.mkdtemp()).name
        '1'
    """
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown:
        raise ValueError(f"Expected `formats` among {FORMATS}. Received: {unknown}.")
    if calibration is not None and "openvino" not in formats:
        raise ValueError(f'Expected "openvino" in `formats` with a `calibration`. Received: {formats}.')
    if "openvino" in formats:
        import_openvino()  # fails before the work rather than after it
    if "onnx" in formats:
        import_onnx()
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise BackendError(
            f"Exporting needs KERAS_BACKEND=tensorflow. Received: {backend}. Export again with that: "
            "runs and .keras files of every backend can be read."
        )
    net = model if isinstance(model, FCN) else load_model(model)
    output = Path(output)
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output}: is a file, not a folder for versions. Choose another place.")
    # Any number that is taken counts, also one that holds something else.
    taken = [int(path.name) for path in output.glob("*") if path.name.isdecimal()]
    version = output / str(max(taken, default=0) + 1)
    # A server that watches the folder sees a version appear whole: a half-written one has no number.
    try:
        with atomic_folder(version) as temporary, tempfile.TemporaryDirectory() as assets:
            classes_path, model_path = Path(assets) / CLASSES_ASSET, Path(assets) / MODEL_ASSET
            write_json(classes_path, {"names": net.class_names, "palette": net.palette})
            write_json(model_path, net.get_config())
            served = ServedModel(net, classes_path, model_path)
            tf.saved_model.save(
                served,
                str(temporary),
                signatures={
                    "serving_default": served.serve,
                    "predict_tensor": served.predict_tensor,
                    "predict_logits": served.predict_logits,
                }
                | ({"predict_shrunk_logits": served.predict_shrunk_logits} if net.input_scale != 1 else {}),
            )
            if "openvino" in formats:
                add_openvino(net, temporary, calibration)
            if "onnx" in formats:
                write_onnx(net, temporary)
            if "litert" in formats:
                write_litert(net, temporary)
    except tf.errors.OpError as error:
        raise OutputError(
            f"{output}: the model could not be written ({error}). "
            "Free space or choose a folder you may write to."
        ) from error
    return version
