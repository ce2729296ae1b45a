"""The process of one logger: reads what to log from standard input, and calls the library.

Each line of its input is a message in JSON, as `fcn.training.loggers.external` makes them. It answers in
lines of JSON on what was its standard output; all that the library itself prints goes to a file of the run.
The first call that fails is reported, and the next is tried all the same: a server may be back by then. Input
that ends without an outcome means that the training was killed.
"""

import base64
import importlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from fcn.system.files import write_json
from fcn.system.json_files import parse_json, read_json_file
from fcn.training.loggers.logger import Beginning, RunLogger

CLASSES = {
    "wandb": ("fcn.training.loggers.wandb", "WandbLogger"),
    "mlflow": ("fcn.training.loggers.mlflow", "MlflowLogger"),
    "trackio": ("fcn.training.loggers.trackio", "TrackioLogger"),
}
"""The module and the class of each logger."""

Answer = Callable[..., None]
_PLAIN = re.compile(r"[^\w.\-]")


class _Calls:
    """Calls a logger; tells its first failure, and counts all.

    Args:
        answer: Sends fields of an answer to the training.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.failed = self.made = 0

    def make(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Returns what a call returns; None if it fails."""
        self.made += 1
        try:
            return call(*arguments)
        except Exception as error:
            self.failed += 1
            if self.failed == 1:
                self.answer(warning=f"{type(error).__name__}: {' '.join(str(error).split())}")
            return None


def open_run(logger: RunLogger, message: Mapping[str, Any], answer: Answer) -> bool:
    """Opens a run and keeps its id in the folder of the logger; returns whether that could be done.

    Args:
        logger: Opens it.
        message: The fields of `Beginning` but those that were kept.
        answer: Sends fields of an answer to the training.
    """
    kept_path = Path(message["folder"], "id.json")
    beginning = Beginning(**dict(message) | {"folder": Path(message["folder"])} | _kept(kept_path))
    calls = _Calls(answer)
    opened = calls.make(logger.open, beginning)
    if opened is None:
        return False
    write_json(kept_path, {"id": opened.id, "place": opened.place})
    for note in opened.notes:
        answer(note=note)
    answer(watch=opened.watch)
    return True


def _kept(path: Path) -> dict[str, str | None]:
    """Returns the id and the place of an earlier session; None each if there is none, or it is damaged."""
    try:
        document = read_json_file(path)
    except (OSError, ValueError):
        document = None
    found = document if isinstance(document, dict) else {}
    return {key: value if isinstance(value := found.get(key), str) else None for key in ("id", "place")}


def log_images(logger: RunLogger, step: int, images: Mapping[str, str]) -> None:
    """Logs images from files with names that a file can have.

    Args:
        logger: Takes them.
        step: Of the weights they were made with.
        images: Content of PNG files in base64, by name.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for number, (name, content) in enumerate(images.items()):
            own = Path(folder, str(number))  # so that two names may become one
            own.mkdir()
            paths[name] = own / f"{_PLAIN.sub('_', name.partition('/')[2])}.png"
            paths[name].write_bytes(base64.b64decode(content))
        logger.log_images(step, paths)


def run(logger: RunLogger, messages: BinaryIO, answer: Answer) -> int:
    """Does what messages say until they end; returns the exit code.

    Args:
        logger: Does it.
        messages: A line of JSON each, the first with the beginning.
        answer: Sends fields of an answer to the training.
    """
    first = messages.readline()
    if not first or not open_run(logger, parse_json(first)["beginning"], answer):
        return 1
    calls, outcome = _Calls(answer), "stopped"
    for line in messages:
        if not line.endswith(b"\n"):
            break
        message = parse_json(line)
        step = message.get("step", 0)
        if "scalars" in message:
            calls.make(logger.log_scalars, step, message["scalars"])
        if "images" in message:
            calls.make(log_images, logger, step, message["images"])
        if "scores" in message:
            files = {name: Path(path) for name, path in message["files"].items()}
            calls.make(logger.log_results, step, message["scores"], files)
        outcome = message.get("outcome", outcome)
    calls.make(logger.close, outcome)
    if calls.failed:
        answer(warning=f"{calls.failed} of its {calls.made} calls failed.")
    return 0


def main(name: str) -> int:
    """Runs a logger on standard input and output; returns the exit code."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what the library prints must not be taken for an answer

    def answer(**fields: str) -> None:
        with suppress(OSError):  # the training was killed
            answers.write(json.dumps(fields).encode() + b"\n")

    module, logger = CLASSES[name]
    code = run(getattr(importlib.import_module(module), logger)(), sys.stdin.buffer, answer)
    answer(ended="")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
