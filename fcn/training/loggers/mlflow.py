"""MLflow."""

import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from fcn.training.loggers.logger import PROJECT, Beginning, OpenRun, Outcome

_STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
_REFUSED = re.compile(r"[^/\w.\- :]")
_BATCH = 100  # MLflow takes at most so many parameters at once
_LONGEST = 6000  # and values of so many characters


class MlflowLogger:
    """A run of MLflow: where `MLFLOW_TRACKING_URI` says, or in `mlflow.db` of the current folder.

    The other variables of the library apply too, such as `MLFLOW_EXPERIMENT_NAME`.
    """

    def __init__(self) -> None:
        os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true")

    def open(self, beginning: Beginning) -> OpenRun:
        """Starts a run, or goes on with the one that has the id."""
        if beginning.place:  # the file of the earlier session, whatever folder is the current one now
            os.environ.setdefault("MLFLOW_TRACKING_URI", beginning.place)
        import mlflow
        from mlflow.entities import Metric, Param, RunTag

        self._metric, self._param, self._tag = Metric, Param, RunTag
        self._client = client = mlflow.MlflowClient()
        run = self._find(beginning.id) if beginning.id else None
        notes = []
        if run is None:
            if beginning.id:
                notes.append(f"starts another run, since {beginning.id} is no longer there.")
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
            found = client.get_experiment_by_name(name)
            experiment = found.experiment_id if found else client.create_experiment(name)
            run = client.create_run(experiment, run_name=beginning.name)
        self._id = str(run.info.run_id)
        self._log_config(beginning.config, run.data.params)
        uri = mlflow.get_tracking_uri()
        is_local = uri.startswith(("sqlite:", "file:"))
        watch = f"mlflow ui --backend-store-uri {uri}" if is_local else "its tracking server"
        return OpenRun(self._id, f"{watch}, run {self._id}", uri if is_local else None, notes)

    def _find(self, run_id: str) -> Any:
        """Returns the run of an earlier session, running again; None if it was deleted."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.update_run(run_id, status="RUNNING")
            return self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_STATE"):
                return None
            raise

    def _log_config(self, values: Mapping[str, Any], known: Mapping[str, str]) -> None:
        """Logs a configuration; parameters cannot change, so that changed ones become tags."""
        config = {key: _as_text(value)[:_LONGEST] for key, value in values.items()}
        new = [self._param(key, value) for key, value in config.items() if key not in known]
        for first in range(0, len(new), _BATCH):
            self._client.log_batch(self._id, params=new[first : first + _BATCH])
        changed = [self._tag(key, value) for key, value in config.items() if known.get(key, value) != value]
        if changed:
            self._client.log_batch(self._id, tags=changed)

    def log_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Logs numbers by name."""
        now = round(1000 * time.time())
        metrics = [self._metric(_named(name), value, now, step) for name, value in scalars.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def log_images(self, step: int, images: Mapping[str, Path]) -> None:
        """Logs PNG files as artifacts, in a folder for each step."""
        for name, path in images.items():
            folder = f"{_named(name.partition('/')[0])}/step_{step:08d}"
            self._client.log_artifact(self._id, str(path), folder)

    def log_results(self, step: int, scores: Mapping[str, float], files: Mapping[str, Path]) -> None:
        """Logs the scores as metrics, and the files as artifacts."""
        self.log_scalars(step, scores)
        for name, path in files.items():
            folder = PurePosixPath("run", name).parent
            self._client.log_artifact(self._id, str(path), str(folder))

    def close(self, outcome: Outcome) -> None:
        """Ends the run."""
        self._client.set_terminated(self._id, _STATUS[outcome])


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _named(name: str) -> str:
    """Returns a name without the characters that MLflow refuses, which class names may have.

    Example:
        >>> _named("best/class_iou/sky (blue)")
        'best/class_iou/sky _blue_'
    """
    return _REFUSED.sub("_", name)
