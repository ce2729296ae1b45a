"""What computes labels: the one face of every engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from fcn.classes import Classes
from fcn.data.image_io import Pixels
from fcn.errors import RunError

if TYPE_CHECKING:  # it imports Keras, which takes seconds and which a job without work does without
    from fcn.models.fields import NetDescription

Floats = npt.NDArray[np.float32]

ENGINES = ("auto", "tensorflow", "openvino", "jax", "torch")
"""Names of engines; "auto" is the one that fits the model and the machine."""

PRECISIONS = ("auto", "float32", "bfloat16", "int8")
"""What an engine may compute in; "auto" is what the export says is best, or else float32."""


BATCH_PIXELS = 1 << 24
"""Pixels in a batch, but for a single image: enough to fill a GPU. An engine with less memory cuts it."""

# What engines say of memory that is not there; nothing else marks it: JAX and PyTorch on a GPU, PyTorch on a
# CPU, and OpenVINO, where the words stand in what its C++ library, its core and its CPU plugin say.
_NO_MEMORY = (
    *("resource_exhausted", "out of memory", "can't alloc"),
    *("bad_alloc", "could not allocate", "cannot allocate", "bytes of memory"),
)


class Labeled(NamedTuple):
    """What a net says about images of one size.

    Attributes:
        label: `uint8[B, H, W]`, the most probable class id of each pixel.
        confidence: `float32[B, H, W]`, its probability, 1/C to 1.
    """

    label: Pixels
    confidence: Floats


class Engine(Protocol):
    """A net on something that computes it.

    Attributes:
        classes: The names and colors of the classes the net tells apart.
        name: Name of the engine.
        precision: What it computes in.
    """

    classes: Classes
    name: str
    precision: str

    def label(self, images: Pixels) -> Labeled:
        """Labels images `uint8[B, H, W, 3]`, RGB."""

    def logits(self, images: Pixels) -> Floats:
        """Returns `float32[B, H, W, C]` for images `uint8[B, H, W, 3]`, RGB."""


class NetEngine(Engine, Protocol):
    """An engine that computes a net itself, not through another engine, so that images can come in pieces."""

    @property
    def net(self) -> "NetDescription | None":
        """What the net is like; None for one that was exported before exports said so."""

    def shrunk_logits(self, images: Floats) -> Floats:
        """Returns the logits of images that have the size at which the layers see them.

        Asked only of a net that makes images smaller; of others the `logits` are the same.

        Args:
            images: `float32[B, h, w, 3]`, RGB, 0 to 255, made smaller by the net's `input_scale`.

        Returns:
            `float32[B, h, w, C]`, of the same size.
        """


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turns what an engine says when memory does not suffice into a `MemoryError`."""
    try:
        yield
    except RuntimeError as error:
        if any(words in str(error).lower() for words in _NO_MEMORY):
            raise MemoryError(str(error)) from error
        raise


def check_scores(images: Pixels, num_classes: int, score_bytes: int, copies: float = 1) -> None:
    """Refuses images of whose pixels the scores of all classes take more memory than there is for them.

    Args:
        images: `uint8[B, H, W, 3]`.
        num_classes: How many scores each pixel has.
        score_bytes: How much memory there is.
        copies: How many times as much is in memory at once.

    Raises:
        RunError: If they do.
    """
    batch, height, width, _ = images.shape
    needed = 4 * batch * height * width * num_classes * copies
    if needed > score_bytes:
        raise RunError(
            f"the scores of {num_classes} classes at {width} x {height} pixels take {needed / 1e9:.1f} GB, "
            f"and the memory allows {score_bytes / 1e9:.1f}. Allow more (--memory), or leave out "
            "probabilities, --flip and --scales."
        )


def softmax(logits: Floats) -> Floats:
    """Returns the probabilities of the classes.

    Args:
        logits: `float32[..., C]`.

    Returns:
        `float32[..., C]`; they sum to 1 over the last axis.

    Example:
        >>> softmax(np.array([0, 0], np.float32)).tolist()
        [0.5, 0.5]
    """
    # In one array: the maps of a large image take gigabytes.
    probabilities: Floats = logits - logits.max(axis=-1, keepdims=True)
    np.exp(probabilities, out=probabilities)
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    return probabilities
