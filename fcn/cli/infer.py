"""`fcn infer`: its arguments, and what it does with them."""

import argparse
import os
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fcn.cli.arguments import (
    MODEL_HELP,
    Commands,
    add_command,
    add_labeling,
    add_memory,
    at_least,
    open_labeler,
)
from fcn.errors import BackendError, DataError, PartialError, RunError
from fcn.system.backend import start_backend
from fcn.system.files import as_json

if TYPE_CHECKING:
    from fcn.inference.engines.engine import Engine
    from fcn.inference.views import Views
    from fcn.jobs.job import Job, LabelingResult

_SHOWN_FAILURES = 50
_CHOSEN = ("engine", "precision")
# What a message calls the usual outputs; others are called by their names.
_KINDS = {("palette",): "labels", ("palette", "overlay"): "labels and overlays"}


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    infer = add_command(
        commands,
        "infer",
        run,
        "Label photographs.",
        "python infer.py runs/voc photographs/ --output labels --overlay",
    )
    infer.add_argument("model", type=Path, metavar="MODEL", help=MODEL_HELP)
    infer.add_argument(
        "inputs",
        nargs="+",
        metavar="IMAGE_OR_FOLDER",
        help="what to label, videos too; URLs of images; - reads a list of all these from stdin, one a line",
    )
    infer.add_argument(
        "--output",
        type=_folder,
        required=True,
        metavar="DIR",
        help="where to write the labels; the same command goes on where one was stopped",
    )
    infer.add_argument(
        "--outputs",
        type=_outputs,
        default=("palette",),
        metavar="KIND,...",
        help="what to write: palette or ids (PNGs), overlay, probabilities (.npz), rle or polygons "
        "(coco.json), areas (areas.csv); default: palette",
    )
    infer.add_argument("--overlay", action="store_true", help="also write pictures of labels over images")
    infer.add_argument(
        "-0", "--null", action="store_true", help="the list on stdin has a NUL after each, as of find -print0"
    )
    infer.add_argument(
        "--batch-size",
        type=at_least(1),
        metavar="N",
        help="images at once, at most; default: 1 on a CPU, 8 on a GPU, or as before",
    )
    add_memory(infer, "4, or as before")
    infer.add_argument(
        "--ray",
        type=_address,
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="label in several processes, on this machine or on those of the Ray cluster at HOST:PORT; "
        "stands behind the images",
    )
    infer.add_argument(
        "--actors",
        type=at_least(1),
        metavar="N",
        help="with --ray: how many processes; default: one for each GPU, or else for every four CPUs",
    )
    infer.add_argument(
        "--retry-failed", action="store_true", help="also label what failed before and has not changed since"
    )
    infer.add_argument(
        "--restart", action="store_true", help="label everything anew, whatever labels DIR holds"
    )
    add_labeling(infer)


def run(options: argparse.Namespace) -> None:
    """Labels photographs."""
    from fcn.inference.views import Views
    from fcn.jobs.job import Setting, model_setting, open_job
    from fcn.jobs.restart import recover_restart, restarting
    from fcn.outputs.render import check_outputs

    if options.actors and not options.ray:
        raise BackendError(f"--actors {options.actors}: expected --ray, whose processes they are. Add it.")
    model = model_setting(options.model)
    views = Views(options.flip, options.scales).describe()
    settings: dict[str, Setting | str] = {"model": model, "views": views}
    kinds = check_outputs([*options.outputs, *(["overlay"] if options.overlay else [])])
    # What "auto" comes to is known, and settled, once the model is open.
    settings |= {name: getattr(options, name) for name in _CHOSEN if getattr(options, name) != "auto"}
    recover_restart(options.output)
    with (
        restarting(options.output) if options.restart else nullcontext(),
        open_job(options.output, _inputs(options), settings, kinds, options.batch_size) as job,
    ):
        result = job.result()
        retry = options.retry_failed and bool(result.failed)
        if retry or not job.finished:
            memory = options.memory or job.memory()
            what = (options.engine, options.precision, Views(options.flip, options.scales), memory)
            if options.ray:
                from fcn.jobs.ray.actors import run_on_ray

                path = Path(os.path.abspath(options.model))  # actors work in another folder
                same_engine = partial(_open_same_engine, model.value, path, *what)
                begin = partial(_begin, job, memory, retry)
                result = run_on_ray(job, same_engine, options.ray, options.actors, begin)
            else:
                engine = _open_engine(options.model, *what)
                _begin(job, memory, retry)
                result = job.run(engine)
    _tell(result, _KINDS.get(kinds, f"{', '.join(kinds)}"), options.json)


