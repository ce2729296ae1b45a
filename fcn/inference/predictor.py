"""Labels images with any saved model or a net in memory."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.classes import Classes
from fcn.data.image_io import Pixels, decode_image, read_image
from fcn.errors import BackendError
from fcn.inference.engines.choose import open_engine
from fcn.inference.engines.engine import Engine, Floats, softmax
from fcn.inference.tiling.tiles import MEMORY_GIGABYTES, tiled
from fcn.inference.views import PLAIN, Views, check_scales, multi_scale_engine
from fcn.models.net import SegmentationNet
from fcn.outputs.areas import class_areas
from fcn.runs.named_net import resolve_model


class Prediction(NamedTuple):
    """The label of one image.

    Attributes:
        label: `uint8[H, W]`, the most probable class id of each pixel, at the image's own size.
        classes: The names and colors of the ids.
        mean_confidence: Probability of the label, on average over all pixels, 1/C to 1.
    """

    label: Pixels
    classes: Classes
    mean_confidence: float

    def areas(self) -> dict[str, float]:
        """Returns the share of the image that each class covers, by class name; absent ones are left out."""
        return class_areas(self.label, self.classes)


class Predictor:
    """Labels images with a trained net.

    After `fork`, only the process that loaded a model can label with it, and no other model can be loaded:
    the threads of the engines do not come along. Load the model after the fork, or use spawn.

    Args:
        model: A net; or the path of a run folder, a `.keras` file or an exported folder; or the name of a
            published net.
        engine: "auto", or one of `fcn.inference.engines.engine.ENGINES`. "jax" and "torch" require that
            Keras runs on them.
        precision: "float32", "bfloat16" or "int8"; "auto" is the precision that the export recommends, or
            else float32.
        flip: Whether to average over each image and its mirror image.
        scales: Sizes relative to the image's own to average over.
        memory_gigabytes: Memory limit of the whole process. Large images are labeled in windows, with the
            same logits; more memory makes that faster. Averages over views also need the probabilities of
            all classes at every pixel, and are refused if these alone are too much.
        trust: Whether to load also a model with parts that no model of this package has. Such parts can run
            code; use it only for models of people you trust.

    Attributes:
        classes: The names and colors of the classes.
        bits: How many bits the values of image files of 16 bits use.
        path: Path of the model; None for a net in memory.
        net: The net in memory; None for a model that was read.
        views: The scales and mirror images to average over.

    Raises:
        BackendError: If this process or this machine cannot run the engine or the precision; or if this
            process was forked from one that had loaded a model.
        RunError: If there is no model at the path, or it cannot be read.
        TrustError: If it has parts that could run code.
        ValueError: If a scale is not above 0 and at most 4 or occurs twice, or if the memory is too small for
            the net.

    Example:
        >>> from fcn.models.fcn import FCN
        >>> predictor = Predictor(FCN(num_classes=2, width=1 / 16))
        >>> predictor.predict(np.zeros((30, 40, 3), np.uint8)).label.shape
        (30, 40)
    """

    _process: ClassVar[int | None] = None  # the one that loaded the first model

    def __init__(
        self,
        model: SegmentationNet | Path | str,
        engine: str = "auto",
        precision: str = "auto",
        flip: bool = PLAIN.flip,
        scales: Iterable[float] = PLAIN.scales,
        memory_gigabytes: float = MEMORY_GIGABYTES,
        trust: bool = False,
    ) -> None:
        self._check_process()
        self.path = None if isinstance(model, SegmentationNet) else resolve_model(model)
        self.net = model if isinstance(model, SegmentationNet) else None
        self.views = Views(flip, check_scales(scales))
        one_view = tiled(
            open_engine(self.path or model, engine, precision, trust), memory_gigabytes, self.path
        )
        self._engine = multi_scale_engine(one_view, self.views, one_view.score_bytes)
        self.classes = self._engine.classes
        self.bits = self._engine.bits
        Predictor._process = os.getpid()

    @property
    def engine(self) -> Engine:
        """The engine that computes.

        Raises:
            BackendError: If this process was forked from one that had loaded a model.
        """
        self._check_process()
        return self._engine

    def _check_process(self) -> None:
        if self._process not in (None, os.getpid()):
            # Engines would wait forever for the threads that a fork leaves behind.
            raise BackendError(
                "This process was forked from one that had loaded a model, and cannot compute: "
                "load the model after the fork, or use spawn."
            )

    def predict(self, image: Path | str | bytes | npt.NDArray[np.uint8]) -> Prediction:
        """Labels one image.

        Args:
            image: A path, the bytes of an image file, or pixels `uint8[H, W, 3]` RGB.

        Raises:
            DataError: If the image cannot be read or decoded.
            RunError: If the image is too large for the memory and the model is an export of an old version
                that cannot label in windows.
            ValueError: If pixels have the wrong type or shape.
        """
        label, confidence = self.engine.label(_pixels(image, self.bits)[np.newaxis])
        return Prediction(label[0], self.classes, float(confidence.mean(dtype=np.float64)))

    def probabilities(self, image: Path | str | bytes | npt.NDArray[np.uint8]) -> Floats:
        """Returns the probability of each class at each pixel, `float32[H, W, C]`.

        Args:
            image: As for `predict`.

        Raises:
            DataError: If the image cannot be read or decoded.
            RunError: If the image is too large for the memory and the model is an export of an old version
                that cannot label in windows.
            ValueError: If pixels have the wrong type or shape.
        """
        return softmax(self.engine.logits(_pixels(image, self.bits)[np.newaxis])[0])


def _pixels(image: Path | str | bytes | npt.NDArray[np.uint8], bits: int) -> Pixels:
    if isinstance(image, bytes):
        return decode_image(image, bits=bits)
    if isinstance(image, (Path, str)):
        return read_image(Path(image), bits)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"Expected pixels uint8[H, W, 3]. Received: {image.dtype}{list(image.shape)}.")
    return image
