"""Labels images of any size with bounded memory, in windows that overlap by the receptive field."""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import numpy as np

from fcn.data.image_io import Pixels
from fcn.inference.engines.engine import (
    Floats,
    KeepingEngine,
    Labeled,
    NetEngine,
    PixelSource,
    Place,
    check_scores,
)
from fcn.inference.tiling.memory import (
    RESERVED_GIGABYTES,
    describe_net,
    labeling_bytes,
    least_map_bytes,
)
from fcn.inference.tiling.parts import PartwiseNet
from fcn.outputs.temperature import Temperatures


class TiledEngine:
    """An engine that labels images in windows if they are too large for the memory, and others in one piece.

    At every pixel the logits are those of the whole image, up to rounding: windows overlap by the receptive
    field (`fcn.inference.tiling.parts`).

    Memory for any image: the maps of one window, the image and the result.

    Args:
        engine: The engine that computes the net.
        map_bytes: Memory limit for the maps of the net.
        path: Path of the model, for errors.
        score_bytes: Memory limit for the logits of a whole image, if they are requested; None for no limit.

    Attributes:
        classes: The names and colors of the classes.
        name: Name of the inner engine.
        precision: Precision of the inner engine.
        bits: Bits of the inner engine.
        temperatures: Those of a calibrated net; None of others.
        score_bytes: Memory limit for the logits of a whole image.
        map_bytes: Memory limit for the maps of the net.
        least_map_bytes: The lowest limit that is possible.

    Raises:
        ValueError: If no window fits into `map_bytes`.
    """

    def __init__(
        self, engine: NetEngine, map_bytes: int, path: Path | None = None, score_bytes: int | None = None
    ) -> None:
        self.classes, self.name, self.precision = engine.classes, engine.name, engine.precision
        self.bits = engine.bits
        self.score_bytes: int | None = None
        self._engine, self._path = engine, path
        self._net = describe_net(engine)
        self.temperatures = Temperatures.of(self._net.temperatures)
        self.least_map_bytes = least_map_bytes(engine)
        self.limit(map_bytes)
        self.score_bytes = score_bytes

    def limit(self, map_bytes: int) -> None:
        """Sets another memory limit; a large image that is being labeled keeps the one before.

        Args:
            map_bytes: Limit for the maps, and for the logits of a whole image if these have one.

        Raises:
            ValueError: If no window fits into it.
        """
        if map_bytes < self.least_map_bytes:
            raise ValueError(
                f"Expected `map_bytes` of at least {self.least_map_bytes:,} for this net. "
                f"Received: {map_bytes:,}."
            )
        self.map_bytes = map_bytes
        if self.score_bytes is not None:
            self.score_bytes = map_bytes

    def needed_bytes(self, shape: tuple[int, ...]) -> int:
        """Returns the memory for the maps of images of shape `[B, H, W, 3]`."""
        batch, height, width, _ = shape
        return min(self.map_bytes, batch * labeling_bytes(self._net, height, width))

    def release(self) -> None:
        """Gives back what the engine keeps of that memory for the next images."""
        if isinstance(self._engine, KeepingEngine):
            self._engine.release()

    def label(self, images: Pixels) -> Labeled:
        """Labels images `uint8[B, H, W, 3]`, RGB.

        Raises:
            ImageTooLargeError: If an image is too large and the export, of an old version, does not describe
                its net.
        """
        if self._fits_in_memory(images):
            return self._engine.label(images)
        label = np.empty(images.shape[:3], np.uint8)
        confidence = np.empty(images.shape[:3], np.float32)
        for some in self._parts(images):
            if len(images[some]) > 1:
                label[some], confidence[some] = self._engine.label(images[some])
                continue
            for place, part in self._label_parts(images[some][0]):
                label[some][0][place], confidence[some][0][place] = part
        return Labeled(label, confidence)

    def is_large(self, image: Pixels) -> bool:
        """Returns whether an image `uint8[H, W, 3]` is labeled in windows."""
        return not self._fits_in_memory(image[np.newaxis])

    def label_in_turns(self, image: Pixels) -> Generator[None, None, Labeled]:
        """Labels an image `uint8[H, W, 3]` and yields after each part, so that others may have the engine.

        Returns:
            Its label and confidence, with B = 1.

        Raises:
            ImageTooLargeError: As `label` does.
        """
        label = np.empty((1, *image.shape[:2]), np.uint8)
        confidence = np.empty(label.shape, np.float32)
        for place, part in self._label_parts(image):
            label[0][place], confidence[0][place] = part
            yield
        return Labeled(label, confidence)

    def logits(self, images: Pixels) -> Floats:
        """Returns `float32[B, H, W, C]` for images `uint8[B, H, W, 3]`, RGB.

        Raises:
            ImageTooLargeError: If an image is too large and the export, of an old version, does not describe
                its net; or if its logits are too large for the memory.
        """
        if self._fits_in_memory(images):
            return self._engine.logits(images)
        if self.score_bytes is not None:
            check_scores(images, len(self.classes.names), self.score_bytes, copies=2)
        logits = np.empty((*images.shape[:3], len(self.classes.names)), np.float32)
        for some in self._parts(images):
            if len(images[some]) > 1:
                logits[some] = self._engine.logits(images[some])
                continue
            for place, part in self.score_parts(images[some][0]):
                logits[some][0][place] = part
        return logits

    def logits_in_turns(self, image: Pixels) -> Generator[None, None, Floats]:
        """Computes the logits of an image `uint8[H, W, 3]`, and yields as `label_in_turns` does.

        Returns:
            `float32[1, H, W, C]`.

        Raises:
            ImageTooLargeError: As `logits` does.
        """
        images = image[np.newaxis]
        if self.score_bytes is not None:
            check_scores(images, len(self.classes.names), self.score_bytes, copies=2)
        logits = np.empty((*images.shape[:3], len(self.classes.names)), np.float32)
        for place, part in self.score_parts(image):
            logits[0][place] = part
            yield
        return logits

    def _fits_in_memory(self, images: Pixels) -> bool:
        """Returns whether images can be labeled at once within the memory."""
        batch, height, width, _ = images.shape
        needed: int = batch * labeling_bytes(self._net, height, width)
        return needed <= self.map_bytes

    def _parts(self, images: Pixels) -> Iterator[slice]:
        """Yields parts of a batch to label at once; an image that is too large is a part of its own."""
        fitting = max(1, self.map_bytes // labeling_bytes(self._net, *images.shape[1:3]))
        return (slice(first, first + fitting) for first in range(0, len(images), fitting))

    def label_parts(
        self, image: PixelSource, begin: Callable[[Place], bool], most_rows: int
    ) -> Iterator[tuple[Place, Labeled]]:
        """Yields the labels of the parts of an image that need not be in memory, and their places.

        Args:
            image: The image.
            begin: As of `PartwiseNet`.
            most_rows: As of `PartwiseNet`.

        Raises:
            ImageTooLargeError: As `label` does.
        """
        net = PartwiseNet(self._engine, self._net, self.map_bytes, self._path, begin, most_rows)
        return net.label(image)

    def score_parts(self, image: Pixels) -> Iterator[tuple[Place, Floats]]:
        """Yields the logits of the parts of an image `uint8[H, W, 3]`, and the places of these parts.

        Raises:
            ImageTooLargeError: If the image is too large and the export, of an old version, does not describe
                its net.
        """
        return self._partwise().score(image)

    def _label_parts(self, image: Pixels) -> Iterator[tuple[Place, Labeled]]:
        return self._partwise().label(image)

    def _partwise(self) -> PartwiseNet:
        return PartwiseNet(self._engine, self._net, self.map_bytes, self._path)


def tiled(engine: NetEngine, memory_gigabytes: float, path: Path | None = None) -> TiledEngine:
    """Returns an engine with which the process stays within a memory limit.

    This holds for images up to 108 megapixels with TensorFlow on a CPU; each further megapixel takes 8 MB for
    pixels, label and confidences. More memory makes large images faster, since windows overlap less.

    Args:
        engine: The engine that computes the net.
        memory_gigabytes: Memory limit of the whole process.
        path: Path of the model, for errors.

    Raises:
        ValueError: If the limit is too low for the net.
    """
    least = RESERVED_GIGABYTES + least_map_bytes(engine) / 1e9
    if not memory_gigabytes >= least:
        raise ValueError(
            f"Expected `memory_gigabytes` of at least {least:.2f} for this net. Received: {memory_gigabytes}."
        )
    map_bytes = int((memory_gigabytes - RESERVED_GIGABYTES) * 1e9)
    return TiledEngine(engine, map_bytes, path, score_bytes=map_bytes)
