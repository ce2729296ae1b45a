"""The folder of a served model: which versions are there, have arrived whole, and come next."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

from fcn.errors import RunError
from fcn.runs.arrival import Arrivals, file_sizes
from fcn.runs.folder import exported_versions, is_exported, model_file

_LOG = logging.getLogger("fcn.server")
_LONGEST_ARRIVAL_SECONDS = 600.0
_LOOK_SECONDS = 0.2


class VersionFolder:
    """Folder of versions, or a single model, which is its own only version.

    The number of a single model is that in the name of its folder, or 1.

    Args:
        model: A folder of versions, or a version, run folder or `.keras` file.
        settle_seconds: A version that does not list its files has arrived when they have not changed for so
            long.
    """

    def __init__(self, model: Path, settle_seconds: float) -> None:
        self._model = model
        self._arrivals = Arrivals(settle_seconds)

    def find_versions(self) -> list[tuple[int, Path]]:
        """Returns the versions that are there, oldest first.

        Raises:
            RunError: If there is no model.
        """
        if (self._model / "saved_model.pb").exists() or not is_exported(self._model):
            if not is_exported(self._model):
                model_file(self._model)  # raises an error for a wrong path before an engine is opened
            name = self._model.name
            return [(int(name) if name.isdecimal() else 1, self._model)]
        return [(int(path.name), path) for path in exported_versions(self._model)]

    def find_arrived(self) -> list[tuple[int, Path]]:
        """Returns the versions that have arrived whole, oldest first. A single model always has.

        Raises:
            RunError: If there is no model.
        """
        return [
            (number, path)
            for number, path in self.find_versions()
            if path == self._model or self._arrivals.has_arrived(path)
        ]

    def wait_for_arrival(self, poll_seconds: float) -> list[tuple[int, Path]]:
        """Waits until a version has arrived whole; returns those that have, oldest first.

        Args:
            poll_seconds: Longest time between two looks at the folder.

        Raises:
            RunError: If there is no model, or none arrives within ten minutes.
        """
        versions = self.find_arrived()
        if not versions:
            _LOG.info("waiting for a version that is being copied", extra={"model": str(self._model)})
        until = time.monotonic() + _LONGEST_ARRIVAL_SECONDS
        while not versions:
            if time.monotonic() > until:
                raise RunError(
                    f"{self._model}: no version has arrived whole within "
                    f"{_LONGEST_ARRIVAL_SECONDS:.0f} s. Copy it again."
                )
            time.sleep(min(poll_seconds, _LOOK_SECONDS))
            versions = self.find_arrived()
        return versions

    def find_successor(self, number: int, files: Mapping[str, int]) -> tuple[int, Path] | None:
        """Returns the version to load in place of one that is loaded; None if there is none.

        That is the newest that has arrived, if it is newer or if the loaded one was taken away; or the loaded
        one itself, if further files have arrived in its folder.

        Args:
            number: Number of the version that is loaded.
            files: The size of each of its files when it was loaded.

        Raises:
            RunError: If there is no model.
        """
        present = dict(self.find_versions())
        path = present.get(number)
        if path == self._model:
            return None
        if path is None:
            return max(self.find_arrived(), default=None)
        for other in sorted(present, reverse=True):
            if other > number and self._arrivals.has_arrived(present[other]):
                return other, present[other]
        further = set(file_sizes(path).items()) - set(files.items())
        return (number, path) if further and self._arrivals.has_arrived(path) else None
