"""One way to label an image, whatever the model was saved as."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.classes import Classes
from fcn.data.image_io import Pixels, decode_image, read_image
from fcn.inference.engine import Floats, softmax
from fcn.inference.engines import open_engine
from fcn.inference.tiles import MEMORY_GIGABYTES, tiled
from fcn.models.fcn import FCN


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
        pixels = np.bincount(self.label.ravel(), minlength=len(self.classes.names))
        shares = pixels / max(1, self.label.size)
        return {
            name: float(share) for name, share in zip(self.classes.names, shares, strict=False) if share > 0
        }


class Predictor:
    """Labels images with a trained net.

    Args:
        model: A net; or the path of a run folder, a `.keras` file or an exported folder.
        engine: What computes: "auto", or one of `fcn.inference.engine.ENGINES`. "jax" and "torch" need
            Keras to run on them.
        precision: What it computes in: "float32" or "bfloat16".
        memory_gigabytes: Memory of the whole process within which images are labeled, whatever their size:
            large ones in parts, with the logits of the whole. More makes large ones faster.

    Attributes:
        engine: What computes.
        classes: The names and colors of the classes it tells apart.
        path: Where the net was read from; None for one that was given.

    Raises:
        BackendError: If this process or this machine cannot run what was asked for.
        RunError: If there is no model at the path, or it cannot be read.
        ValueError: If an argument has none of these values, or the memory is too little for the net.

    Example:
        >>> from fcn.models.fcn import FCN
        >>> predictor = Predictor(FCN(num_classes=2, width=1 / 16))
        >>> predictor.predict(np.zeros((30, 40, 3), np.uint8)).label.shape
        (30, 40)
    """

    def __init__(
        self,
        model: FCN | Path | str,
        engine: str = "auto",
        precision: str = "float32",
        memory_gigabytes: float = MEMORY_GIGABYTES,
    ) -> None:
        self.path = None if isinstance(model, FCN) else Path(model)
        self.engine = tiled(open_engine(model, engine, precision), memory_gigabytes, self.path)
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
