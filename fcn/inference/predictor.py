"""One way to label an image, whatever the model was saved as."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.classes import Classes
from fcn.data.image_io import Pixels, decode_image, read_image
from fcn.inference.functions import LabelFunction, exported_function, keras_function
from fcn.models.fcn import FCN
from fcn.run import is_exported, load_model


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
        path: Where the net was read from; None for one that was given.

    Raises:
        RunError: If there is no model at the path, or it cannot be read.

    Example:
        >>> from fcn.models.fcn import FCN
        >>> predictor = Predictor(FCN(num_classes=2, width=1 / 16))
        >>> predictor.predict(np.zeros((30, 40, 3), np.uint8)).label.shape
        (30, 40)
    """

    def __init__(self, model: FCN | Path | str) -> None:
        self.path = None if isinstance(model, FCN) else Path(model)
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
            return exported_function(Path(model))
        model = load_model(model)
    return model.classes, keras_function(model)
