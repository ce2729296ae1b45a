"""Turns Keras' calls into the steps of a training.

A step is one update of the weights. Keras calls back after each part of a batch, and counts from 0 in each
session. Step callbacks only see steps, counted over the whole training: step 1 is the first update of the
weights.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import keras

from fcn.training import devices
from fcn.training.session import Session


class StepCallback:
    """One thing that happens between the steps of a training."""

    def begin(self, step: int) -> None:
        """Runs before the first step.

        Args:
            step: Updates of the weights so far, in earlier sessions.
        """

    def on_step_begin(self, step: int) -> None:
        """Runs before a step.

        Args:
            step: Its number.
        """

    def on_step(self, step: int, loss: float) -> None:
        """Runs after a step.

        Args:
            step: Updates of the weights so far.
            loss: Of this step.
        """

    def on_error(self, error: BaseException) -> None:
        """Runs before `close` when the training ends before its last step.

        Args:
            error: What ended it; `SystemExit` and `KeyboardInterrupt` too.
        """

    def close(self) -> None:
        """Runs once, however the training ends."""


class StepDispatcher(keras.callbacks.Callback):  # type: ignore[misc]
    """Calls step callbacks for each step, in order.

    Args:
        callbacks: The callbacks to call.
        session: Gives the first step, how many calls of Keras a step takes, whether their losses are averaged
            or summed, and what the processes agree on after each step.

    Attributes:
        step: Updates of the weights so far.
        last_step: Number of steps of the whole training.
        evaluate_steps: Steps between two validations.
    """

    def __init__(self, callbacks: Sequence[StepCallback], session: Session) -> None:
        super().__init__()
        self.callbacks = callbacks
        self.last_step = session.config.train.steps
        self.evaluate_steps = session.config.train.evaluate_steps
        self.start_step = self.step = session.position.step
        self.accumulate = session.config.train.accumulate
        self.reduction = session.config.loss.reduction
        self.consensus = session.consensus
        self._losses: list[float] = []
        self._has_begun = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Calls `begin` of every callback, unless that was done."""
        self.begin()

    def begin(self) -> None:
        """Calls `begin` of every callback once."""
        if self._has_begun:
            return
        self._has_begun = True
        with self.consensus.pending():
            for callback in self.callbacks:
                callback.begin(self.start_step)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Resets the loss Keras averages, so that each batch reports its own."""
        self.model.reset_metrics()
        if batch % self.accumulate == 0:
            for callback in self.callbacks:
                callback.on_step_begin(self.start_step + batch // self.accumulate + 1)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Gathers the losses of the parts of a step."""
        self._losses.append(float((logs or {})["loss"]))
        if keras.backend.backend() == "jax":
            # Until then JAX holds weights and metrics, and the model none to keep or to reset.
            self.model.jax_state_sync()
        step, part = divmod(batch + 1, self.accumulate)
        if part:
            return
        self.step = self.start_step + step
        loss = sum(self._losses) / (len(self._losses) if self.reduction == "mean" else 1)
        self._losses.clear()
        with self.consensus.pending():
            for callback in self.callbacks:
                callback.on_step(self.step, loss)

    @property
    def within(self) -> bool:
        """Whether some parts of a step are done and others are not."""
        return bool(self._losses)

    def on_error(self, error: BaseException) -> None:
        """Calls `on_error` of every callback."""
        for callback in self.callbacks:
            callback.on_error(error)

    def close(self) -> None:
        """Closes every callback, also after one that fails: the last puts signal handlers back."""
        with ExitStack() as stack:
            for callback in reversed(self.callbacks):
                stack.callback(callback.close)


class WholeSteps(keras.callbacks.Callback):  # type: ignore[misc]
    """Delays the end of a training that a callback asks for until the step is whole; comes last.

    Args:
        steps: Knows where a step ends.
    """

    def __init__(self, steps: StepDispatcher) -> None:
        super().__init__()
        self.steps = steps
        self._requested = False

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Holds the request back within a step, and repeats it at its end, in all processes."""
        self._requested = self._requested or self.model.stop_training
        if not self.steps.within:
            self._requested = devices.highest(self._requested) > 0
        self.model.stop_training = self._requested and not self.steps.within
