"""The prediction of a net for one image: its label, and what can be made of it."""

from functools import cached_property
from pathlib import Path

import numpy as np

from fcn.classes import Classes
from fcn.data.image_io import Pixels, encode_jpeg, write_label
from fcn.data.orientation import upright
from fcn.outputs.areas import class_areas
from fcn.outputs.coco import polygon_annotations
from fcn.outputs.overlay import jpeg_overlay, overlay_image
from fcn.outputs.overlay_style import DEFAULT_STYLE, OverlayStyle, make_style
from fcn.outputs.probabilities import Floats, encode_probabilities, mean_confidence, softmax
from fcn.outputs.record import Annotation
from fcn.outputs.temperature import Temperatures
from fcn.outputs.uncertainty import doubtful_share, uncertainty_of_scores
from fcn.pages.percent import percent
from fcn.system.text import printable

_MOST_SHOWN = 5


class Prediction:
    """The prediction of a net for one image: its label, or the scores from which the label follows.

    Args:
        image: The image, `uint8[H, W, 3]`, RGB.
        classes: The names and colors of the class ids.
        labeled: The label, and its probability on average over all pixels; None if they follow from `logits`.
        logits: The scores of all classes; None if they were not asked for.
        orientation: EXIF orientation by which overlays are turned; 1 for an upright image. Only jobs that an
            older version started have images in stored pixel order.
        style: How overlays are drawn.
        uncertainty: What the property returns; None if it follows from `logits`, or is not known.
        temperatures: Those of a calibrated net, for probabilities from `logits`.

    Attributes:
        image: The image, `uint8[H, W, 3]`, RGB.
        classes: The names and colors of the class ids.
        logits: `float32[H, W, C]`, the scores of all classes; None if they were not asked for.
        orientation: EXIF orientation by which overlays are turned.
        style: How overlays are drawn.

    Raises:
        ValueError: If there are neither a label nor scores.

    Example:
        >>> pixels = np.zeros((30, 40, 3), np.uint8)
        >>> prediction = Prediction(pixels, Classes.named(("sky", "sea")), (pixels[..., 0], 0.9))
        >>> prediction.areas(), prediction.mean_confidence
        ({'sky': 1.0}, 0.9)
        >>> prediction
        Prediction(30x40: sky 100.0%)
    """

    def __init__(
        self,
        image: Pixels,
        classes: Classes,
        labeled: tuple[Pixels, float] | None = None,
        logits: Floats | None = None,
        orientation: int = 1,
        style: OverlayStyle = DEFAULT_STYLE,
        uncertainty: Pixels | None = None,
        temperatures: Temperatures | None = None,
    ) -> None:
        if labeled is None and logits is None:
            raise ValueError("Expected a label or scores. Received: None.")
        self.image, self.classes, self.logits = image, classes, logits
        self.orientation, self.style = orientation, style
        self._given, self._uncertainty, self._temperatures = labeled, uncertainty, temperatures

    @cached_property
    def label(self) -> Pixels:
        """The most probable class id of each pixel, `uint8[H, W]`, at the image's own size."""
        return self.scores().argmax(axis=-1).astype(np.uint8) if self._given is None else self._given[0]

    @cached_property
    def mean_confidence(self) -> float:
        """Probability of the label, on average over all pixels, 1/C to 1."""
        if self._given is not None:
            return self._given[1]
        return mean_confidence(self.scores(), self._temperatures)

    @cached_property
    def uncertainty(self) -> Pixels:
        """What is left to all other classes: 255 times 1 - the probability of the label, `uint8[H, W]`.

        Raises:
            ValueError: If only a label and its mean probability are known.
        """
        if self._uncertainty is not None:
            return self._uncertainty
        return uncertainty_of_scores(self.scores(), self._temperatures)

    @property
    def doubtful(self) -> float | None:
        """The share of the pixels that are doubtful, 0 to 1; None if that is not known."""
        known = self._uncertainty is not None or self.logits is not None
        return doubtful_share(self.uncertainty) if known else None

    def probabilities(self) -> Floats:
        """Returns the probability of each class at each pixel, `float32[H, W, C]`.

        Raises:
            ValueError: If the scores were not asked for.
        """
        return softmax(self.scores(), self._temperatures)

    def encoded_probabilities(self) -> bytes:
        """Returns the probabilities as `encode_probabilities` writes them.

        Raises:
            ValueError: If the scores were not asked for.
        """
        return encode_probabilities(self.scores(), self.classes, self._temperatures)

    def areas(self) -> dict[str, float]:
        """Returns the share of the image that each class covers, by class name; absent ones are left out."""
        return class_areas(self.label, self.classes)

    def polygons(self, min_area: int = 1) -> list[Annotation]:
        """Returns COCO annotations of the connected regions of each class, as `polygon_annotations` does.

        Args:
            min_area: Smaller regions are left out, in pixels.
        """
        return polygon_annotations(self.label, min_area)

    def overlay(self, palette: str | None = None, opacity: float | None = None) -> Pixels:
        """Returns the upright image with its label laid over it and a legend, `uint8[h, w, 3]`, RGB.

        Args:
            palette: "bright"; "voc" for the colors of label PNGs; or the path of a class list with colors.
                None for that of `style`.
            opacity: How much the colors cover the image, 0 to 1; None for that of `style`.

        Raises:
            DataError: If the list cannot be read, or names a class that the model lacks.
            ValueError: If the opacity is not between 0 and 1.
        """
        opacity = self.style.opacity if opacity is None else opacity
        style = make_style(palette, opacity) if palette else self.style.with_opacity(opacity)
        return overlay_image(*self._upright(), self.classes, style)

    def encoded_overlay(self) -> bytes:
        """Returns the overlay as a JPEG; one that is too large for that is made smaller.

        Raises:
            DataError: If the list of the style does not fit the classes.
        """
        return encode_jpeg(jpeg_overlay(*self._upright(), self.classes, self.style))

    def __repr__(self) -> str:
        """Returns the size of the image and the classes that cover most of it."""
        largest = sorted(self.areas().items(), key=lambda area: -area[1])[:_MOST_SHOWN]
        shares = ", ".join(f"{printable(name)} {percent(share, digits=1)}" for name, share in largest)
        height, width = self.label.shape
        return f"Prediction({height}x{width}: {shares})"

    def _repr_jpeg_(self) -> bytes:
        """Returns the overlay, which a notebook shows."""
        return self.encoded_overlay()

    def _upright(self) -> tuple[Pixels, Pixels]:
        """Returns the upright image and label."""
        return upright(self.image, self.orientation), upright(self.label, self.orientation)

    def scores(self) -> Floats:
        """Returns the scores of all classes, `float32[H, W, C]`.

        Raises:
            ValueError: If they were not asked for.
        """
        if self.logits is None:
            raise ValueError("Expected a prediction with scores. Ask for them: with_logits=True.")
        return self.logits

    def save(self, path: Path | str) -> None:
        """Writes the label as a PNG of class ids, shown in the colors of the classes.

        Args:
            path: The file, by custom with the ending `.png`.

        Raises:
            OutputError: If the place cannot be written to or the disk is full.
        """
        write_label(Path(path), self.label, self.classes)
