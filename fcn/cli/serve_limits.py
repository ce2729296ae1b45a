"""The options of `fcn serve` that limit what clients may take."""

import argparse

from fcn.cli.arguments import above_zero, at_least
from fcn.server.limits import Limits, check_limits

_MIB, _MEGAPIXEL = 2**20, 10**6
_USUAL = Limits()


def add_limits(serve: argparse.ArgumentParser) -> None:
    """Adds the options."""
    count = at_least(1)
    serve.add_argument(
        "--max-connections",
        type=count,
        default=_USUAL.connections,
        metavar="N",
        help="most connections; a new one takes the place of an idle one, or is refused with 503; default: "
        f"{_USUAL.connections}",
    )
    serve.add_argument(
        "--queue",
        type=count,
        default=_USUAL.queue_images,
        metavar="N",
        help=f"most images that may wait; others are refused with 429; default: {_USUAL.queue_images}",
    )
    serve.add_argument(
        "--batch",
        type=count,
        default=_USUAL.batch_images,
        metavar="N",
        help=f"most images of one size to label at once; default: {_USUAL.batch_images}",
    )
    serve.add_argument(
        "--batch-wait",
        type=_milliseconds,
        default=_USUAL.batch_wait_seconds,
        metavar="MS",
        help="longest time that an image waits for others of its size, in milliseconds; default: "
        f"{1000 * _USUAL.batch_wait_seconds:g}",
    )
    serve.add_argument(
        "--max-mb",
        type=count,
        default=_USUAL.request_bytes // _MIB,
        metavar="N",
        help=f"largest request, in MB; default: {_USUAL.request_bytes // _MIB}",
    )
    serve.add_argument(
        "--max-megapixels",
        type=count,
        default=_USUAL.image_pixels // _MEGAPIXEL,
        metavar="N",
        help=f"largest image, in megapixels; default: {_USUAL.image_pixels // _MEGAPIXEL}",
    )
    serve.add_argument(
        "--timeout",
        type=count,
        default=round(_USUAL.answer_seconds),
        metavar="S",
        help=f"longest time until an image is answered, in seconds; default: {_USUAL.answer_seconds:g}",
    )
    serve.add_argument(
        "--drain",
        type=_drain_seconds,
        default=_USUAL.drain_seconds,
        metavar="S",
        help="seconds after SIGTERM in which new requests are still answered, while /v2/health/ready gives "
        f"503, for a load balancer; default: {_USUAL.drain_seconds:g}",
    )


def read_limits(options: argparse.Namespace) -> Limits:
    """Returns the limits that the options set.

    Raises:
        ConfigError: As of `check_limits`.
    """
    size = options.max_mb * _MIB
    return check_limits(
        _USUAL._replace(
            connections=options.max_connections,
            queue_images=options.queue,
            batch_images=options.batch,
            batch_wait_seconds=options.batch_wait,
            request_bytes=size,
            body_bytes=max(size, _USUAL.body_bytes),
            image_pixels=options.max_megapixels * _MEGAPIXEL,
            answer_seconds=float(options.timeout),
            drain_seconds=options.drain,
            stop_seconds=max(float(options.timeout), _USUAL.stop_seconds),
        )
    )


def _drain_seconds(text: str) -> float:
    """Reads seconds; 0 is allowed."""
    return 0.0 if text == "0" else above_zero("seconds, such as 10, or 0")(text)


def _milliseconds(text: str) -> float:
    """Reads milliseconds, as seconds."""
    try:
        value = float(text) / 1000
    except ValueError:
        value = -1.0
    if not 0 <= value <= 60:
        raise argparse.ArgumentTypeError(f"expected milliseconds, 0 to 60000, received {text!r}")
    return value
