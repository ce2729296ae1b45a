"""One version of a model, loaded and warm."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fcn.classes import Classes
from fcn.errors import RunError
from fcn.inference.engines.signatures import Signature, signatures
from fcn.inference.predictor import Predictor
from fcn.runs.arrival import file_sizes
from fcn.server.batcher import Batcher
from fcn.server.engine_memory import EngineShare
from fcn.server.interface import ServerError
from fcn.server.observability.metrics import ModelMetrics, Values
from fcn.server.resources import ServerResources

# An engine prepares some things only once, with the first image.
_WARM_UP_SIZE = (384, 512)
# That can take far longer than what clients are promised for theirs, `--timeout`.
_WARM_UP_SECONDS = 60.0
# An engine that has not labeled the only image by then hangs; its thread and its memory are left behind.
_CLOSE_SECONDS = 1.0


class LoadedVersion:
    """Version that is loaded.

    Args:
        number: Its number.
        path: Its folder or file.
        files: Sizes of its files before it was opened.
        predictor: The net that labels images.
        share: Memory of the engine.
        resources: Resources of the server.
        metrics: Metrics of the model.

    Attributes:
        number: Its number.
        path: Its folder or file.
        files: Sizes of its files before it was opened.
        classes: Names and colors of its classes.
        bits: How many bits the values of image files of 16 bits use.
        signatures: Its signatures by name.
        engine_name: Name and precision of the engine, such as "openvino int8".
        batcher: Queue of its engine.
        values_before: Metrics of the model before its first request; `VersionManager` sets them.
        active_requests: Number of requests that use it; `VersionManager` counts them.
    """

    def __init__(
        self,
        number: int,
        path: Path,
        files: dict[str, int],
        predictor: Predictor,
        share: EngineShare,
        resources: ServerResources,
        metrics: ModelMetrics,
    ) -> None:
        self.number, self.path, self.files = number, path, files
        self.classes: Classes = predictor.classes
        self.bits = predictor.bits
        self.signatures: dict[str, Signature] = signatures(len(predictor.classes.names))
        self.engine_name = f"{predictor.engine.name} {predictor.engine.precision}"
        limits = resources.limits
        self.batcher = Batcher(
            predictor, limits.batch_images, limits.batch_wait_seconds, metrics, resources.turns
        )
        self._share, self._resources = share, resources
        self.values_before: Values = {}
        self.active_requests = 0

    def close(self, seconds: float) -> bool:
        """Labels what is in the queue and unloads the engine; returns False if it hangs and is left behind.

        An engine that is left behind gives its memory to the others if it ends after all.

        Args:
            seconds: How long to wait for the engine.
        """
        return self.batcher.close(seconds, self._share.free)

    def warm_up(self) -> None:
        """Labels a gray image, so that the first real one does not wait for one-time preparations.

        Raises:
            RunError: If the engine lacks memory for it, or has not labeled it in time.
        """
        # The engine that computes before it may take as long until it is taken to hang.
        seconds = max(_WARM_UP_SECONDS, 2 * self._resources.limits.answer_seconds)
        height, width = _WARM_UP_SIZE
        image = np.full((height, width, 3), 128, np.uint8)
        first = self.batcher.submit(image, float("inf"))
        try:
            first.result(seconds)
        except ServerError as error:  # not the error of a client
            raise RunError(
                f"{self.path}: cannot label a first image of {width} x {height} pixels. {error.message}"
            ) from error
        except TimeoutError as error:
            if first.done():
                raise
            raise RunError(
                f"{self.path}: has not labeled a first image of {width} x {height} pixels within "
                f"{seconds:g} s. Allow more time with --timeout, or export a smaller net."
            ) from error


def load_version(
    number: int,
    path: Path,
    open_predictor: Callable[[Path], Predictor],
    resources: ServerResources,
    metrics: ModelMetrics,
) -> LoadedVersion:
    """Loads a version, and labels a first image.

    Args:
        number: Its number.
        path: Its folder or file.
        open_predictor: Opens its net.
        resources: Resources of the server.
        metrics: Metrics of the model.

    Raises:
        NotEnoughMemoryError: If it does not fit beside the models that are loaded.
        FcnError: If it cannot be loaded, or cannot label an image in time.
    """
    share = resources.memory.reserve(path)
    try:
        resources.memory.finish_large(resources.limits.answer_seconds)
        resources.turns.release_beyond_limit()
        files = file_sizes(path)  # before it is opened: what arrives meanwhile is not in it
        predictor = open_predictor(path)
        loaded = LoadedVersion(number, path, files, predictor, share, resources, metrics)
    except BaseException:
        share.free()
        raise
    try:
        share.attach(predictor.engine, loaded.batcher)
        loaded.warm_up()
    except BaseException:
        loaded.close(_CLOSE_SECONDS)
        raise
    return loaded
