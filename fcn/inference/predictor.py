"""One way to label an image, whatever the model was saved as."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.classes import Classes
from fcn.data.image_io import Pixels, decode_image, read_image
from fcn.inference.engines.choose import open_engine
from fcn.inference.engines.engine import Floats, softmax
from fcn.inference.tiling.tiles import MEMORY_GIGABYTES, tiled
from fcn.inference.views import PLAIN, Views, check_scales, multi_scale_engine
from fcn.models.net import SegmentationNet
from fcn.outputs.areas import class_areas


class Prediction(NamedTuple):
    """What a net says about one image.

    Attributes:
        label: `uint8[H, W]`, the most probable class id of each pixel, at the image's own size.
        classes: What the ids mean.
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

    Args:
        model: A net; or the path of a run folder, a `.keras` file or an exported folder.
        engine: What computes: "auto", or one of `fcn.inference.engines.engine.ENGINES`. "jax" and
            "torch" need Keras to run on them.
        precision: What it computes in: "float32", "bfloat16" or "int8"; "auto" is what the export says is
            best, or else float32.
        flip: Whether to label each image also mirrored left to right, and to average.
        scales: Sizes, relative to the image's own, to label each image at, and to average over.
        memory_gigabytes: Memory of the whole process within which images are labeled, whatever their size:
            large ones in parts, with the logits of the whole. More makes large ones faster. Averages over
            views need more, the probabilities of all classes at every pixel, and are refused where these
            alone are too much.

    Attributes:
        engine: What computes.
        classes: The names and colors of the classes it tells apart.
        path: Where the net was read from; None for one that was given.
        net: The net that was given; None for one that was read.
        views: What is averaged over.

    Raises:
        BackendError: If this process or this machine cannot run what was asked for.
        RunError: If there is no model at the path, or it cannot be read.
        ValueError: If a scale is not above 0 and at most 4, or occurs twice, or the memory is too little for
            the net.

    Example:
        >>> from fcn.models.fcn import FCN
        >>> predictor = Predictor(FCN(num_classes=2, width=1 / 16))
        >>> predictor.predict(np.zeros((30, 40, 3), np.uint8)).label.shape
        (30, 40)
    """

    def __init__(
        self,
        model: SegmentationNet | Path | str,
        engine: str = "auto",
        precision: str = "auto",
        flip: bool = PLAIN.flip,
        scales: Iterable[float] = PLAIN.scales,
        memory_gigabytes: float = MEMORY_GIGABYTES,
    ) -> None:
        self.path = None if isinstance(model, SegmentationNet) else Path(model)
        self.net = model if isinstance(model, SegmentationNet) else None
        self.views = Views(flip, check_scales(scales))
        one_view = tiled(open_engine(model, engine, precision), memory_gigabytes, self.path)
        self.engine = multi_scale_engine(one_view, self.views, one_view.score_bytes)
        self.classes = self.engine.classes

    def predict(self, image: Path | str | bytes | npt.NDArray[np.uint8]) -> Prediction:
        """Labels one image.

        Args:
            image: A path, the content of an image file, or pixels `uint8[H, W, 3]` RGB.

        Raises:
            DataError: If the image cannot be read or decoded.
            RunError: If the image is too large for the memory, and the model was exported before such images
                were labeled in parts.
            ValueError: If pixels have another type or shape.
        """
        label, confidence = self.engine.label(_pixels(image)[np.newaxis])
        return Prediction(label[0], self.classes, float(confidence.mean(dtype=np.float64)))

    def probabilities(self, image: Path | str | bytes | npt.NDArray[np.uint8]) -> Floats:
        """Returns the probability of each class at each pixel, `float32[H, W, C]`.

        Args:
            image: As for `predict`.

        Raises:
            DataError: If the image cannot be read or decoded.
            RunError: If the image is too large for the memory, and the model was exported before such images
                were labeled in parts.
            ValueError: If pixels have another type or shape.
        """
        return softmax(self.engine.logits(_pixels(image)[np.newaxis])[0])


def _pixels(image: Path | str | bytes | npt.NDArray[np.uint8]) -> Pixels:
    if isinstance(image, bytes):
        return decode_image(image)
    if isinstance(image, (Path, str)):
        return read_image(Path(image))
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"Expected pixels uint8[H, W, 3]. Received: {image.dtype}{list(image.shape)}.")
    return image
