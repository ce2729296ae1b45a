"""Images that an engine labels in windows, in turns with others."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from fcn.inference.predictor import Predictor
from fcn.outputs.prediction import Prediction
from fcn.server.engine_turns import Turn
from fcn.server.observability.metrics import ModelMetrics
from fcn.server.pending_image import PendingImage


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


class LargeImages:
    """Queue of images that are labeled in windows, one image after the other.

    Args:
        predictor: The net that labels them.
        metrics: Metrics in which they are counted.
        changed: Lock of the queue of all images; it is notified when an image leaves this one.
        count: Is called with the seconds of the engine for an image, and with 1.
    """

    def __init__(
        self,
        predictor: Predictor,
        metrics: ModelMetrics,
        changed: threading.Condition,
        count: Callable[[float, int], None],
    ) -> None:
        self._predictor, self._metrics = predictor, metrics
        self._changed, self._count = changed, count
        self._images: deque[_LargeImage] = deque()
        self._current: _LargeImage | None = None

    def __len__(self) -> int:
        """Returns how many there are."""
        return len(self._images)

    def add(self, items: Sequence[PendingImage]) -> None:
        """Adds images at the end."""
        with self._changed:
            self._images.extend(_LargeImage(item, self._predictor) for item in items)

    def remove(self, result: "Future[Prediction]") -> None:
        """Removes a canceled image; one that the engine computes now is given up after this window."""
        with self._changed:
            self._images = deque(
                large for large in self._images if large is self._current or large.item.result is not result
            )
            self._changed.notify_all()

    def wait_for_present(self, timeout: float) -> None:
        """Waits until the images that are here now are finished.

        Args:
            timeout: Seconds to wait at most.
        """
        with self._changed:
            now = {id(large): large for large in self._images}
            self._changed.wait_for(
                lambda: not any(id(large) in now for large in self._images), max(0.0, timeout)
            )

    def continue_first(self, turn: Turn) -> None:
        """Computes a window of the first image, if there is one for which anyone still waits.

        Args:
            turn: The turn of the engine.
        """
        with self._changed:
            if not self._images:
                return
            large = self._current = self._images[0]
        outcome = self._compute_window(large, turn)
        result = large.item.result
        with self._changed:
            self._current = None
            if outcome is not None or result.cancelled():
                self._images.popleft()
                self._changed.notify_all()
        if outcome is None or not result.set_running_or_notify_cancel():
            return
        if isinstance(outcome, Exception):
            result.set_exception(outcome)
        else:
            result.set_result(outcome)

    def _compute_window(self, large: _LargeImage, turn: Turn) -> Prediction | Exception | None:
        """Computes a window; returns the result or the error of the image, or None if windows are left."""
        item = large.item
        if not item.is_wanted():
            large.steps.close()
            return item.late_error()
        if not large.seconds:
            self._metrics.queue_seconds.observe(time.monotonic() - item.queued_at)
        try:
            turn.make_room((1, *item.image.shape))
            start = time.perf_counter()
            try:
                next(large.steps)
            finally:
                large.seconds += time.perf_counter() - start
        except StopIteration as ended:
            self._count(large.seconds, 1)
            prediction: Prediction = ended.value
            return prediction
        except Exception as error:  # an engine may raise anything; the next image may succeed
            return item.refusal(error)
        return None
