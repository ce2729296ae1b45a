"""Labels images with any saved model or a net in memory."""

import copy
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fcn.data.image_io import Pixels
from fcn.errors import BackendError, DataError, FcnError, RunError
from fcn.inference.engines.engine import (
    Engine,
    GradualEngine,
    Labeled,
    PartwiseEngine,
    PixelSource,
    Place,
    temperatures_of,
)
from fcn.inference.image_source import ImageSource, read_source
from fcn.inference.views import PLAIN, Views, check_scales, multi_scale_engine
from fcn.outputs.overlay_style import DEFAULT_STYLE, OverlayStyle
from fcn.outputs.prediction import Prediction
from fcn.outputs.probabilities import Floats
from fcn.outputs.uncertainty import uncertainty_of
from fcn.runs.named_net import resolve_model

if TYPE_CHECKING:
    from fcn.models.net import SegmentationNet

MEMORY_GIGABYTES = 4.0
"""Default memory limit of a process that labels."""


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
        temperatures: Those of a calibrated net, which its probabilities are computed with; None of others.
        path: Path of the model; None for a net in memory.
        net: The net in memory; None for a model that was read.
        views: The scales and mirror images to average over.
        overlay_style: How overlays of its predictions are drawn.

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
        model: "SegmentationNet | Path | str",
        engine: str = "auto",
        precision: str = "auto",
        flip: bool = PLAIN.flip,
        scales: Iterable[float] = PLAIN.scales,
        memory_gigabytes: float = MEMORY_GIGABYTES,
        trust: bool = False,
    ) -> None:
        # They import Keras, which takes seconds and which an engine that is open may not need.
        from fcn.inference.engines.choose import open_engine
        from fcn.inference.tiling.tiles import tiled
        from fcn.models.net import SegmentationNet

        self._check_process()
        net = model if isinstance(model, SegmentationNet) else None
        path = None if isinstance(model, SegmentationNet) else resolve_model(model)
        views = Views(flip, check_scales(scales))
        one_view = tiled(open_engine(path or model, engine, precision, trust), memory_gigabytes, path)
        self._set(multi_scale_engine(one_view, views, one_view.score_bytes), views, path, net)

    @classmethod
    def from_engine(cls, engine: Engine) -> "Predictor":
        """Returns a predictor that labels with an engine that is open, of one view of each image.

        Raises:
            BackendError: If this process was forked from one that had loaded a model.
        """
        predictor = cls.__new__(cls)
        predictor._check_process()
        predictor._set(engine, PLAIN, None, None)
        return predictor

    def _set(self, engine: Engine, views: Views, path: Path | None, net: "SegmentationNet | None") -> None:
        self._engine, self.views, self.path, self.net = engine, views, path, net
        self.classes, self.bits = engine.classes, engine.bits
        self.temperatures = temperatures_of(engine)
        self.overlay_style: OverlayStyle = DEFAULT_STYLE
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

    def predict(self, image: ImageSource, with_logits: bool = False) -> Prediction:
        """Labels one image.

        Args:
            image: A path, the bytes of an image file, pixels `uint8[H, W, 3]` RGB, or an image of Pillow,
                which is turned upright by its EXIF orientation.
            with_logits: Whether the prediction also holds the scores of all classes, 4 bytes for each class
                and pixel.

        Raises:
            DataError: If the image cannot be read or decoded.
            RunError: If the image is too large for the memory and the model is an export of an old version
                that cannot label in windows.
            ValueError: If pixels have the wrong type or shape.
        """
        return self.predict_batch([read_source(image, self.bits)], with_logits)[0]

    def predict_batch(self, images: Sequence[Pixels], with_logits: bool = False) -> list[Prediction]:
        """Labels images of one size at once.

        Args:
            images: One or more, each `uint8[H, W, 3]`, RGB.
            with_logits: As of `predict`.

        Raises:
            MemoryError: If there is not enough for all at once.
            RunError: As `predict` does.
        """
        # A single image, which may be huge, is not copied.
        batch = images[0][np.newaxis] if len(images) == 1 else np.stack(images)
        if not with_logits:
            return self._of_labeled(images, self.engine.label(batch))
        scores = self.engine.logits(batch)
        return [self._of_logits(*one) for one in zip(images, scores, strict=True)]

    def predict_each(
        self, images: Sequence[Pixels], with_logits: bool = False
    ) -> list[Prediction | MemoryError | FcnError]:
        """Labels images, those of one size at once.

        If images of one size are too much at once, they are labeled one by one.

        Args:
            images: Each `uint8[H, W, 3]`, RGB.
            with_logits: As of `predict`.

        Returns:
            For each image, in their order, its prediction; or why it alone cannot be labeled.
        """
        results: dict[int, Prediction | MemoryError | FcnError] = {}
        sizes: dict[tuple[int, ...], list[int]] = {}
        for index, image in enumerate(images):
            sizes.setdefault(image.shape, []).append(index)
        groups = [*sizes.values()]
        while groups:
            group = groups.pop(0)
            try:
                predictions = self.predict_batch([images[index] for index in group], with_logits)
            except (MemoryError, DataError, RunError) as error:
                if len(group) > 1:
                    groups = [[index] for index in group] + groups
                else:
                    results[group[0]] = error
            else:
                results.update(zip(group, predictions, strict=True))
        return [results[index] for index in range(len(images))]

    def with_overlay_style(self, style: OverlayStyle) -> "Predictor":
        """Returns the same predictor, whose predictions draw overlays in another style.

        Raises:
            DataError: If the list of the style does not fit the classes.
        """
        style.recolor(self.classes)
        styled = copy.copy(self)
        styled.overlay_style = style
        return styled

    def is_large(self, image: Pixels) -> bool:
        """Returns whether an image `uint8[H, W, 3]` is labeled in windows, between which others may come."""
        return isinstance(self._engine, GradualEngine) and self._engine.is_large(image)

    def predict_in_turns(self, image: Pixels, with_logits: bool = False) -> Generator[None, None, Prediction]:
        """Labels an image for which `is_large` holds; yields after each window, and returns its prediction.

        Args:
            image: `uint8[H, W, 3]`, RGB.
            with_logits: As of `predict`.

        Raises:
            MemoryError: If there is not enough.
            RunError: As `predict` does.
            ValueError: If `is_large` does not hold.
        """
        engine = self.engine
        if not isinstance(engine, GradualEngine):
            raise ValueError("Expected an image for which `is_large` holds. Received: another one.")
        if with_logits:
            logits = yield from engine.logits_in_turns(image)
            return self._of_logits(image, logits[0])
        labeled = yield from engine.label_in_turns(image)
        return self._of_labeled([image], labeled)[0]

    def predict_parts(
        self, image: PixelSource, begin: Callable[[Place], bool], most_rows: int
    ) -> Iterator[tuple[Place, Labeled]]:
        """Yields the labels of the parts of an image that need not be in memory, and their places.

        Args:
            image: The image.
            begin: As of `fcn.inference.engines.engine.PartwiseEngine.label_parts`.
            most_rows: As there.

        Raises:
            RunError: As `predict` does, or if the predictor averages over views, which takes whole images.
        """
        engine = self.engine
        if not isinstance(engine, PartwiseEngine):
            raise RunError("averages over views take whole images. Leave out --flip and --scales.")
        return engine.label_parts(image, begin, most_rows)

    def probabilities(self, image: ImageSource) -> Floats:
        """Returns the probability of each class at each pixel, `float32[H, W, C]`.

        Args:
            image: As of `predict`.

        Raises:
            DataError: As `predict` does.
            RunError: As `predict` does.
            ValueError: As `predict` does.
        """
        return self.predict(image, with_logits=True).probabilities()

    def _of_logits(self, image: Pixels, logits: Floats) -> Prediction:
        style, temperatures = self.overlay_style, self.temperatures
        return Prediction(image, self.classes, logits=logits, style=style, temperatures=temperatures)

    def _of_labeled(self, images: Sequence[Pixels], labeled: Labeled) -> list[Prediction]:
        return [
            Prediction(
                image,
                self.classes,
                (label, float(confidence.mean(dtype=np.float64))),
                style=self.overlay_style,
                uncertainty=uncertainty_of(confidence),
            )
            for image, label, confidence in zip(images, *labeled, strict=True)
        ]
