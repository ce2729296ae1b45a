"""Labels and scores an image part by part, in windows that overlap by the receptive field."""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np

from fcn.inference.engines.engine import Floats, Labeled, NetEngine, PixelSource, Place
from fcn.inference.engines.exported import not_in_windows
from fcn.inference.tiling.memory import OVERLAP, labeling_bytes
from fcn.inference.tiling.resampling import Taps, divide_outputs, linear_taps, resample
from fcn.inference.tiling.windows import Span, choose_windows, smallest_window
from fcn.models.fields import NetDescription
from fcn.models.resizing import shrunk_size
from fcn.outputs.probabilities import label_confidence
from fcn.outputs.temperature import Temperatures
from fcn.system.progress import track

_EVERYWHERE = (slice(None), slice(None))


def _take_all(_: Place) -> bool:
    return True


class PartwiseNet:
    """A net that labels an image part by part, each with the logits of the whole image, up to rounding.

    A net with an `input_scale` gets windows of the shrunk image, interpolated as the whole image would be,
    and its logits are enlarged piece by piece.

    Args:
        engine: The engine that computes the net.
        net: The description of the net.
        map_bytes: Memory limit for the maps of the net.
        path: Path of the model, for errors.
        begin: Called with the place of each window before it is computed, row by row; the parts that follow
            lie in it. Returns whether it is to be computed.
        most_rows: Most rows of the image in a window, unless the smallest one has more; None for any number.
    """

    def __init__(
        self,
        engine: NetEngine,
        net: NetDescription,
        map_bytes: int,
        path: Path | None,
        begin: Callable[[Place], bool] = _take_all,
        most_rows: int | None = None,
    ) -> None:
        self._engine, self._net, self._map_bytes, self._path = engine, net, map_bytes, path
        self._begin, self._most_rows = begin, most_rows
        # Of a file that is read window by window, which may take hours. Servers, which print nothing, label
        # images in memory.
        self._lines = most_rows is not None

    def label(self, image: PixelSource) -> Iterator[tuple[Place, Labeled]]:
        """Yields the labels of the parts of an image, and their places.

        Raises:
            ImageTooLargeError: If the image is too large and the export, of an old version, does not describe
                its net.
        """
        if self._fits_in_memory(image):
            if self._begin(whole := _whole(image)):
                label, confidence = self._engine.label(image[_EVERYWHERE][np.newaxis])
                yield whole, Labeled(label[0], confidence[0])
        elif self._net.input_scale == 1:
            for given, place, kept in self._windows(image):
                label, confidence = self._engine.label(image[given][np.newaxis])
                yield place, Labeled(label[0][kept], confidence[0][kept])
        else:
            temperatures = Temperatures.of(self._net.temperatures)
            for place, logits in self._score_shrunk(image):
                yield place, _most_probable(logits, temperatures)

    def score(self, image: PixelSource) -> Iterator[tuple[Place, Floats]]:
        """Yields the logits of the parts of an image, and their places.

        Raises:
            ImageTooLargeError: As `label` does.
        """
        if self._fits_in_memory(image):
            if self._begin(whole := _whole(image)):
                yield whole, self._engine.logits(image[_EVERYWHERE][np.newaxis])[0]
        elif self._net.input_scale == 1:
            for given, place, kept in self._windows(image):
                yield place, self._engine.logits(image[given][np.newaxis])[0][kept]
        else:
            yield from self._score_shrunk(image)

    def _fits_in_memory(self, image: PixelSource) -> bool:
        return labeling_bytes(self._net, *image.shape[:2]) <= self._map_bytes

    def _windows(self, image: PixelSource) -> Iterator[tuple[Place, Place, Place]]:
        """Yields for each window its place, the part it answers for, and where that part is in the window."""
        windows = self._choose_windows(image.shape[:2], overlap=0)
        for row, column in track(windows, "labeling parts", lines=self._lines):
            place = (slice(row.first, row.last), slice(column.first, column.last))
            if self._begin(place):
                given = (slice(row.start, row.stop), slice(column.start, column.stop))
                yield given, place, _inside_window(row, column)

    def _score_shrunk(self, image: PixelSource) -> Iterator[tuple[Place, Floats]]:
        """Shrinks an image window by window, and yields logits enlarged to its size."""
        size = image.shape[:2]
        small = [shrunk_size(length, self._net.input_scale) for length in size]
        shrinking = [linear_taps(length, less) for length, less in zip(size, small, strict=True)]
        enlarging = [linear_taps(less, length) for length, less in zip(size, small, strict=True)]
        windows = self._choose_windows(small, OVERLAP)
        answered = [
            divide_outputs(taps, [window[axis].last for window in windows])
            for axis, taps in enumerate(enlarging)
        ]
        for row, column in track(windows, "labeling parts", lines=self._lines):
            rows, columns = answered[0][row.last], answered[1][column.last]
            if not self._begin((slice(*rows), slice(*columns))):
                continue
            window = _shrink(image, shrinking, row, column)
            logits = self._engine.shrunk_logits(window[np.newaxis])[0][_inside_window(row, column)]
            for first, part in resample(logits, (row.first, column.first), enlarging, rows, columns):
                yield (slice(first, first + len(part)), slice(*columns)), part

    def _choose_windows(self, size: tuple[int, ...] | list[int], overlap: int) -> list[tuple[Span, Span]]:
        if self._engine.net is None:
            raise not_in_windows(self._path, size[0], size[1])
        halo = self._net.halo()
        most_rows = size[0]
        if self._most_rows is not None:
            most_rows = max(int(self._most_rows * self._net.input_scale), smallest_window(halo, overlap))

        def fits(height: int, width: int) -> bool:
            return height <= most_rows and self._net.map_bytes(height, width) <= self._map_bytes

        rows, columns = choose_windows((size[0], size[1]), fits, halo, overlap)
        return list(product(rows, columns))


def _whole(image: PixelSource) -> Place:
    height, width = image.shape[:2]
    return slice(0, height), slice(0, width)


def _shrink(image: PixelSource, shrinking: list[Taps], row: Span, column: Span) -> Floats:
    """Returns a window of the shrunk image, from those pixels that it depends on."""
    rows, columns = (row.start, row.stop), (column.start, column.stop)
    top, bottom = shrinking[0].inputs(*rows)
    left, right = shrinking[1].inputs(*columns)
    pixels = image[slice(top, bottom), slice(left, right)]
    return np.concatenate([piece for _, piece in resample(pixels, (top, left), shrinking, rows, columns)])


def _inside_window(row: Span, column: Span) -> Place:
    return (
        slice(row.first - row.start, row.last - row.start),
        slice(column.first - column.start, column.last - column.start),
    )


def _most_probable(logits: Floats, temperatures: Temperatures | None) -> Labeled:
    """Returns the most probable classes; `logits`, `float32[..., C]`, are overwritten."""
    label = logits.argmax(axis=-1).astype(np.uint8)
    return Labeled(label, label_confidence(logits, temperatures))
