"""How a net is made smaller unless said otherwise. Imports no backend."""

from collections.abc import Sequence
from typing import Literal, get_args

from fcn.errors import RunError

Criterion = Literal["reconstruction", "taylor", "activation", "norm"]
CRITERIA: tuple[Criterion, ...] = get_args(Criterion)
"""The ways to measure how much a channel matters; the first is the default."""

CHANNELS_BY: Criterion = "reconstruction"
IMAGES = 64
SIZE = (384, 512)
"""Size of the image that GFLOP are counted for, as `fcn inspect` has it."""
SCORED_IMAGES = 50

FACTOR = 0.8
"""Of a series of nets: operations of each relative to those of the one before."""
MOST_STEPS = 12


def check_options(channels_by: str, images: int, size: Sequence[int], scored_images: int) -> None:
    """Checks how channels are measured and nets are scored, before any data are read.

    Args:
        channels_by: One of `CRITERIA`.
        images: Training examples to measure on; 0 with "norm" alone.
        size: (height, width) of the image that operations are counted for.
        scored_images: Images to score on; 0: none.

    Raises:
        RunError: If one cannot be.
    """
    if channels_by not in CRITERIA:
        raise RunError(f"Expected channels_by to be one of {CRITERIA}. Received: {channels_by!r}.")
    if images < 1 and (channels_by != "norm" or images < 0):
        raise RunError(
            f"Expected at least one image for channels_by={channels_by!r}. Received: images={images}."
        )
    if len(size) != 2 or min(size) < 1:
        raise RunError(f"Expected a size of (height, width), such as {SIZE}. Received: size={tuple(size)}.")
    if scored_images < 0:
        raise RunError(f"Expected a number of images to score on. Received: {scored_images}.")
