"""Versions of the served model: the newest is loaded, and is replaced by a newer one without downtime."""

import gc
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fcn.errors import RunError
from fcn.inference.predictor import Predictor
from fcn.server.engine_memory import NotEnoughMemoryError
from fcn.server.interface import ErrorKind, ServerError, VersionState
from fcn.server.load_errors import describe_load_error
from fcn.server.load_retries import LoadRetries
from fcn.server.loaded_version import LoadedVersion, load_version
from fcn.server.observability.metrics import ModelMetrics
from fcn.server.resources import ServerResources
from fcn.server.version_folder import VersionFolder

_LOG = logging.getLogger("fcn.server")
_CLOSE_SECONDS = 0.1
"""Time in which an engine without work ends."""

LOADING, AVAILABLE, UNLOADING, END = "LOADING", "AVAILABLE", "UNLOADING", "END"
"""States of a version, as in TensorFlow Serving."""


class VersionManager:
    """Manager that keeps the newest version of a model loaded.

    It polls the folder of versions. A newer version that has arrived whole is loaded beside the current one
    and then replaces it; the old one is unloaded after its last request. If the memory does not hold both,
    the new one is refused; or the old one is unloaded first, if the resources say so. The current version is
    loaded again when further files, of another format for example, have arrived in its folder. A version that
    cannot be loaded is tried again later; meanwhile the current one stays, or at the start the newest one
    that can be loaded. If the newest version is removed, the one before it is loaded again. A model that is
    not a folder of versions is never replaced; its version is the number in the name of its folder, or 1.

    Args:
        model: A folder of versions, or a version, run folder or `.keras` file.
        open_predictor: Opens the net at the path of a model.
        resources: Resources of the server.
        metrics: Metrics of the model.
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
        resources: ServerResources,
        metrics: ModelMetrics,
        poll_seconds: float = 2.0,
        settle_seconds: float = 5.0,
    ) -> None:
        self._folder, self._open_predictor = VersionFolder(model, settle_seconds), open_predictor
        self._resources, self._metrics = resources, metrics
        self._stop_seconds = resources.limits.stop_seconds
        self._changed = threading.Condition()
        self._states: dict[int, VersionState] = {}
        self._retries = LoadRetries()
        self._load_seconds = 1.0
        self._trouble = ""
        self._stopped = threading.Event()
        self._current: LoadedVersion | None = None
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
            if loaded is None:
                raise ServerError(
                    ErrorKind.STOPPING,
                    "Another version of the model is being loaded. Try again later.",
                    retry_after_seconds=max(1, math.ceil(self._load_seconds)),
                )
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
        until = self._resources.stop_time()
        self._watcher.join(max(0.0, until - time.monotonic()))
        if self._current is not None:
            self._unload(self._current, until)

    def _load_newest(self, poll_seconds: float) -> LoadedVersion:
        """Loads the newest version that can be loaded, so that a damaged one does not prevent the start."""
        versions, errors = self._folder.wait_for_arrival(poll_seconds), []
        for number, path in reversed(versions):
            try:
                return self._load(number, path)
            except Exception as error:  # a damaged version may raise anything
                errors.append(error)
                if len(errors) < len(versions):
                    self._retries.schedule(number, error)
        raise errors[0]

    def _load(self, number: int, path: Path) -> LoadedVersion:
        start = time.monotonic()
        with self._reported(number, path), self._remedy_named():
            loaded = load_version(number, path, self._open_predictor, self._resources, self._metrics)
        self._load_seconds = time.monotonic() - start
        loaded.values_before = self._metrics.values()
        self._metrics.version.set(number)
        _LOG.info(
            "version loaded",
            extra={"version": number, "engine": loaded.engine_name, "seconds": self._load_seconds},
        )
        return loaded

    @contextmanager
    def _remedy_named(self) -> Iterator[None]:
        """Adds `--swap drain` to an error about memory, if it would help."""
        try:
            yield
        except NotEnoughMemoryError as error:
            if self._current is None or self._resources.swap != "beside":
                raise
            raise NotEnoughMemoryError(
                f"{error} Or use --swap drain, which unloads a version before its successor is loaded."
            ) from error

    @contextmanager
    def _reported(self, number: int, path: Path) -> Iterator[None]:
        """Shows in the state of a version that it is loaded in the block."""
        if self._current is not None and self._current.number == number:
            yield  # it stays available, whatever comes of loading it again
            return
        self._set_state(number, LOADING)
        try:
            yield
        except Exception as error:
            self._set_state(number, END, describe_load_error(error, path))
            raise
        self._set_state(number, AVAILABLE)

    def _watch(self, poll_seconds: float) -> None:
        while not self._stopped.wait(poll_seconds):
            try:
                self._look()
                self._trouble = ""
            except Exception as error:  # the next look may succeed
                if repr(error) != self._trouble:  # it may last, and a look takes seconds only
                    self._trouble = repr(error)
                    _LOG.error("versions could not be looked for; this goes on", exc_info=error)

    def _look(self) -> None:
        """Loads another version if there is one to load."""
        try:
            wanted = self._find_wanted()
        except (OSError, RunError):
            return  # the folder is gone, maybe only for a moment: the loaded version stays
        if wanted is not None and self._retries.may_load(*wanted):
            self._replace(*wanted)

    def _find_wanted(self) -> tuple[int, Path] | None:
        """Returns the version to load now; None if that is the one that is loaded, as it is."""
        current = self._current
        if current is None:
            arrived = self._folder.find_arrived()
            return max((found for found in arrived if self._retries.may_load(*found)), default=None)
        return self._folder.find_successor(current.number, current.files)

    def _replace(self, number: int, path: Path) -> None:
        """Loads a version in place of the current one; the current one stays if that fails."""
        try:
            loaded = self._load(number, path)
        except Exception as error:  # a damaged version may raise anything
            can_drain = self._current is not None and self._resources.swap == "drain"
            if not (isinstance(error, NotEnoughMemoryError) and can_drain):
                self._retries.schedule(number, error)
                return
        else:
            self._take(loaded)
            return
        self._drain_and_replace(number, path)

    def _take(self, loaded: LoadedVersion) -> None:
        """Makes a version the current one, and unloads the one before."""
        with self._changed:
            old, self._current = self._current, loaded
        self._retries.succeeded(loaded.number)
        if old is not None:
            self._unload(old)

    def _drain_and_replace(self, number: int, path: Path) -> None:
        """Unloads the current version before another is loaded; comes back to it if that fails."""
        before = self._unload_current()
        try:
            self._take(self._load(number, path))
        except Exception as error:  # a damaged version may raise anything
            self._retries.give_up(number, path, error)  # each try interrupts the service
            if before is not None:
                self._replace(*before)

    def _unload_current(self) -> tuple[int, Path] | None:
        """Unloads the current version, while requests are refused; returns which it was."""
        with self._changed:
            old, self._current = self._current, None
        if old is None:
            return None
        before = old.number, old.path
        self._unload(old)
        del old
        gc.collect()  # engines are in cycles, and their memory is needed now
        return before

    def _unload(self, loaded: LoadedVersion, until: float | None = None) -> None:
        """Unloads a version after its last request.

        Args:
            loaded: The version.
            until: When to leave behind what still computes, in seconds of `time.monotonic`; None for
                `stop_seconds` from now.
        """
        if until is None:
            until = time.monotonic() + self._stop_seconds
        current = self._current
        is_replaced = current is not None and current is not loaded and current.number == loaded.number
        if not is_replaced:
            self._set_state(loaded.number, UNLOADING)
        with self._changed:
            left = max(0.0, until - time.monotonic())
            self._changed.wait_for(lambda: loaded.active_requests == 0, timeout=left)
        if not loaded.close(max(_CLOSE_SECONDS, until - time.monotonic())):
            _LOG.error("the engine of a version hangs and is left behind", extra={"version": loaded.number})
        if not is_replaced:
            self._set_state(loaded.number, END)
        _LOG.info("version unloaded", extra={"version": loaded.number})

    def _set_state(self, number: int, state: str, error: str = "") -> None:
        with self._changed:
            self._states[number] = VersionState(number, state, error)
