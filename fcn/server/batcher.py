"""One engine in one thread; waiting images of the same size are labeled as one batch.

An image that the engine labels in windows would keep all others waiting. So between two of its windows, the
images that have arrived meanwhile are labeled.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import islice

from fcn.data.image_io import Pixels
from fcn.inference.engines.engine import BATCH_PIXELS
from fcn.inference.predictor import Predictor
from fcn.outputs.prediction import Prediction
from fcn.server.engine_turns import EngineTurns, Turn
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.large_images import LargeImages
from fcn.server.observability.metrics import ModelMetrics
from fcn.server.pending_image import PendingImage

_SMOOTHING = 0.1
"""Weight of the newest value in the moving average of the seconds per image."""


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
        self._window_ended = 0.0
        self._is_computing = False
        self._last_progress = 0.0
        self._changed = threading.Condition()
        self._large = LargeImages(predictor, metrics, self._changed, self._count)
        self._closing = False
        self._when_stopped: Callable[[], object] | None = None
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

    def close(self, timeout: float | None = None, when_stopped: Callable[[], object] | None = None) -> bool:
        """Labels all images in the queue, then stops the thread.

        Args:
            timeout: Seconds to wait for that; None to wait for ever.
            when_stopped: Is called when the engine computes nothing any more: before this returns True, or
                later by the thread.

        Returns:
            Whether it has stopped. An engine that hangs is left behind, with its thread.
        """
        with self._changed:
            self._when_stopped = when_stopped
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
        self._large.wait_for_present(timeout)

    def _remove_canceled(self, result: "Future[Prediction]") -> None:
        """Removes a canceled image from the queue, which frees its memory at once."""
        if result.cancelled():
            with self._changed:
                self._waiting = deque(item for item in self._waiting if item.result is not result)
                self._large.remove(result)
                self._changed.notify_all()

    def _run(self) -> None:
        while self._wait_for_work():
            with self._turns.take(self._predictor.engine) as turn:
                with self._changed:
                    self._is_computing = True
                self._compute(turn)
            with self._changed:
                self._is_computing = False
                self._last_progress = time.monotonic()
        if self._when_stopped is not None:
            self._when_stopped()

    def _wait_for_work(self) -> bool:
        """Waits for a whole batch or a large image; returns False when a closed batcher has no more."""
        with self._changed:
            while not self._large or self._has_waited():
                if not self._waiting:
                    if self._closing:
                        return False
                    self._changed.wait()
                elif self._wait_for_batch(self._waiting[0]):  # nothing if the first was canceled
                    break
            return True

    def _compute(self, turn: Turn) -> None:
        """Computes a batch, or a window of a large image.

        The images leave the queue only now, when the engine has its turn: those whose clients have left
        meanwhile are not among them.
        """
        batch = [] if self._large and not self._has_waited() else self._next_batch()
        if batch and not self._predictor.is_large(batch[0].image):
            if in_time := [item for item in batch if self._start_in_time(item)]:
                self._process(in_time, turn)
            return
        self._large.add(batch)
        if not self._has_waited():
            self._large.continue_first(turn)
            self._window_ended = time.monotonic()

    def _has_waited(self) -> bool:
        """Returns whether an image has waited since before the last window of a large one ended."""
        with self._changed:
            return bool(self._waiting) and self._waiting[0].queued_at <= self._window_ended

    def _next_batch(self) -> list[PendingImage]:
        """Returns the next batch; it is empty if no image waits."""
        with self._changed:
            if not self._waiting:
                return []
            matching = self._find_matching(self._waiting[0])
            batch = matching[: 1 << (len(matching).bit_length() - 1)]
            taken = {id(item) for item in batch}
            self._waiting = deque(item for item in self._waiting if id(item) not in taken)
            return batch

    def _wait_for_batch(self, first: PendingImage) -> list[PendingImage]:
        """Waits for images that match the first; returns all that fit into one batch."""
        until = first.queued_at + self._wait_seconds
        matching = self._find_matching(first)
        while (
            0 < len(matching) < self._batch_size(first)
            and not self._closing
            and (left := until - time.monotonic()) > 0
        ):
            self._changed.wait(left)
            matching = self._find_matching(first)
        return matching

    def _batch_size(self, item: PendingImage) -> int:
        """Returns how many images like this one may be in a batch."""
        return min(self._batch_images, max(1, BATCH_PIXELS // (item.image.size // 3)))

    def _find_matching(self, first: PendingImage) -> list[PendingImage]:
        """Returns the images that can be in a batch with one, at most as many as it may hold."""
        matching = (item for item in self._waiting if item.can_batch_with(first))
        return list(islice(matching, self._batch_size(first)))

    def _start_in_time(self, item: PendingImage) -> bool:
        if not item.result.set_running_or_notify_cancel():
            return False
        now = time.monotonic()
        self._metrics.queue_seconds.observe(now - item.queued_at)
        if now <= item.deadline:
            return True
        item.result.set_exception(item.late_error())
        return False

    def _process(self, batch: list[PendingImage], turn: Turn) -> None:
        images, start = [item.image for item in batch], time.perf_counter()
        results: Sequence[Prediction | Exception]
        try:
            turn.make_room((len(images), *images[0].shape))
            start = time.perf_counter()
            results = self._predictor.predict_each(images, batch[0].with_logits)
        except Exception as error:  # an engine may raise anything; the next batch may succeed
            results = [error] * len(batch)
        if labeled := sum(isinstance(result, Prediction) for result in results):
            self._count(time.perf_counter() - start, labeled)
        for item, result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                item.result.set_exception(item.refusal(result))
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
