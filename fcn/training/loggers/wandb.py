"""Weights & Biases."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fcn.system.shell import quoted
from fcn.training.loggers.logger import PROJECT, Beginning, OpenRun, Outcome

_STEP = "step"


class WandbLogger:
    """A run of Weights & Biases: offline if nobody has logged in, or without a network.

    The variables of the library apply, such as `WANDB_PROJECT`, `WANDB_MODE` and `WANDB_DIR`; unless they
    name other folders, its files are in that of the logger. The step is logged as a value: the library's own
    counter cannot go back, as a training does that was killed and is resumed.
    """

    def __init__(self) -> None:
        # What it reports of itself, and what it copies of the folder and the repository of the user.
        os.environ.update(WANDB_ERROR_REPORTING="false", WANDB_DISABLE_GIT="true", WANDB_DISABLE_CODE="true")

    def open(self, beginning: Beginning) -> OpenRun:
        """Starts a run, or goes on with the one that has the id."""
        folder = str(beginning.folder)
        for variable in ("WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
            os.environ.setdefault(variable, folder)
        import wandb

        self._wandb = wandb
        notes = []
        try:
            run = self._init(beginning, os.environ.get("WANDB_MODE"))
        except (wandb.errors.UsageError, wandb.errors.CommError) as error:
            reason = " ".join(str(error).split())
            notes.append(f"logs offline, since it could not start online: {reason}")
            run = self._init(beginning, "offline")
        self._run = run
        run.define_metric(_STEP, hidden=True)
        run.define_metric("*", step_metric=_STEP)
        if run.url:
            return OpenRun(run.id, run.url, notes=notes)
        saved = run.settings.sync_dir
        return OpenRun(run.id, f"{saved}; to send it: wandb sync {quoted(saved)}", notes=notes)

    def _init(self, beginning: Beginning, mode: str | None) -> Any:
        settings = self._wandb.Settings(console="off", x_stats_pid=beginning.pid)
        return self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=beginning.name,
            config=dict(beginning.config),
            id=beginning.id,
            resume="allow" if beginning.id else None,
            mode=mode,
            allow_val_change=True,
            settings=settings,
        )

    def log_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Logs numbers by name."""
        self._run.log({**scalars, _STEP: step})

    def log_images(self, step: int, images: Mapping[str, Path]) -> None:
        """Logs PNG files by name."""
        self._run.log({name: self._wandb.Image(str(path)) for name, path in images.items()} | {_STEP: step})

    def log_results(self, step: int, scores: Mapping[str, float], files: Mapping[str, Path]) -> None:
        """Logs the scores as the summary, and the files as one artifact."""
        self._run.summary.update({**scores, "best/step": step})
        artifact = self._wandb.Artifact(f"run-{self._run.id}", "run")
        for name, path in files.items():
            artifact.add_file(str(path), name=name, skip_cache=True)
        self._run.log_artifact(artifact)

    def close(self, outcome: Outcome) -> None:
        """Ends the run."""
        self._run.finish(exit_code=0 if outcome == "finished" else 1)
