"""The interface of all engines, which compute labels."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from fcn.classes import Classes
from fcn.data.image_io import Pixels
from fcn.errors import ImageTooLargeError
from fcn.outputs.temperature import Temperatures

if TYPE_CHECKING:  # it imports Keras, which takes seconds and which a finished job does not need
    from fcn.models.fields import NetDescription

Floats = npt.NDArray[np.float32]

Place = tuple[slice, slice]
"""Rows and columns of a part of an image."""

ENGINES = ("auto", "tensorflow", "openvino", "onnx", "litert", "jax", "torch")
"""Names of engines; "auto" chooses one for the model and the machine."""

FORMAT_ENGINES = ("onnx", "litert")
"""Engines that compute a format of exported models only, in float32."""

PRECISIONS = ("auto", "float32", "bfloat16", "int8")
"""Precisions of engines; "auto" is the one that the export recommends, or else float32."""


BATCH_PIXELS = 1 << 24
"""Most pixels in a batch of several images: enough to fill a GPU. An engine with less memory splits it."""

# Words in errors of engines that are out of memory; nothing else marks these errors. First JAX and PyTorch on
# a GPU and PyTorch on a CPU, then OpenVINO: its C++ library, its core and its CPU plugin; ONNX Runtime.
# LiteRT says only that the maps of an image cannot be prepared.
_NO_MEMORY = (
    *("resource_exhausted", "out of memory", "can't alloc"),
    *("bad_alloc", "could not allocate", "cannot allocate", "bytes of memory", "failed to allocate"),
    "failed to reshape runtime",
)


class Labeled(NamedTuple):
    """The labels of images of one size.

    Attributes:
        label: `uint8[B, H, W]`, the most probable class id of each pixel.
        confidence: `float32[B, H, W]`, its probability, 1/C to 1; of a calibrated net with its temperatures.
    """

    label: Pixels
    confidence: Floats


class Engine(Protocol):
    """A net with the library that computes it.

    Attributes:
        classes: The names and colors of the classes.
        name: Name of the engine.
        precision: The precision in which it computes.
        bits: How many bits the values of image files of 16 bits use, for `fcn.data.image_io.decode_image`.
    """

    classes: Classes
    name: str
    precision: str
    bits: int

    def label(self, images: Pixels) -> Labeled:
        """Labels images `uint8[B, H, W, 3]`, RGB."""

    def logits(self, images: Pixels) -> Floats:
        """Returns `float32[B, H, W, C]` for images `uint8[B, H, W, 3]`, RGB."""


class NetEngine(Engine, Protocol):
    """An engine that computes a net itself, not through another engine, so that it can be tiled."""

    @property
    def net(self) -> "NetDescription | None":
        """The description of the net; None for an export of an old version without one."""

    def shrunk_logits(self, images: Floats) -> Floats:
        """Returns the logits of images that already have the size of the layers' input.

        Called only for nets with an `input_scale` below 1; for others `logits` returns the same.

        Args:
            images: `float32[B, h, w, 3]`, RGB, 0 to 255, shrunk by the net's `input_scale`.

        Returns:
            `float32[B, h, w, C]`, of the same size.
        """


@runtime_checkable
class GradualEngine(Engine, Protocol):
    """An engine that labels large images in windows, between which others may have it."""

    def is_large(self, image: Pixels) -> bool:
        """Returns whether an image `uint8[H, W, 3]` is labeled in windows."""

    def label_in_turns(self, image: Pixels) -> Generator[None, None, Labeled]:
        """Labels an image `uint8[H, W, 3]`, yields after each window, and returns its label with B = 1."""

    def logits_in_turns(self, image: Pixels) -> Generator[None, None, Floats]:
        """Computes its logits, yields after each window, and returns `float32[1, H, W, C]`."""


class PixelSource(Protocol):
    """The pixels of an image, parts of which are read when they are needed. An array is one, too."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and 3."""

    def __getitem__(self, place: Place, /) -> Pixels:
        """Returns the pixels at a place, `uint8[h, w, 3]`, RGB."""


@runtime_checkable
class PartwiseEngine(Engine, Protocol):
    """An engine that labels an image part by part, of which only parts are in memory."""

    def label_parts(
        self, image: PixelSource, begin: Callable[[Place], bool], most_rows: int
    ) -> Iterator[tuple[Place, Labeled]]:
        """Yields the labels of parts, without B, and their places.

        Args:
            image: The image.
            begin: Called with the place of each window before it is computed, row by row; the parts that
                follow lie in it. Returns whether it is to be computed.
            most_rows: Most rows of the image in a window, unless the smallest one has more.
        """


@runtime_checkable
class KeepingEngine(Protocol):
    """An engine that keeps the memory of its maps for the next images."""

    def release(self) -> None:
        """Gives back the memory of maps; the next images take it again."""


@runtime_checkable
class BoundedEngine(Engine, Protocol):
    """An engine whose maps stay within a limit, which may change between two images.

    Attributes:
        map_bytes: The limit.
        least_map_bytes: The lowest limit that is possible.
    """

    map_bytes: int
    least_map_bytes: int

    def limit(self, map_bytes: int) -> None:
        """Sets the limit; a large image that is being labeled keeps the one before."""

    def needed_bytes(self, shape: tuple[int, ...]) -> int:
        """Returns the memory for the maps of images of shape `[B, H, W, 3]`."""

    def release(self) -> None:
        """Gives back what it keeps of that memory for the next images."""


@runtime_checkable
class CalibratedEngine(Protocol):
    """An engine that says with which temperatures its confidence is computed.

    Attributes:
        temperatures: Those of a calibrated net, which probabilities from its logits need too; None of others.
    """

    temperatures: Temperatures | None


def temperatures_of(engine: object) -> Temperatures | None:
    """Returns the temperatures for probabilities from the logits of an engine; None for none."""
    return engine.temperatures if isinstance(engine, CalibratedEngine) else None


@contextmanager
def memory_errors(kind: type[Exception] = RuntimeError) -> Iterator[None]:
    """Turns an engine's error about missing memory into a `MemoryError`.

    Args:
        kind: A class of all errors of the engine.
    """
    try:
        yield
    except kind as error:
        if any(words in str(error).lower() for words in _NO_MEMORY):
            raise MemoryError(str(error)) from error
        raise


def check_scores(images: Pixels, num_classes: int, score_bytes: int, copies: float = 1) -> None:
    """Refuses images if the scores of all classes at all pixels need more memory than is allowed.

    Args:
        images: `uint8[B, H, W, 3]`.
        num_classes: How many scores each pixel has.
        score_bytes: Memory limit.
        copies: How many copies of the scores are in memory at once.

    Raises:
        ImageTooLargeError: If they need more.
    """
    batch, height, width, _ = images.shape
    needed = 4 * batch * height * width * num_classes * copies
    if needed > score_bytes:
        raise ImageTooLargeError(
            f"the scores of {num_classes} classes at {width} x {height} pixels take {needed / 1e9:.1f} GB, "
            f"and the memory allows {score_bytes / 1e9:.1f}. Allow more (--memory), or leave out "
            "probabilities, --smooth, --flip and --scales."
        )
