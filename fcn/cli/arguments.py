"""Arguments that several commands share, and readers of the text of an argument."""

import argparse
import re
import shutil
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fcn.errors import RunError
from fcn.system.backend import start_backend
from fcn.system.remedies import as_started

if TYPE_CHECKING:
    from fcn.inference.predictor import Predictor
    from fcn.inference.views import Views
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""The parser group to which a command is added."""

WEIGHTS_COMMAND = as_started("python -m fcn weights")
"""Lists published nets."""

MODEL_HELP = (
    f"a run folder, a .keras file, an exported folder, or the name of a published net ({WEIGHTS_COMMAND})"
)


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], None],
    description: str,
    example: str,
) -> argparse.ArgumentParser:
    """Adds a command with what every command has: its help, an example and `--json`.

    Args:
        commands: Where to add it.
        name: What the user types.
        run: What the command does.
        description: A sentence for its help.
        example: A whole command line, shown below the help.
    """
    command = commands.add_parser(
        name,
        help=description,
        # The formatter leaves all texts as they are, for the example, which is one line to be copied.
        description=textwrap.fill(description, shutil.get_terminal_size().columns - 2),
        epilog=f"example:\n  {_shown(example)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run_command=run)
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    return command


def _shown(example: str) -> str:
    """Returns an example as it works here: as `fcn`, also for a recipe that has no file here."""
    command = as_started(example)
    return re.sub(r" configs/(\w+)\.yaml\b", r" \1", command) if command.startswith("fcn ") else command


def add_set(command: argparse.ArgumentParser, help_text: str) -> None:
    """Adds `--set`, which changes values of a configuration.

    Args:
        command: The command.
        help_text: What is changed.
    """
    command.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help=f"{help_text}; repeatable"
    )


def add_labeling(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of every command that labels images: the engine and the views to average over."""
    add_engine(command)
    command.add_argument(
        "--flip", action="store_true", help="also label the mirrored image, and average; takes twice the time"
    )
    command.add_argument(
        "--scales",
        type=_read_scales,
        default="1",
        metavar="S,S,...",
        help="label at each of these sizes, relative to the image's own, and average; default: 1",
    )


def add_engine(command: argparse.ArgumentParser) -> None:
    """Adds the arguments that choose the engine and its precision."""
    command.add_argument(
        "--engine",
        type=_one_of("ENGINES"),
        default="auto",
        metavar="NAME",
        help="library that computes: tensorflow, openvino, onnx, litert (of an export with --format onnx or "
        "litert), jax or torch; default: auto",
    )
    command.add_argument(
        "--precision",
        type=_one_of("PRECISIONS"),
        default="auto",
        metavar="NAME",
        help="number format to compute in: float32, bfloat16 or int8; default: auto, the best one in the "
        "export's table, or else float32",
    )


def add_memory(
    command: argparse.ArgumentParser,
    default: str,
    meaning: str = "that the process may take; larger images are labeled in parts",
) -> None:
    """Adds `--memory`.

    Args:
        command: The command.
        default: The default, for its help.
        meaning: Which gigabytes they are, for its help.
    """
    command.add_argument(
        "--memory",
        type=above_zero("gigabytes, such as 4 or 2.5"),
        metavar="GB",
        help=f"gigabytes {meaning}; default: {default}",
    )


def add_trust(command: argparse.ArgumentParser) -> None:
    """Adds `--trust`, which every command has that loads models."""
    command.add_argument(
        "--trust",
        action="store_true",
        help="also load a model with parts that no model of this package has. Exported models and .keras "
        "files are programs: from strangers, such parts can run code on this machine. Use it only for models "
        "of people you trust",
    )


def find_model(model: Path, engine: str = "auto") -> Path:
    """Returns the path of a model that the user gave by path or by the name of a published net.

    A published net is downloaded and imported when it is first used.

    Args:
        model: What the user gave.
        engine: Name of the engine, whose backend starts if a net is imported.

    Raises:
        FcnError: What `resolve_model` and `start_backend` raise.
        RunError: If there is no model there.
    """
    from fcn.runs.folder import is_exported, model_file
    from fcn.runs.named_net import resolve_model

    path = resolve_model(model, partial(start_backend, engine))
    if not is_exported(path):
        model_file(path)  # a wrong path is told before a library is loaded
    return path


def open_predictor(
    model: Path,
    engine: str,
    precision: str,
    views: "Views",
    memory: float | None,
    trust: bool = False,
    other_bytes: int = 0,
) -> "Predictor":
    """Opens the net that the options of a command name; the backend has been started.

    Args:
        model: Where the model is.
        engine: Name of the engine.
        precision: Name of the precision.
        views: The views to average over.
        memory: Gigabytes the process may take; None for the default.
        trust: Whether to load also a model with parts that could run code.
        other_bytes: The part of that memory that other processes of the command take.

    Raises:
        FcnError: What `Predictor` raises.
        RunError: If the memory is too little for the model.
    """
    from fcn.inference.predictor import MEMORY_GIGABYTES, Predictor

    amount = memory or MEMORY_GIGABYTES
    try:
        return Predictor(model, engine, precision, *views, amount - other_bytes / 1e9, trust)
    except ValueError as error:
        raise RunError(f"--memory {amount:g}: {error}") from error


def describe_export(model: Path) -> str | None:
    """Returns a notice if the graph of an export labels image files in stored pixel order; None otherwise."""
    from fcn.inference.engines.exported import describe_stored_order
    from fcn.runs.folder import exported_version, is_exported

    return describe_stored_order(exported_version(model)) if is_exported(model) else None


def at_least(lowest: int) -> Callable[[str], int]:
    """Returns a reader of whole numbers that are not smaller than `lowest`.

    Example:
        >>> at_least(1)("20")
        20
    """

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of {lowest} or more, received {text!r}"
            )
        return int(text)

    return read


def above_zero(expected: str) -> Callable[[str], float]:
    """Returns a reader of finite numbers above 0.

    Args:
        expected: What they are, for errors.

    Example:
        >>> above_zero("hours")("0.5")
        0.5
    """

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"expected {expected}, received {text!r}")
        return value

    return read


def read_output_folder(text: str) -> Path:
    """Reads the folder for labels, which must be on this machine and not hide a published net by its name."""
    from fcn.weights.catalog import NETS

    if "://" in text:
        raise argparse.ArgumentTypeError(
            f"expected a folder on this machine, received {text!r}; write to a local folder, and copy it"
        )
    path = Path(text)
    if path.name in NETS and path.absolute().parent == Path.cwd() and not path.exists():
        raise argparse.ArgumentTypeError(
            f"{path.name} is the name of a published net, and would be this folder from then on; choose "
            f"another one, such as labels-{path.name}"
        )
    return path


def _one_of(names: str) -> Callable[[str], str]:
    """Returns a reader of one of the names in `fcn.inference.engines.engine`, imported when called."""

    def read(text: str) -> str:
        import fcn.inference.engines.engine

        choices: tuple[str, ...] = getattr(fcn.inference.engines.engine, names)
        if text not in choices:
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(choices)}, received {text!r}")
        return text

    return read


def _read_scales(text: str) -> tuple[float, ...]:
    """Reads scales, separated by commas."""
    from fcn.inference.views import check_scales

    try:
        return check_scales(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected numbers separated by commas, such as 0.5,1,1.5; received {text!r} ({error})"
        ) from error
