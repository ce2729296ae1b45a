"""Trainings of a thin net on small crops, and callbacks that end them early."""

from pathlib import Path

import keras
import numpy as np

from fcn.config.file import Config


def thin_config(root: Path, train: dict) -> Config:
    """Returns the configuration of a training that takes seconds."""
    return Config.model_validate(
        {
            "data": {"root": root},
            "augmentation": {"crop_size": (16, 16), "color_jitter": 0.1},
            "model": {"width": 1 / 32, "fc_channels": 8, "dropout": 0.5},
            "train": train,
        }
    )


class StopAt(keras.callbacks.Callback):
    """Wishes for the end after a batch of Keras, which may be a part of a step."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if batch == self.batch:
            self.stop()

    def stop(self) -> None:
        self.model.stop_training = True


class CrashAt(StopAt):
    """Ends a session after a batch of Keras, as a crash does: without saving."""

    def stop(self) -> None:
        raise KeyboardInterrupt


def arrays(path: Path) -> list[np.ndarray]:
    """Returns the weights in a `.keras` file."""
    return [weight.numpy() for weight in keras.models.load_model(path, compile=False).weights]
