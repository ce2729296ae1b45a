"""Versions of the served model: the newest is loaded, and is replaced by a newer one without downtime."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fcn.classes import Classes
from fcn.errors import FcnError, RunError
from fcn.inference.engines.signatures import Signature, signatures
from fcn.inference.predictor import Predictor
from fcn.runs.arrival import Arrivals, file_sizes
from fcn.runs.folder import exported_versions, is_exported, model_file
from fcn.server.batcher import Batcher
from fcn.server.interface import ErrorKind, ServerError, VersionState
from fcn.server.limits import Limits
from fcn.server.observability.metrics import Metrics, Values

_LOG = logging.getLogger("fcn.server")
_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 2.0, 60.0
_LONGEST_ARRIVAL_SECONDS = 600.0
_LOOK_SECONDS = 0.2
# An engine prepares some things only once, with the first image.
_WARM_UP_SIZE = (384, 512)

LOADING, AVAILABLE, UNLOADING, END = "LOADING", "AVAILABLE", "UNLOADING", "END"
"""States of a version, as in TensorFlow Serving."""


class LoadedVersion:
    """Version that is loaded.

    Args:
        number: Its number.
        predictor: The net that labels images.
        limits: Limits of batches.
        metrics: Metrics of the server.

    Attributes:
        number: Its number.
        classes: Names and colors of its classes.
        signatures: Its signatures by name.
        engine_name: Name and precision of the engine, such as "openvino int8".
        batcher: Queue of its engine.
    """

    def __init__(self, number: int, predictor: Predictor, limits: Limits, metrics: Metrics) -> None:
        self.number = number
        self.classes: Classes = predictor.classes
        self.bits = predictor.bits
        self.signatures: dict[str, Signature] = signatures(len(predictor.classes.names))
        self.engine_name = f"{predictor.engine.name} {predictor.engine.precision}"
        self.batcher = Batcher(predictor, limits.batch_images, limits.batch_wait_seconds, metrics)
        self.values_before: Values = {}
        """Metrics of the server before its first request; `VersionManager` sets them."""
        self.active_requests = 0
        """Number of requests that use it; `VersionManager` counts them."""

    def warm_up(self) -> None:
        """Labels a gray image, so that the first real one does not wait for one-time preparations."""
        image = np.full((*_WARM_UP_SIZE, 3), 128, np.uint8)
        self.batcher.submit(image, float("inf")).result()


class VersionManager:
    """Manager that keeps the newest version of a model loaded.

    It polls the folder of versions. A newer version that has arrived whole is loaded beside the current one
    and then replaces it; the old one is unloaded after its last request. The current version is loaded again
    when further files, of another format for example, have arrived in its folder. A version that cannot be
    loaded is tried again later; meanwhile the current one stays, or at the start the newest one that can be
    loaded. If the newest version is removed, the one before it is loaded again. A model that is not a folder
    of versions is never replaced; its version is the number in the name of its folder, or 1.

    Args:
        model: A folder of versions, or a version, run folder or `.keras` file.
        open_predictor: Opens the net at the path of a model.
        limits: Limits of batches.
        metrics: Metrics of the server.
        poll_seconds: Seconds between two looks at the folder.
        settle_seconds: A version that does not list its files has arrived when they have not changed for so
            long.

    Raises:
        FcnError: If no version can be loaded.
    """

    def __init__(
        self,
        model: Path,
        open_predictor: Callable[[Path], Predictor],
        limits: Limits,
        metrics: Metrics,
        poll_seconds: float = 2.0,
        settle_seconds: float = 5.0,
    ) -> None:
        self._model, self._open_predictor, self._limits, self._metrics = (
            model,
            open_predictor,
            limits,
            metrics,
        )
        self._changed = threading.Condition()
        self._states: dict[int, VersionState] = {}
        self._retry_at: dict[int, tuple[float, float]] = {}
        self._stopped = threading.Event()
        self._arrivals = Arrivals(settle_seconds)
        self._files: dict[str, int] = {}
        self._served: int | None = None
        self._current = self._load_newest(poll_seconds)
        self._watcher = threading.Thread(
            target=self._watch, args=(poll_seconds,), name="fcn-versions", daemon=True
        )
        self._watcher.start()

    def states(self) -> Sequence[VersionState]:
        """Returns the state of each version, newest first."""
        with self._changed:
            return sorted(self._states.values(), key=lambda state: -state.version)

    @contextmanager
    def lease(self, version: int | None) -> Iterator[LoadedVersion]:
        """Yields a version and keeps it loaded until the block ends.

        Args:
            version: Its number; None for the newest.

        Raises:
            ServerError: If it is not loaded.
        """
        with self._changed:
            loaded = self._current
            if version not in (None, loaded.number):
                raise ServerError(
                    ErrorKind.NOT_FOUND,
                    f"Version {version} is not served. Leave the version out, or request version "
                    f"{loaded.number}.",
                )
            loaded.active_requests += 1
        try:
            yield loaded
        finally:
            with self._changed:
                loaded.active_requests -= 1
                self._changed.notify_all()

    def close(self) -> None:
        """Stops polling, answers accepted requests, and unloads the current version."""
        self._stopped.set()
        self._watcher.join(self._limits.stop_seconds)
        self._unload(self._current)

    def _find_versions(self) -> list[tuple[int, Path]]:
        """Returns the versions in the folder, oldest first."""
        if (self._model / "saved_model.pb").exists() or not is_exported(self._model):
            if not is_exported(self._model):
                model_file(self._model)  # raises an error for a wrong path before an engine is opened
            name = self._model.name
            return [(int(name) if name.isdecimal() else 1, self._model)]
        return [(int(path.name), path) for path in exported_versions(self._model)]

    def _arrived_versions(self) -> list[tuple[int, Path]]:
        """Returns the versions that have arrived whole, oldest first. A version that is named has."""
        return [
            (number, path)
            for number, path in self._find_versions()
            if path == self._model or self._arrivals.has_arrived(path)
        ]

    def _load_newest(self, poll_seconds: float) -> LoadedVersion:
        """Loads the newest version that can be loaded, so that a damaged one does not prevent the start."""
        versions, errors = self._arrived_versions(), []
        until = time.monotonic() + _LONGEST_ARRIVAL_SECONDS
        if not versions:
            _LOG.info("waiting for a version that is being copied", extra={"model": str(self._model)})
        while not versions:
            if time.monotonic() > until:
                raise RunError(
                    f"{self._model}: no version has arrived whole within "
                    f"{_LONGEST_ARRIVAL_SECONDS:.0f} s. Copy it again."
                )
            time.sleep(min(poll_seconds, _LOOK_SECONDS))
            versions = self._arrived_versions()
        for number, path in reversed(versions):
            try:
                return self._load(number, path)
            except Exception as error:  # a damaged version may raise anything
                errors.append(error)
                if len(errors) < len(versions):
                    self._schedule_retry(number, error)
        raise errors[0]

    def _load(self, number: int, path: Path) -> LoadedVersion:
        files, start = file_sizes(path), time.monotonic()
        is_again = number == self._served  # it stays available meanwhile, whatever comes of this
        if not is_again:
            self._set_state(number, LOADING)
        try:
            loaded = LoadedVersion(number, self._open_predictor(path), self._limits, self._metrics)
        except Exception as error:
            if not is_again:
                self._set_state(number, END, str(error))
            raise
        try:
            loaded.warm_up()
        except Exception as error:
            loaded.batcher.close(self._limits.stop_seconds)
            if not is_again:
                self._set_state(number, END, str(error))
            if isinstance(error, ServerError):  # not the error of a client
                height, width = _WARM_UP_SIZE
                raise RunError(
                    f"{path}: cannot label a first image of {width} x {height} pixels. {error.message}"
                ) from error
            raise
        self._files, self._served = files, number
        loaded.values_before = self._metrics.values()
        self._metrics.version.set(number)
        self._set_state(number, AVAILABLE)
        _LOG.info(
            "version loaded",
            extra={"version": number, "engine": loaded.engine_name, "seconds": time.monotonic() - start},
        )
        return loaded

    def _watch(self, poll_seconds: float) -> None:
        while not self._stopped.wait(poll_seconds):
            try:
                wanted = self._find_wanted()
            except (OSError, RunError):
                continue  # the folder is gone, maybe only for a moment: the loaded version stays
            if wanted is not None and self._may_retry(wanted[0]):
                self._replace(*wanted)

    def _find_wanted(self) -> tuple[int, Path] | None:
        """Returns the version to load now; None if that is the one that is loaded, as it is."""
        present, current = dict(self._find_versions()), self._current.number
        path = present.get(current)
        if path == self._model:
            return None
        if path is None:  # it was taken away
            return max(self._arrived_versions(), default=None)
        for number in sorted(present, reverse=True):
            if number > current and self._arrivals.has_arrived(present[number]):
                return number, present[number]
        further = set(file_sizes(path).items()) - set(self._files.items())
        return (current, path) if further and self._arrivals.has_arrived(path) else None

    def _may_retry(self, number: int) -> bool:
        return time.monotonic() >= self._retry_at.get(number, (0.0, 0.0))[0]

    def _replace(self, number: int, path: Path) -> None:
        try:
            loaded = self._load(number, path)
        except Exception as error:  # a damaged version may raise anything; the old one stays
            self._schedule_retry(number, error)
            return
        with self._changed:
            old, self._current = self._current, loaded
        self._retry_at.pop(number, None)
        self._unload(old)

    def _schedule_retry(self, number: int, error: Exception) -> None:
        """Schedules another try, with a wait that doubles each time."""
        _, last_wait = self._retry_at.get(number, (0.0, _FIRST_RETRY_SECONDS / 2))
        wait = min(_LAST_RETRY_SECONDS, 2 * last_wait)
        self._retry_at[number] = (time.monotonic() + wait, wait)
        _LOG.error(
            "version could not be loaded",
            extra={"version": number, "error": str(error), "retry_seconds": wait},
            exc_info=None if isinstance(error, FcnError) else error,
        )

    def _unload(self, loaded: LoadedVersion) -> None:
        is_replaced = loaded is not self._current and loaded.number == self._current.number
        if not is_replaced:
            self._set_state(loaded.number, UNLOADING)
        with self._changed:
            self._changed.wait_for(lambda: loaded.active_requests == 0, timeout=self._limits.stop_seconds)
        if not loaded.batcher.close(self._limits.stop_seconds):
            _LOG.error("the engine of a version hangs and is left behind", extra={"version": loaded.number})
        if not is_replaced:
            self._set_state(loaded.number, END)
        _LOG.info("version unloaded", extra={"version": loaded.number})

    def _set_state(self, number: int, state: str, error: str = "") -> None:
        with self._changed:
            self._states[number] = VersionState(number, state, error)
