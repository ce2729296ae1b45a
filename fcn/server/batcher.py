"""One engine in one thread: images that wait are labeled together where they have one size."""

import threading
import time
from collections import deque
from concurrent.futures import Future
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.data.image_io import Pixels
from fcn.errors import FcnError
from fcn.inference.engines.engine import BATCH_PIXELS, Engine
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.observability.metrics import Metrics

_SMOOTHING = 0.1
"""Weight of the last image in the average of how long images take."""


class OutputKind(Enum):
    """What is asked of the engine."""

    LABEL = "label"
    LOGITS = "logits"


class EngineResult(NamedTuple):
    """What the engine says about one image.

    Attributes:
        values: The label, `uint8[H, W]`, class ids, or the logits, `float32[H, W, C]`: what was wanted.
        mean_confidence: Probability of the label, on average over all pixels; NaN where logits are wanted.
    """

    values: npt.NDArray[Any]
    mean_confidence: float


class PendingImage(NamedTuple):
    """An image that waits for the engine.

    Attributes:
        image: `uint8[H, W, 3]`, RGB.
        output_kind: What is asked.
        queued_at: When it came, in seconds of `time.monotonic`.
        deadline: When its client stops waiting, on the same clock.
        result: Where the answer goes.
    """

    image: Pixels
    output_kind: OutputKind
    queued_at: float
    deadline: float
    result: "Future[EngineResult]"

    def can_batch_with(self, other: "PendingImage") -> bool:
        """Returns whether both can be in one batch."""
        return self.image.shape == other.image.shape and self.output_kind == other.output_kind


class Batcher:
    """Labels images in the order in which they came, those of one size together.

    How many may wait is up to the callers. The number of images in a batch is a power of two, so that a
    compiler that specializes on it does so few times.

    Args:
        engine: What labels.
        batch_images: Images in a batch, at most.
        wait_seconds: How long the first image of a batch waits for others of its size.
        metrics: Where batches are counted.

    Attributes:
        seconds_per_image: How long the engine takes, on average over the last images.
    """

    def __init__(self, engine: Engine, batch_images: int, wait_seconds: float, metrics: Metrics) -> None:
        self._engine, self._wait_seconds, self._metrics = engine, wait_seconds, metrics
        self._batch_images = 1 << (batch_images.bit_length() - 1)
        self._waiting: deque[PendingImage] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self.seconds_per_image = 0.0
        self._thread = threading.Thread(target=self._run, name="fcn-engine", daemon=True)
        self._thread.start()

    def submit(self, image: Pixels, output_kind: OutputKind, deadline: float) -> "Future[EngineResult]":
        """Puts an image into the queue.

        Args:
            image: `uint8[H, W, 3]`, RGB.
            output_kind: What is asked.
            deadline: When the answer is of no use any more, as `time.monotonic` counts.

        Returns:
            The answer to come; a `ServerError` where there is none. It can be canceled while it waits.
        """
        item = PendingImage(image, output_kind, time.monotonic(), deadline, Future())
        with self._changed:
            if self._closing:
                item.result.set_exception(ServerError(ErrorKind.STOPPING, "The server is stopping."))
                return item.result
            self._waiting.append(item)
            self._changed.notify()
        item.result.add_done_callback(self._remove_canceled)
        return item.result

    def close(self) -> None:
        """Answers what waits, and ends the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _remove_canceled(self, result: "Future[EngineResult]") -> None:
        """Takes an image that nobody waits for out of the queue: another one may have its place already."""
        if result.cancelled():
            with self._changed:
                self._waiting = deque(item for item in self._waiting if item.result is not result)

    def _run(self) -> None:
        while batch := self._next_batch():
            in_time = [item for item in batch if self._start_in_time(item)]
            if in_time:
                self._process(in_time)

    def _next_batch(self) -> list[PendingImage]:
        """Waits for images; returns those to label together, none when there is nothing left to do."""
        with self._changed:
            matching: list[PendingImage] = []
            while not matching:  # and again where nobody waits for the first any more
                while not self._waiting:
                    if self._closing:
                        return []
                    self._changed.wait()
                matching = self._wait_for_batch(self._waiting[0])
            batch = matching[: 1 << (len(matching).bit_length() - 1)]
            taken = {id(item) for item in batch}
            self._waiting = deque(item for item in self._waiting if id(item) not in taken)
            return batch

    def _wait_for_batch(self, first: PendingImage) -> list[PendingImage]:
        """Waits for images of the size of the first; returns those to label together."""
        full = min(self._batch_images, max(1, BATCH_PIXELS // (first.image.size // 3)))
        until = first.queued_at + self._wait_seconds
        matching = self._find_matching(first, full)
        while 0 < len(matching) < full and not self._closing and (left := until - time.monotonic()) > 0:
            self._changed.wait(left)
            matching = self._find_matching(first, full)
        return matching

    def _find_matching(self, first: PendingImage, most: int) -> list[PendingImage]:
        matching = []
        for item in self._waiting:
            if item.can_batch_with(first):
                matching.append(item)
                if len(matching) == most:
                    break
        return matching

    def _start_in_time(self, item: PendingImage) -> bool:
        if not item.result.set_running_or_notify_cancel():
            return False
        if time.monotonic() <= item.deadline:
            return True
        waited = time.monotonic() - item.queued_at
        item.result.set_exception(
            ServerError(
                ErrorKind.TIMED_OUT, f"The image waited {waited:.1f} s, longer than a request may. Try later."
            )
        )
        return False

    def _process(self, batch: list[PendingImage]) -> None:
        try:
            start = time.perf_counter()
            results = self._run_engine(batch)
            seconds = time.perf_counter() - start
            self._metrics.engine_seconds.observe(seconds)
            self._metrics.batch_images.observe(len(batch))
            self._metrics.images.inc(len(batch))
            self._update_average(seconds / len(batch))
        except MemoryError:
            if len(batch) > 1:  # each may fit alone
                for item in batch:
                    self._process([item])
                return
            height, width, _ = batch[0].image.shape
            batch[0].result.set_exception(
                ServerError(
                    ErrorKind.TOO_LARGE,
                    f"The memory does not suffice for {width} x {height} pixels. Send smaller images.",
                )
            )
        except Exception as error:  # whatever an engine raises is the answer to these; the next may do well
            refused = ServerError(ErrorKind.TOO_LARGE, str(error)) if isinstance(error, FcnError) else error
            for item in batch:
                item.result.set_exception(refused)
        else:
            for item, result in zip(batch, results, strict=True):
                item.result.set_result(result)

    def _update_average(self, seconds: float) -> None:
        change = _SMOOTHING if self.seconds_per_image else 1.0
        self.seconds_per_image += change * (seconds - self.seconds_per_image)

    def _run_engine(self, batch: list[PendingImage]) -> list[EngineResult]:
        images = np.stack([item.image for item in batch])
        if batch[0].output_kind is OutputKind.LOGITS:
            return [EngineResult(logits, float("nan")) for logits in self._engine.logits(images)]
        labels, confidences = self._engine.label(images)
        return [
            EngineResult(label, float(confidence.mean(dtype=np.float64)))
            for label, confidence in zip(labels, confidences, strict=True)
        ]
