"""A process that does one thing, again and again, whenever it is asked, and says how long that took.

In a process of its own, what a net takes is its own: memory that another one left is not counted.
"""

import gc
import os
import re
import resource
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
from fcn.system.stderr import stderr_held_back

# So small that no weight changes and no loss grows, whatever the number of steps.
_LEARNING_RATE = 1e-8
_STATUS = Path("/proc/self/status")
_WHILE_IT_LIVES = ExitStack()
"""What is entered for the rest of the process: what nobody holds any more, Python would leave at once."""

Size = tuple[int, int]


class Task(Protocol):
    """What is timed."""

    def start(self) -> None:
        """Starts what every task of its kind needs."""

    def begin(self) -> Callable[[], object]:
        """Prepares it, and returns what does it once."""


class Labeling(NamedTuple):
    """Labeling one image.

    Attributes:
        model: A run folder or a `.keras` file.
        engine: What computes.
        precision: What it computes in.
        size: (height, width) of the image.
    """

    model: Path
    engine: str
    precision: str
    size: Size

    def start(self) -> None:
        """Starts the backend."""
        start_backend(self.engine)

    def begin(self) -> Callable[[], object]:
        """Loads the net; what an image shows changes nothing, so it is noise."""
        from fcn.inference.predictor import Predictor

        predictor = Predictor(self.model, self.engine, self.precision)
        image = np.random.default_rng(0).integers(0, 256, (*self.size, 3), np.uint8)
        return lambda: predictor.predict(image)


class TrainingStep(NamedTuple):
    """One step of a training on a device, without reading its data.

    Attributes:
        config: Of the training.
        size: (height, width) of its images, where it has no crops.
        classes: What the net tells apart; the data it was trained on need not be there any more.
    """

    config: Config
    size: Size
    classes: Classes

    def start(self) -> None:
        """Starts the backend that Keras runs on."""
        start_backend()

    def begin(self) -> Callable[[], object]:
        """Builds and compiles the net as training does, for a batch of noise."""
        from fcn.runs.configured_net import build_configured
        from fcn.training.compiling import compile_net
        from fcn.training.precision import computing_in, usable_precision

        settings, loss, crop = self.config.train, self.config.loss, self.config.augmentation.crop_size
        _WHILE_IT_LIVES.enter_context(computing_in(usable_precision(settings.precision, crop)))
        net = build_configured(self.config, self.classes)
        weights = None if loss.class_weights == "none" else np.ones(net.num_classes)
        slow = settings.model_copy(update={"learning_rate": _LEARNING_RATE})
        compile_net(net, self.config.model_copy(update={"train": slow}), weights)
        rng = np.random.default_rng(0)
        shape = (settings.batch_size // settings.accumulate, *(crop or self.size))
        images = rng.integers(0, 256, (*shape, 3)).astype(np.float32)
        labels = rng.integers(0, net.num_classes, shape).astype(np.int32)

        def step() -> None:
            for _ in range(settings.accumulate):
                net.train_on_batch(images, labels)

        return step


class Ready(NamedTuple):
    """The task has started.

    Attributes:
        peak_bytes: The most memory the process has had so far, with a backend and without any net.
    """

    peak_bytes: int


class Done(NamedTuple):
    """What was asked for was done once.

    Attributes:
        seconds: How long it took.
        peak_bytes: The most memory the process has had so far.
    """

    seconds: float
    peak_bytes: int


class Failed(NamedTuple):
    """It cannot be done.

    Attributes:
        reason: Why.
    """

    reason: str


def do_when_asked(task: Task, connection: Connection) -> None:
    """Answers `Ready` once, and then each request with `Done` or `Failed`, until the asker is gone.

    Args:
        task: What to do.
        connection: To the asker; what it sends means nothing.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the asker gets it too, and ends this
    # JAX would take most of a GPU's memory for each of the processes, which wait side by side.
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # stdout is for the result of the command
    once: Callable[[], object] | None = None
    try:
        with stderr_held_back():  # what the asker's own backend said when it started
            task.start()
        connection.send(Ready(peak_bytes()))
        while True:
            connection.recv()
            once = once or task.begin()
            gc.collect()
            start = time.perf_counter()
            once()
            connection.send(Done(time.perf_counter() - start, peak_bytes()))
    except (EOFError, BrokenPipeError):
        pass
    except Exception as error:  # whatever it is, the asker goes on without this net
        connection.send(Failed(f"{type(error).__name__}: {error}"))


def peak_bytes() -> int:
    """Returns the most memory this process has had.

    Linux counts `ru_maxrss` from what the process that started this one had, so it is only for others.
    """
    if _STATUS.exists() and (found := re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())):
        return int(found[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
