"""Limits of the server; requests beyond them are rejected."""

from typing import Literal, NamedTuple

from fcn.errors import ConfigError

_MIB = 2**20
_MEGAPIXEL = 10**6

Swap = Literal["beside", "drain"]
"""How to load a new version if the memory cannot hold it together with the current one: refuse it ("beside"),
or unload the current one first and refuse requests meanwhile ("drain")."""


class Limits(NamedTuple):
    """Limits of the server; requests beyond them are rejected.

    Attributes:
        connections: Maximum number of connections; at most as many as the system has descriptors for.
        queue_images: Maximum number of images that are accepted and not answered yet.
        batch_images: Maximum number of images in a batch; all have the same size.
        batch_wait_seconds: How long the first image of a batch waits for others of its size. With 0, a batch
            holds the images that arrived while the engine was busy.
        request_bytes: Maximum size of a request.
        body_bytes: Maximum size of all requests together that are being read or processed.
        image_pixels: Maximum number of pixels of an image.
        decoded_pixels: Maximum number of pixels of all images that are decoded at the same time; a larger
            image is processed alone.
        answer_bytes: Maximum size of the logits of a request, and of all logits together that are not sent
            yet.
        read_seconds: Time in which a client must send a request, plus the time for its size on a slow
            connection, and in which it must read some of a response.
        answer_seconds: Maximum time that a request waits for the engine's result.
        drain_seconds: Time after SIGTERM in which new requests are still answered, while the server says that
            it is not ready.
        stop_seconds: Maximum time in which a stopping server answers accepted requests; at least
            `answer_seconds`.
    """

    connections: int = 1024
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
    drain_seconds: float = 0.0
    stop_seconds: float = 60.0


def check_limits(limits: Limits) -> Limits:
    """Checks that limits are consistent; returns them.

    Raises:
        ConfigError: If a limit other than `batch_wait_seconds` and `drain_seconds` is not positive, or
            `request_bytes` exceeds `body_bytes`, or `answer_seconds` exceeds `stop_seconds`.

    Example:
        >>> check_limits(Limits(queue_images=2)).queue_images
        2
    """
    for name, value in limits._asdict().items():
        if value < 0 or (value == 0 and name not in ("batch_wait_seconds", "drain_seconds")):
            raise ConfigError(f"{name}: expected more than 0. Received: {value}.")
    if limits.request_bytes > limits.body_bytes:
        raise ConfigError(
            f"request_bytes: expected at most body_bytes={limits.body_bytes}, the limit for all "
            f"requests together. Received: {limits.request_bytes}."
        )
    if limits.answer_seconds > limits.stop_seconds:
        raise ConfigError(
            f"answer_seconds: expected at most stop_seconds={limits.stop_seconds:g}, or what was accepted "
            f"may not be answered. Received: {limits.answer_seconds:g}."
        )
    return limits
