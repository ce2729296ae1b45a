"""Resources that all models of a server share."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from fcn.server.decoding import Decoders
from fcn.server.engine_memory import EngineMemory
from fcn.server.engine_turns import EngineTurns
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.limits import Limits, Swap, check_limits
from fcn.server.observability.metrics import Metrics
from fcn.server.request_body import BodyPool
from fcn.server.weighted_semaphore import WeightedSemaphore

_CODEC_THREADS = 2
"""Number of threads that encode images; an engine uses all cores itself."""


class ServerResources:
    """Resources that all models of a server share: places in the queue, memory, threads and turns.

    Args:
        limits: Limits of requests.
        metrics: Metrics of the server.
        decoders: Processes that decode images. The caller closes them.
        memory: Memory of the engines.
        swap: What happens when a version comes.

    Attributes:
        limits: Limits of requests.
        metrics: Metrics of the server.
        decoders: Processes that decode images.
        memory: Memory of the engines.
        swap: What happens when a version comes.
        turns: Turns of the engines.
        codec_threads: Threads that encode images.
        decoded_pixels: Pixels of all images that are decoded.
        logit_bytes: Bytes of all logits that are not sent yet.
        bodies: Memory for the bodies of all requests.
        is_draining: Whether the server is stopping, while it still answers.

    Raises:
        ConfigError: If the limits are inconsistent.
    """

    def __init__(
        self,
        limits: Limits,
        metrics: Metrics,
        decoders: Decoders,
        memory: EngineMemory,
        swap: Swap = "beside",
    ) -> None:
        self.limits, self.metrics, self.decoders = check_limits(limits), metrics, decoders
        self.memory, self.swap = memory, swap
        self.turns = EngineTurns(limits.answer_seconds)
        self.codec_threads = ThreadPoolExecutor(_CODEC_THREADS, thread_name_prefix="fcn-codec")
        self.decoded_pixels = WeightedSemaphore(limits.decoded_pixels)
        self.logit_bytes = WeightedSemaphore(limits.answer_bytes)
        self.bodies = BodyPool(limits.body_bytes)
        self.is_draining = False
        self._accepted = 0
        self._stop_at: float | None = None

    @contextmanager
    def admit(self, images: int, seconds_per_image: float) -> Iterator[None]:
        """Reserves places in the queue for the images of a request, and frees them afterwards.

        Args:
            images: How many.
            seconds_per_image: How long one takes, for the time after which to try again.

        Raises:
            ServerError: If too few are free.
        """
        limit = self.limits.queue_images
        if images > limit:
            raise ServerError(
                ErrorKind.TOO_LARGE,
                f"Expected at most {limit} images in a request. Received: {images}. Send fewer.",
            )
        if self._accepted + images > limit:
            raise ServerError(
                ErrorKind.BUSY,
                f"The queue is full: {self._accepted} images are waiting. Try again later.",
                retry_after_seconds=max(1, round(self._accepted * seconds_per_image)),
            )
        self._accepted += images
        self.metrics.queue_images.set(self._accepted)
        try:
            yield
        finally:
            self._accepted -= images
            self.metrics.queue_images.set(self._accepted)

    def drain(self) -> None:
        """Says from now on that the server is not ready, while it still answers."""
        self.is_draining = True

    def stop_time(self) -> float:
        """Returns when all services must have stopped, in seconds of `time.monotonic`.

        It is `stop_seconds` after the first call: the services stop one after the other, within this time.
        """
        if self._stop_at is None:
            self._stop_at = time.monotonic() + self.limits.stop_seconds
        return self._stop_at

    def close(self) -> None:
        """Stops the threads, once all services are closed; does not wait for what they compute."""
        self.codec_threads.shutdown(wait=False, cancel_futures=True)
