"""Shows the callbacks of a caller each validation as the end of an epoch of Keras."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from fcn.evaluation.evaluation import Evaluation
from fcn.runs.log import COLUMNS
from fcn.training.checkpoint_callback import CheckpointCallback
from fcn.training.step_callback import StepDispatcher


class Validations(keras.callbacks.Callback):  # type: ignore[misc]
    """Passes everything on to Keras callbacks, but an epoch of theirs lies between two validations.

    Epochs are counted over the whole training, also where it was resumed. Keras' own epoch, which is all that
    is left of the training, is not passed on.

    Args:
        callbacks: The callbacks of the caller.
        steps: Knows the step; comes before this callback, and so has scored already.
        checkpoints: Has the scores; None in every process but the first, where no epochs are seen.
    """

    def __init__(
        self,
        callbacks: Sequence[keras.callbacks.Callback],
        steps: StepDispatcher,
        checkpoints: CheckpointCallback | None,
    ) -> None:
        super().__init__()
        self.callbacks = callbacks
        self.steps = steps
        self.checkpoints = checkpoints
        self._seen: Evaluation | None = None
        self._losses: list[float] = []

    def set_params(self, params: dict[str, Any]) -> None:
        """Passes Keras' numbers on."""
        super().set_params(params)
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: keras.Model) -> None:
        """Passes the net on."""
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Begins the training and its first epoch."""
        for callback in self.callbacks:
            callback.on_train_begin(logs)
        if self.checkpoints is not None:
            self._seen = self.checkpoints.latest
            self._begin_epoch()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Ends the training."""
        for callback in self.callbacks:
            callback.on_train_end(logs)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Passes the start of a batch on."""
        for callback in self.callbacks:
            callback.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Passes the end of a batch on, and ends the epoch if a validation came after it."""
        if self.checkpoints is not None:
            self._losses.append(float((logs or {})["loss"]))
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)
        found = self.checkpoints.latest if self.checkpoints is not None else None
        if found is None or found is self._seen:
            return
        self._seen = found
        self._end_epoch(found)

    def _epoch(self, step: int) -> int:
        """Returns the number of the epoch, from 0, in which a step is."""
        return (step - 1) // self.steps.evaluate_steps

    def _begin_epoch(self) -> None:
        self._losses.clear()
        for callback in self.callbacks:
            callback.on_epoch_begin(self._epoch(self.steps.step + 1))

    def _end_epoch(self, evaluation: Evaluation) -> None:
        scores = {key: value for key, value in evaluation.scores._asdict().items() if key in COLUMNS}
        logs = {"loss": sum(self._losses) / len(self._losses)} | {
            f"val_{key}": 0.0 if math.isnan(value) else float(value) for key, value in scores.items()
        }
        if not math.isnan(evaluation.loss):
            logs["val_loss"] = float(evaluation.loss)
        for callback in self.callbacks:
            callback.on_epoch_end(self._epoch(self.steps.step), logs)
        if self.steps.step < self.steps.last_step and not self.model.stop_training:
            self._begin_epoch()
