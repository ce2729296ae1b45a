"""All loggers of other projects that one training has, from its first step to its artifact."""

import base64
import importlib.util
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from fcn.config.file import Config
from fcn.runs.folder import RunFolder
from fcn.system.json_files import read_json_file
from fcn.system.optional import missing_package
from fcn.system.text import print_notice
from fcn.training.loggers.logger import Outcome
from fcn.training.loggers.process import OUTPUT, LoggerProcess

TENSORBOARD = "tensorboard"
"""The logger in `train.log` that needs no process: `fcn.training.log` writes its files."""
FINISH_SECONDS = 600
"""How long a finished training waits for its loggers to take what is left, the files of the run among it."""
STOP_SECONDS = 15
"""How long one waits that is stopped, by a system that may kill it soon after."""
_QUIET_SECONDS = 3


def check_packages(names: Sequence[str]) -> None:
    """Checks that the packages of loggers are installed, without importing them.

    Args:
        names: Of `train.log`.

    Raises:
        BackendError: If one is not.

    Example:
        >>> check_packages(["tensorboard"])
    """
    for name in names:
        if name == TENSORBOARD:
            continue
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:  # a folder of that name is no package
            raise missing_package(
                f"train.log: {name}", name, remedy=f"To train without it, leave {name} out of train.log."
            )


class ExternalLoggers:
    """Sends what is logged to the processes of loggers; never raises for them, and waits only at the end.

    Use it as a context: how that ends is how the training ended.

    Args:
        names: Of `train.log`; none in a process that leaves logging to another.
        run: The folder of the run.
    """

    def __init__(self, names: Sequence[str], run: RunFolder) -> None:
        self.names = [name for name in names if name != TENSORBOARD]
        self.run = run
        self._processes: list[LoggerProcess] = []

    def __bool__(self) -> bool:
        return bool(self._processes)

    def start(self, config: Config) -> None:
        """Starts the processes, which open their libraries while the training begins.

        Args:
            config: How the net is trained.
        """
        values = dict(_flat(config.model_dump(mode="json")))
        for name in self.names:
            folder = self.run.loggers / name
            try:
                folder.mkdir(parents=True, exist_ok=True)
                process = LoggerProcess(name, folder)
            except OSError as error:
                self._warn(name, f"It cannot be started ({error.strerror or error}).")
                continue
            beginning = {
                "name": self.run.path.resolve().name,
                "folder": str(folder),
                "config": values,
                "pid": os.getpid(),
            }
            process.send({"beginning": beginning})
            self._processes.append(process)

    def add_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Logs numbers by name, and prints what loggers have said since the last call."""
        finite = {name: value for name, value in scalars.items() if math.isfinite(value)}
        self._send({"step": step, "scalars": finite})

    def add_images(self, step: int, images: Mapping[str, bytes]) -> None:
        """Logs pictures, PNG files, by name."""
        if self._processes:
            content = {name: base64.b64encode(png).decode() for name, png in images.items()}
            self._send({"step": step, "images": content})

    def __enter__(self) -> "ExternalLoggers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sends how the training ended, and the run itself if it is finished; then waits for a while."""
        outcome: Outcome = "finished"
        if error is not None:
            outcome = "stopped" if isinstance(error, (SystemExit, KeyboardInterrupt)) else "failed"
        elif self._processes:
            self._send(run_results(self.run))
        self._send({"outcome": outcome})
        until = time.monotonic() + (FINISH_SECONDS if error is None else STOP_SECONDS)
        try:
            for process in self._processes:
                process.end()
            for process in self._processes:
                self._wait(process, until, tells=error is None)
        finally:
            for process in self._processes:
                process.kill()

    def _wait(self, process: LoggerProcess, until: float, tells: bool) -> None:
        if not process.wait(_QUIET_SECONDS):
            if tells:
                print_notice(f"Waiting for {process.name}, at most {FINISH_SECONDS // 60} minutes.")
            if not process.wait(until - time.monotonic()):
                self._warn(process.name, "It was given up before it had taken everything.")
        self._show(process)

    def _send(self, message: dict[str, Any]) -> None:
        for process in self._processes:
            process.send(message)
            self._show(process)

    def _show(self, process: LoggerProcess) -> None:
        for answer in process.answers():
            if note := answer.get("note"):
                print_notice(f"{process.name}: {note}")
            if watch := answer.get("watch"):
                print_notice(f"Logging to {process.name}: {watch}")
            if warning := answer.get("warning"):
                self._warn(process.name, warning)

    def _warn(self, name: str, text: str) -> None:
        output = self.run.loggers / name / OUTPUT
        print_notice(f"Warning: {name}: {text} The training is not affected; see {output}.")


def run_results(run: RunFolder) -> dict[str, Any]:
    """Returns the scores of the best checkpoint and the files of a finished run, for a message.

    The files are those at the top of its folder, and the best checkpoint: not what only resuming needs, and
    not what other logs hold.

    Args:
        run: Its folder.
    """
    try:
        document = read_json_file(run.scores)
    except (OSError, ValueError):
        document = {}
    scored = {key: value for key, value in document.items() if key not in ("training", "testing", "step")}
    scores = {f"best/{name}": value for name, value in _flat(scored, joint="/") if _is_number(value)}
    files = [path for path in sorted(run.path.glob("[!.]*")) if path.is_file()]
    files += [run.best] if run.best.exists() else []
    named = {path.relative_to(run.path).as_posix(): str(path.absolute()) for path in files}
    return {"step": document.get("step", 0), "scores": scores, "files": named}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _flat(document: Mapping[str, Any], prefix: str = "", joint: str = ".") -> Iterator[tuple[str, Any]]:
    """Yields each value of a nested document with the path of its keys."""
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}{joint}", joint)
        else:
            yield prefix + key, value