def _begin(job: "Job", memory: float | None, retry: bool) -> None:
    """Changes the job as the command says, once it is known to work."""
    job.keep_memory(memory)
    if retry:
        job.retry_failed()


def _open_engine(model: Path, engine: str, precision: str, views: "Views", memory: float | None) -> "Engine":
    """Opens what labels.

    Args:
        model: Where the model is.
        engine: Name of the engine.
        precision: What it computes in.
        views: What is averaged over.
        memory: Gigabytes the process may take; None for what is usual.

    Raises:
        FcnError: What `open_labeler` and `start_backend` raise.
    """
    # What computes takes seconds to load, and is not needed where everything is labeled.
    start_backend(engine)
    return open_labeler(model, engine, precision, views, memory)


def _open_same_engine(content: str, model: Path, *what: Any) -> "Engine":
    """Opens what labels in a process of a cluster, on any machine.

    Args:
        content: What `model_setting` said of the model where the job was started.
        model: Where the model is.
        what: The other arguments of `_open_engine`.

    Raises:
        FcnError: What `_open_engine` raises.
        RunError: If the model is another, or none is there.
    """
    from fcn.jobs.job import model_setting

    if model_setting(model).value != content:
        raise RunError(f"{model}: is not the model the job was started with. Copy that, and start again.")
    return _open_engine(model, *what)


def _address(text: str) -> str:
    """Reads the address of a Ray cluster."""
    _, _, port = text.rpartition(":")
    if text == "local" or (port != text and port.isdecimal() and "/" not in text):
        return text
    raise argparse.ArgumentTypeError(
        f"expected HOST:PORT, received {text!r}; write --ray behind the images, or --ray=local"
    )


def _folder(text: str) -> Path:
    if "://" in text:
        raise argparse.ArgumentTypeError(
            f"expected a folder on this machine, received {text!r}; label into one, and copy it there"
        )
    return Path(text)


def _outputs(text: str) -> tuple[str, ...]:
    from fcn.outputs.render import check_outputs

    try:
        return check_outputs(text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _inputs(options: argparse.Namespace) -> list[Any]:
    from fcn.jobs.sources.inputs import PathList
    from fcn.jobs.sources.remote import is_url

    listed = PathList(sys.stdin.buffer, b"\0" if options.null else b"\n")
    inputs = [text if is_url(text) else Path(text) for text in options.inputs if text != "-"]
    return [*inputs, listed] if "-" in options.inputs else inputs


def _tell(result: "LabelingResult", kind: str, as_document: bool) -> None:
    """Prints what came of it.

    Raises:
        DataError: If nothing could be labeled.
        PartialError: If something could not be labeled.
    """
    earlier = result.labeled - result.written
    what = "images and videos" if result.videos else "images"
    if as_document:
        failed = [{"path": str(path), "reason": reason} for path, reason in result.failed]
        document = {"written": result.written, "labeled": result.labeled, "failed": failed}
        print(as_json(document | {"output": str(result.output)}))
    elif result.written:
        before = f" {earlier} more were labeled before, or by others." if earlier else ""
        print(f"Wrote {kind} of {result.written} {what} to {_shown(result.output)}/.{before}")
    elif result.labeled:
        print(f"Nothing to do: {_shown(result.output)}/ has {kind} of all {result.labeled} {what}.")
    if result.failed:
        lines = [f"  {_shown(path)}: {reason}" for path, reason in result.failed[:_SHOWN_FAILURES]]
        more = len(result.failed) - len(lines)
        lines += [f"  and {more} more; --json lists them all"] if more else []
        kind_of_error = PartialError if result.labeled else DataError
        raise kind_of_error(
            f"could not be labeled ({len(result.failed)}):\n"
            + "\n".join(lines)
            + "\nThe same command labels "
            "those that were replaced; --retry-failed tries them all again."
        )


def _shown(path: Path | str) -> str:
    """Returns a path in one line that every terminal can print."""
    text = str(path)
    return text if text.isprintable() else ascii(text)
