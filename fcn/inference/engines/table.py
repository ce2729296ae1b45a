"""The table of engines in an exported model, written at export, from which "auto" chooses."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras

from fcn.errors import RunError
from fcn.inference.engines.engine import ENGINES, PRECISIONS
from fcn.inference.engines.exported import TABLE
from fcn.inference.engines.openvino import openvino_installed
from fcn.system.bfloat16 import bfloat16_instructions
from fcn.system.files import write_json
from fcn.system.json_files import read_json_file

GPU, BFLOAT16_CPU, CPU = "gpu", "bfloat16 cpu", "cpu"
"""Devices: a GPU that Keras uses, a CPU with bfloat16 instructions, or any CPU."""

_MOST_BYTES = 2**20


class Choice(NamedTuple):
    """A recommended engine.

    Attributes:
        engine: One of `fcn.inference.engines.engine.ENGINES`.
        precision: The precision in which it computes.
        device: The device it needs: `GPU`, `BFLOAT16_CPU` or `CPU`.
        agreement: Share of the pixels of real images that it labels as float32 does; None if unknown.
        mean_iou: Mean IoU on the labeled images given at export, 0 to 1; None if there were none.
    """

    engine: str
    precision: str
    device: str
    agreement: float | None
    mean_iou: float | None = None


def write_table(version: Path, choices: Sequence[Choice]) -> None:
    """Writes the engines of an exported version, best first."""
    write_json(version / TABLE, {"engines": [choice._asdict() for choice in choices]})


def read_table(version: Path) -> list[Choice]:
    """Returns the engines of an exported version, best first; none if it has no table.

    Raises:
        RunError: If the table cannot be read.
    """
    path = version / TABLE
    try:
        rows = read_json_file(path, _MOST_BYTES)["engines"]
        choices = [Choice(**row) for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: cannot be read as a table of engines ({error}). Export it again.") from error
    for choice in choices:
        if choice.engine not in ENGINES or choice.precision not in PRECISIONS:
            raise RunError(f"{path}: expected engines of this version of fcn. Received: {choice}.")
    return choices


def _is_installed(engine: str) -> bool:
    """Returns whether the package of an engine can be imported; that of a backend is."""
    if engine == "openvino":
        return openvino_installed()
    module = {"onnx": "onnxruntime", "litert": "ai_edge_litert"}.get(engine)
    return module is None or importlib.util.find_spec(module) is not None


def choose(choices: Sequence[Choice], engine: str, precision: str) -> Choice | None:
    """Returns the first choice that this machine can compute; "auto" matches any engine or precision.

    Args:
        choices: Best first.
        engine: One of `fcn.inference.engines.engine.ENGINES`.
        precision: One of `fcn.inference.engines.engine.PRECISIONS`.
    """
    if keras.distribution.list_devices("gpu"):
        devices = {GPU}
    else:
        devices = {CPU, BFLOAT16_CPU} if bfloat16_instructions() else {CPU}
    for choice in choices:
        there = _is_installed(choice.engine)
        wanted = engine in ("auto", choice.engine) and precision in ("auto", choice.precision)
        if choice.device in devices and there and wanted:
            return choice
    return None
