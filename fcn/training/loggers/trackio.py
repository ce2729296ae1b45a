"""Trackio."""

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from fcn.training.loggers.logger import PROJECT, Beginning, OpenRun, Outcome

_REFUSED = re.compile(r"[^A-Za-z0-9_.-]")  # in names of artifacts


class TrackioLogger:
    """A run of Trackio, in its folder on this machine.

    `TRACKIO_DIR` names another folder, and `TRACKIO_SERVER_URL` or `TRACKIO_SPACE_ID` a place elsewhere.
    Trackio finds runs by name, so the name is the id, and ends in digits that no other run has.
    """

    def __init__(self) -> None:
        os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", GRADIO_ANALYTICS_ENABLED="False", DO_NOT_TRACK="true")

    def open(self, beginning: Beginning) -> OpenRun:
        """Starts a run, or goes on with the one that has the id."""
        import trackio

        self._trackio = trackio
        name = beginning.id or f"{_REFUSED.sub('-', beginning.name)}-{secrets.token_hex(4)}"
        self._run = trackio.init(
            PROJECT,
            name=name,
            resume="allow" if beginning.id else "never",
            config=dict(beginning.config),
            embed=False,
        )
        return OpenRun(name, f"trackio show --project {PROJECT}, run {name}")

    def log_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Logs numbers by name."""
        self._run.log(dict(scalars), step=step)

    def log_images(self, step: int, images: Mapping[str, Path]) -> None:
        """Logs PNG files by name."""
        self._run.log({name: self._trackio.Image(str(path)) for name, path in images.items()}, step=step)

    def log_results(self, step: int, scores: Mapping[str, float], files: Mapping[str, Path]) -> None:
        """Logs the scores as numbers, and the files as one artifact."""
        self._run.log(dict(scores), step=step)
        artifact = self._trackio.Artifact(f"run-{self._run.name}", "run")
        for name, path in files.items():
            artifact.add_file(str(path), name=name)
        self._run.log_artifact(artifact)

    def close(self, outcome: Outcome) -> None:
        """Ends the run; Trackio keeps no outcome."""
        self._run.finish()
