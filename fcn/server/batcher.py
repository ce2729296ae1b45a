"""One engine in one thread; waiting images of the same size are labeled as one batch.

An image that the engine labels in windows would keep all others waiting. So between two of its windows, the
images that have arrived meanwhile are labeled.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from fcn.data.image_io import Pixels
from fcn.errors import ImageTooLargeError
from fcn.inference.engines.engine import BATCH_PIXELS
from fcn.inference.predictor import Predictor
from fcn.outputs.prediction import Prediction
from fcn.server.engine_turns import EngineTurns
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.observability.metrics import ModelMetrics

_SMOOTHING = 0.1
"""Weight of the newest value in the moving average of the seconds per image."""


class PendingImage(NamedTuple):
    """Image in the queue of the engine.

    Attributes:
        image: `uint8[H, W, 3]`, RGB.
        with_logits: Whether the scores of all classes are wanted.
        queued_at: Time at which it was queued, in seconds of `time.monotonic`.
        deadline: Time at which its client stops waiting, on the same clock.
        result: Receives the result or an error.
    """

    image: Pixels
    with_logits: bool
    queued_at: float
    deadline: float
    result: "Future[Prediction]"

    def can_batch_with(self, other: "PendingImage") -> bool:
        """Returns whether both can be in one batch."""
        return self.image.shape == other.image.shape and self.with_logits == other.with_logits


class _LargeImage:
    """Image that is labeled in windows.

    Attributes:
        item: The image.
        steps: Computes a window at each `next`, and at last returns the result.
        seconds: Time that the engine has spent on it.
    """

    def __init__(self, item: PendingImage, predictor: Predictor) -> None:
        self.item = item
        self.steps = predictor.predict_in_turns(item.image, item.with_logits)
        self.seconds = 0.0


class Batcher:
    """Queue and worker thread that label images in order of arrival, images of the same size together.

    The windows of a large image come in turns with the images that arrive meanwhile; several large images
    come one after the other.

    The queue is not bounded; callers limit it. The batch size is a power of two, so that a compiler that
    specializes on it does so only a few times.

    Args:
        predictor: The net that labels images.
        batch_images: Maximum number of images in a batch.
        wait_seconds: How long the first image of a batch waits for others of its size.
        metrics: Metrics in which batches are counted.
        turns: Turns of all engines of the server.

    Attributes:
        seconds_per_image: Moving average of the time of the engine for one image.
    """

    def __init__(
        self,
        predictor: Predictor,
        batch_images: int,
        wait_seconds: float,
        metrics: ModelMetrics,
        turns: EngineTurns,
    ) -> None:
        self._predictor, self._wait_seconds, self._metrics = predictor, wait_seconds, metrics
        self._turns = turns
        self._batch_images = 1 << (batch_images.bit_length() - 1)
        self._waiting: deque[PendingImage] = deque()
        self._large: deque[_LargeImage] = deque()
        self._window_ended = 0.0
        self._is_computing = False
        self._last_progress = 0.0
        self._changed = threading.Condition()
        self._closing = False
        self.seconds_per_image = 0.0
        self._thread = threading.Thread(target=self._run, name="fcn-engine", daemon=True)
        self._thread.start()

    def submit(self, image: Pixels, deadline: float, with_logits: bool = False) -> "Future[Prediction]":
        """Adds an image to the queue.

        Args:
            image: `uint8[H, W, 3]`, RGB.
            deadline: Time after which the result is of no use, on the clock of `time.monotonic`.
            with_logits: Whether the scores of all classes are wanted.

        Returns:
            A future of the prediction; it raises `ServerError` if the image is rejected. It can be canceled
            while the image is in the queue, and between the windows of a large image.
        """
        item = PendingImage(image, with_logits, time.monotonic(), deadline, Future())
        with self._changed:
            if self._closing:
                item.result.set_exception(ServerError(ErrorKind.STOPPING, "The server is stopping."))
                return item.result
            if not self._has_work():
                self._last_progress = item.queued_at
            self._waiting.append(item)
            self._changed.notify_all()
        item.result.add_done_callback(self._remove_canceled)
        return item.result

    def stuck_seconds(self) -> float:
        """Returns how long there has been work of which the engine has finished nothing."""
        with self._changed:
            return time.monotonic() - self._last_progress if self._has_work() else 0.0

    def _has_work(self) -> bool:
        return bool(self._waiting or self._large or self._is_computing)

    def close(self, timeout: float | None = None) -> bool:
        """Labels all images in the queue, then stops the thread.

        Args:
            timeout: Seconds to wait for that; None to wait for ever.

        Returns:
            Whether it has stopped. An engine that hangs is left behind, with its thread.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)
        self._turns.forget(self._predictor.engine)
        return not self._thread.is_alive()

    def finish_large(self, timeout: float) -> None:
        """Waits until the images that are labeled in windows now are finished.

        Args:
            timeout: Seconds to wait at most.
        """
        with self._changed:
            now = {id(large): large for large in self._large}
            self._changed.wait_for(
                lambda: not any(id(large) in now for large in self._large), max(0.0, timeout)
            )

    def _remove_canceled(self, result: "Future[Prediction]") -> None:
        """Removes a canceled image from the queue, which frees its memory at once."""
        if result.cancelled():
            with self._changed:
                self._waiting = deque(item for item in self._waiting if item.result is not result)
                # The engine may be at the first; it gives it up after this window.
                self._large = deque(
                    large
                    for index, large in enumerate(self._large)
                    if not index or large.item.result is not result
                )
                self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_computing = False
                self._last_progress = time.monotonic()
            if self._large and not self._has_waited():
                self._continue_large()
                self._window_ended = time.monotonic()
                continue
            batch = self._next_batch()
            if not batch:
                if self._large:
                    continue
                return
            self._start(batch)
            del batch  # its images are large, and the next one may be long in coming

    def _start(self, batch: list[PendingImage]) -> None:
        """Computes a batch, or lines up large images."""
        if self._predictor.is_large(batch[0].image):
            with self._changed:
                for item in batch:
                    self._metrics.queue_seconds.observe(time.monotonic() - item.queued_at)
                    self._large.append(_LargeImage(item, self._predictor))
        elif in_time := [item for item in batch if self._start_in_time(item)]:
            self._process(in_time)

    def _has_waited(self) -> bool:
        """Returns whether an image has waited since before the last window of a large one ended."""
        with self._changed:
            return bool(self._waiting) and self._waiting[0].queued_at <= self._window_ended

    def _drop_first(self) -> None:
        with self._changed:
            self._large.popleft()
            self._changed.notify_all()

    def _continue_large(self) -> None:
        """Computes a window of the first large image, if anyone still waits for it."""
        large = self._large[0]
        item = large.item
        if item.result.cancelled() or time.monotonic() > item.deadline:
            self._drop_first()
            large.steps.close()
            if item.result.set_running_or_notify_cancel():
                item.result.set_exception(_waited_too_long(item))
            return
        try:
            with self._turns.take(self._predictor.engine, (1, *item.image.shape)):
                start = time.perf_counter()
                try:
                    next(large.steps)
                finally:
                    large.seconds += time.perf_counter() - start
        except StopIteration as ended:
            self._drop_first()
            self._count(large.seconds, 1)
            if item.result.set_running_or_notify_cancel():
                item.result.set_result(ended.value)
        except Exception as error:  # an engine may raise anything; the next image may succeed
            self._drop_first()
            if item.result.set_running_or_notify_cancel():
                item.result.set_exception(_refusal(error, item))

    def _next_batch(self) -> list[PendingImage]:
        """Waits for images; returns the next batch, an empty one after the last image of a closed batcher."""
        with self._changed:
            matching: list[PendingImage] = []
            while not matching:  # again if the first image was canceled
                while not self._waiting:
                    if self._large or self._closing:
                        return []
                    self._changed.wait()
                matching = self._wait_for_batch(self._waiting[0])
            batch = matching[: 1 << (len(matching).bit_length() - 1)]
            taken = {id(item) for item in batch}
            self._waiting = deque(item for item in self._waiting if id(item) not in taken)
            self._is_computing = True
            return batch

    def _wait_for_batch(self, first: PendingImage) -> list[PendingImage]:
        """Waits for images that match the first; returns all that fit into one batch."""
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
        now = time.monotonic()
        self._metrics.queue_seconds.observe(now - item.queued_at)
        if now <= item.deadline:
            return True
        item.result.set_exception(_waited_too_long(item))
        return False

    def _process(self, batch: list[PendingImage]) -> None:
        images, start = [item.image for item in batch], time.perf_counter()
        results: Sequence[Prediction | Exception]
        try:
            with self._turns.take(self._predictor.engine, (len(images), *images[0].shape)):
                start = time.perf_counter()
                results = self._predictor.predict_each(images, batch[0].with_logits)
        except Exception as error:  # an engine may raise anything; the next batch may succeed
            results = [error] * len(batch)
        if labeled := sum(isinstance(result, Prediction) for result in results):
            self._count(time.perf_counter() - start, labeled)
        for item, result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                item.result.set_exception(_refusal(result, item))
            else:
                item.result.set_result(result)

    def _count(self, seconds: float, images: int) -> None:
        """Counts a batch that the engine has computed."""
        self._metrics.engine_seconds.observe(seconds)
        self._metrics.batch_seconds(images).observe(seconds)
        self._metrics.batch_images.observe(images)
        self._metrics.images.inc(images)
        change = _SMOOTHING if self.seconds_per_image else 1.0
        self.seconds_per_image += change * (seconds / images - self.seconds_per_image)


def _waited_too_long(item: PendingImage) -> ServerError:
    waited = time.monotonic() - item.queued_at
    return ServerError(
        ErrorKind.TIMED_OUT, f"The image waited {waited:.1f} s, longer than allowed. Try again later."
    )


def _refusal(error: Exception, item: PendingImage) -> Exception:
    """Returns the error of a client whose image the engine could not compute.

    Only one that is too large is the client's mistake. The text of other errors may name files of the server.
    """
    if isinstance(error, (MemoryError, ImageTooLargeError)):
        height, width, _ = item.image.shape
        return ServerError(
            ErrorKind.TOO_LARGE, f"Not enough memory for {width} x {height} pixels. Send smaller images."
        )
    return error
