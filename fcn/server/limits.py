"""What a server takes on before it says no."""

from typing import NamedTuple

from fcn.errors import ConfigError

_MIB = 2**20
_MEGAPIXEL = 10**6


class Limits(NamedTuple):
    """What a server takes on before it says no.

    Attributes:
        queue_images: Images that were accepted and are not answered yet, at most.
        batch_images: Images of one size that are labeled at once, at most.
        batch_wait_seconds: How long the first image of a batch waits for others of its size. Without waiting,
            batches are what came in while the engine was busy.
        request_bytes: Size of a request, at most.
        body_bytes: Sizes of all requests that are being read or worked on, together, at most.
        image_pixels: Size of an image, at most.
        decoded_pixels: Pixels of all images that are decoded at once, at most; a larger one is alone.
        answer_bytes: Size of the logits of a request, and of all that are not sent yet together, at most.
        read_seconds: How long a client may take to send a request, beside what its size takes on a poor
            line, and may read nothing of an answer.
        answer_seconds: How long a request may wait for the engine.
        stop_seconds: How long a server that is told to stop takes to answer what it has accepted, at most;
            not less than a request may wait.
    """

    queue_images: int = 64
    batch_images: int = 8
    batch_wait_seconds: float = 0.0
    request_bytes: int = 32 * _MIB
    body_bytes: int = 512 * _MIB
    image_pixels: int = 64 * _MEGAPIXEL
    decoded_pixels: int = 128 * _MEGAPIXEL
    answer_bytes: int = 256 * _MIB
    read_seconds: float = 20.0
    answer_seconds: float = 60.0
    stop_seconds: float = 60.0


def check_limits(limits: Limits) -> Limits:
    """Returns limits that let something through.

    Raises:
        ConfigError: If a limit is 0 or below, but for the wait of a batch, or a request may be larger than
            all together, or wait longer than a server takes to stop.

    Example:
        >>> check_limits(Limits(queue_images=2)).queue_images
        2
    """
    for name, value in limits._asdict().items():
        if value < 0 or (value == 0 and name != "batch_wait_seconds"):
            raise ConfigError(f"{name}: expected more than 0. Received: {value}.")
    if limits.request_bytes > limits.body_bytes:
        raise ConfigError(
            f"request_bytes: expected at most body_bytes={limits.body_bytes}, which all requests together "
            f"have. Received: {limits.request_bytes}."
        )
    if limits.answer_seconds > limits.stop_seconds:
        raise ConfigError(
            f"answer_seconds: expected at most stop_seconds={limits.stop_seconds:g}, or what was accepted "
            f"may not be answered. Received: {limits.answer_seconds:g}."
        )
    return limits
