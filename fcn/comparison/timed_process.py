"""A process that repeats one task whenever it is asked to, and measures time and memory.

Each task has a process of its own, so that memory of other tasks is not counted.
"""

import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from fcn.classes import Classes
from fcn.config.file import Config
from fcn.system.backend import start_backend
from fcn.system.memory import peak_bytes
from fcn.system.stderr import stderr_held_back

# So small that the weights stay as they are and the loss stays finite, whatever the number of steps.
_LEARNING_RATE = 1e-8
_UNTIL_EXIT = ExitStack()
"""Holds contexts until the process ends; Python would leave one that is not referenced."""

Size = tuple[int, int]


class Task(Protocol):
    """Something to time."""

    def start(self) -> None:
        """Starts the backend that the task needs."""

    def begin(self) -> Callable[[], object]:
        """Prepares the task, and returns a function that does it once."""


class Labeling(NamedTuple):
    """Labeling one image.

    Attributes:
        model: A run folder or a `.keras` file.
        engine: Engine that computes the label.
        precision: Precision of the engine.
        size: (height, width) of the image.
        trust: Whether to load also a model with parts that could run code.
    """

    model: Path
    engine: str
    precision: str
    size: Size
    trust: bool = False

    def start(self) -> None:
        """Starts the backend."""
        start_backend(self.engine)

    def begin(self) -> Callable[[], object]:
        """Loads the net; the image is noise, since its content does not matter."""
        from fcn.inference.predictor import Predictor

        predictor = Predictor(self.model, self.engine, self.precision, trust=self.trust)
        image = np.random.default_rng(0).integers(0, 256, (*self.size, 3), np.uint8)
        return lambda: predictor.predict(image)


class TrainingStep(NamedTuple):
    """One step of a training on a device, without reading its data.

    Attributes:
        config: Configuration of the training.
        size: (height, width) of its images, if it does not crop them.
        classes: The classes of the net; its training data need not exist any more.
        trust: Whether to load also a teacher with parts that could run code.
    """

    config: Config
    size: Size
    classes: Classes
    trust: bool = False

    def start(self) -> None:
        """Starts the backend that Keras runs on."""
        start_backend()

    def begin(self) -> Callable[[], object]:
        """Builds and compiles the net as training does, with its teacher, and makes a batch of noise."""
        from fcn.runs.configured_net import build_configured
        from fcn.training.compiling import compile_net
        from fcn.training.distillation import learner_of
        from fcn.training.precision import computing_in, usable_precision
        from fcn.training.teacher import load_teacher

        settings, loss, crop = self.config.train, self.config.loss, self.config.augmentation.crop_size
        _UNTIL_EXIT.enter_context(computing_in(usable_precision(settings.precision, crop)))
        net = build_configured(self.config, self.classes)
        weights = None if loss.class_weights == "none" else np.ones(net.num_classes)
        compile_net(net, self.config.with_values("train", learning_rate=_LEARNING_RATE), weights)
        name = settings.teacher
        teacher = None if name is None else load_teacher(name, self.config, self.classes, self.trust)
        learner = learner_of(net, teacher, self.config)
        rng = np.random.default_rng(0)
        shape = (settings.batch_size // settings.accumulate, *(crop or self.size))
        images = rng.integers(0, 256, (*shape, 3)).astype(np.float32)
        labels = rng.integers(0, net.num_classes, shape).astype(np.int32)

        def step() -> None:
            for _ in range(settings.accumulate):
                learner.train_on_batch(images, labels)

        return step


class Ready(NamedTuple):
    """The answer that the backend has started.

    Attributes:
        peak_bytes: Peak memory of the process so far, with a backend and without a net.
    """

    peak_bytes: int


class Done(NamedTuple):
    """The answer that the task was done once.

    Attributes:
        seconds: Duration.
        peak_bytes: Peak memory of the process so far.
    """

    seconds: float
    peak_bytes: int


class Failed(NamedTuple):
    """The answer that the task failed.

    Attributes:
        reason: The error.
    """

    reason: str


def run_on_request(task: Task, connection: Connection) -> None:
    """Sends `Ready` once, and then answers each request with `Done` or `Failed`, until the parent ends.

    Args:
        task: The task.
        connection: To the parent; any message is a request.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and ends this process
    # JAX would reserve most of a GPU's memory for each process, and all of them wait at the same time.
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # stdout is for the result of the command
    once: Callable[[], object] | None = None
    try:
        with stderr_held_back():  # the parent's backend printed the same when it started
            task.start()
        connection.send(Ready(peak_bytes() or 0))
        while True:
            connection.recv()
            once = once or task.begin()
            gc.collect()
            start = time.perf_counter()
            once()
            connection.send(Done(time.perf_counter() - start, peak_bytes() or 0))
    except (EOFError, BrokenPipeError):
        pass
    except Exception as error:  # whatever it is, the parent continues without this net
        connection.send(Failed(f"{type(error).__name__}: {error}"))
