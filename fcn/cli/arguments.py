"""Arguments of every command that labels images: what computes, and which views are averaged over."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fcn.errors import RunError

if TYPE_CHECKING:
    from fcn.inference.engines.engine import Engine
    from fcn.inference.views import Views


def add_labeling(command: argparse.ArgumentParser) -> None:
    """Adds the arguments to a command."""
    add_engine(command)
    command.add_argument(
        "--flip", action="store_true", help="label the mirrored image too, and average; twice the time"
    )
    command.add_argument(
        "--scales",
        type=_scales,
        default="1",
        metavar="S,S,...",
        help="label at these sizes, relative to the image's, and average; default: 1",
    )


def add_engine(command: argparse.ArgumentParser) -> None:
    """Adds those that say what computes."""
    command.add_argument(
        "--engine",
        type=_one_of("ENGINES"),
        default="auto",
        metavar="NAME",
        help="what computes: tensorflow, openvino, jax or torch; default: auto",
    )
    command.add_argument(
        "--precision",
        type=_one_of("PRECISIONS"),
        default="auto",
        metavar="NAME",
        help="what it computes in: float32, bfloat16 or int8; default: auto, what the export says is best, "
        "or else float32",
    )


def open_labeler(model: Path, engine: str, precision: str, views: "Views", memory: float | None) -> "Engine":
    """Opens what labels; the backend has been started.

    Args:
        model: Where the model is.
        engine: Name of the engine.
        precision: What it computes in.
        views: What is averaged over.
        memory: Gigabytes the process may take; None for what is usual.

    Raises:
        FcnError: What `Predictor` raises.
        RunError: If the memory is too little for the model.
    """
    from fcn.inference.predictor import Predictor
    from fcn.inference.tiling.tiles import MEMORY_GIGABYTES

    amount = memory or MEMORY_GIGABYTES
    try:
        return Predictor(model, engine, precision, *views, amount).engine
    except ValueError as error:
        raise RunError(f"--memory {amount:g}: {error}") from error


def gigabytes(text: str) -> float:
    """Reads an amount of memory.

    Example:
        >>> gigabytes("2.5")
        2.5
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected gigabytes, such as 4 or 2.5, received {text!r}")
    return value


def _one_of(names: str) -> Callable[[str], str]:
    """Returns a reader of one of the names in `fcn.inference.engines.engine`, imported when called."""

    def read(text: str) -> str:
        import fcn.inference.engines.engine

        choices: tuple[str, ...] = getattr(fcn.inference.engines.engine, names)
        if text not in choices:
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(choices)}, received {text!r}")
        return text

    return read


def _scales(text: str) -> tuple[float, ...]:
    """Reads scales with commas between them."""
    from fcn.inference.views import check_scales

    try:
        return check_scales(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected numbers with commas between them, as in 0.5,1,1.5; received {text!r} ({error})"
        ) from error
