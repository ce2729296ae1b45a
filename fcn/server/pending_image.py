"""Image in the queue of an engine."""

import time
from concurrent.futures import Future
from typing import NamedTuple

from fcn.data.image_io import Pixels
from fcn.errors import ImageTooLargeError
from fcn.outputs.prediction import Prediction
from fcn.server.interface import ErrorKind, ServerError


class PendingImage(NamedTuple):
    """Image in the queue of an engine.

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

    def is_wanted(self) -> bool:
        """Returns whether its client still waits for it."""
        return not self.result.cancelled() and time.monotonic() <= self.deadline

    def late_error(self) -> ServerError:
        """Returns the error of a client whose image has waited for longer than allowed."""
        waited = time.monotonic() - self.queued_at
        return ServerError(
            ErrorKind.TIMED_OUT, f"The image waited {waited:.1f} s, longer than allowed. Try again later."
        )

    def refusal(self, error: Exception) -> Exception:
        """Returns the error of a client whose image the engine could not compute.

        Only one that is too large is the client's mistake. The text of other errors may name files of the
        server.
        """
        if isinstance(error, (MemoryError, ImageTooLargeError)):
            height, width, _ = self.image.shape
            return ServerError(
                ErrorKind.TOO_LARGE,
                f"Not enough memory for {width} x {height} pixels. Send smaller images.",
            )
        return error
