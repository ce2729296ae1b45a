"""Arguments of every command that labels images: what computes, and which views are averaged over."""

import argparse
from collections.abc import Callable


def add_labeling(command: argparse.ArgumentParser) -> None:
    """Adds the arguments to a command."""
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


def _one_of(names: str) -> Callable[[str], str]:
    """Returns what reads one of the names that `fcn.inference.engine` lists; it is imported only for that."""

    def read(text: str) -> str:
        import fcn.inference.engine

        choices: tuple[str, ...] = getattr(fcn.inference.engine, names)
        if text not in choices:
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(choices)}, received {text!r}")
        return text

    return read


def _scales(text: str) -> tuple[float, ...]:
    """Reads scales with commas between them."""
    from fcn.inference.multi_scale import check_scales

    try:
        return check_scales(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected numbers with commas between them, as in 0.5,1,1.5; received {text!r} ({error})"
        ) from error
