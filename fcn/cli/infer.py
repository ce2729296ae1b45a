"""The command `fcn infer`."""

import argparse
import os
import sys
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fcn.cli.annotation_arguments import add_annotations, annotation_options
from fcn.cli.arguments import (
    MODEL_HELP,
    Commands,
    add_command,
    add_labeling,
    add_memory,
    add_trust,
    at_least,
    describe_export,
    find_model,
    open_predictor,
    read_output_folder,
)
from fcn.cli.infer_result import print_result
from fcn.cli.overlay_arguments import add_overlays, read_overlay_style
from fcn.cli.reading_arguments import add_reading_limits, read_reading_limits
from fcn.errors import BackendError, RunError
from fcn.system.backend import start_backend
from fcn.system.text import counted, print_notice, print_step

if TYPE_CHECKING:
    from fcn.inference.predictor import Predictor
    from fcn.jobs.job import Job

_CHOSEN = ("engine", "precision")
_GOES_ON = "The same command goes on from there."
_RESTARTS = "The same command without --restart goes on from there."


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    infer = add_command(
        commands,
        "infer",
        run,
        "Label images and videos.",
        "python infer.py runs/voc images/ --output labels --overlay",
    )
    infer.set_defaults(when_interrupted=_GOES_ON)
    infer.add_argument("model", type=Path, metavar="MODEL", help=MODEL_HELP)
    infer.add_argument(
        "inputs",
        nargs="+",
        metavar="IMAGE_OR_FOLDER",
        help="images, videos, folders of them, URLs of images; - reads a list of them on stdin, one a line",
    )
    infer.add_argument(
        "--output",
        type=read_output_folder,
        required=True,
        metavar="DIR",
        help="folder for the labels; the same command continues where it was stopped",
    )
    infer.add_argument(
        "--outputs",
        type=_outputs,
        default=("palette",),
        metavar="KIND,...",
        help="what to write: palette or ids (PNG), overlay, uncertainty (PNG), probabilities (npz), rle or "
        "polygons (coco), areas (csv), labelme, cvat; ids, rle, polygons, areas: also of frames of videos; "
        "geotiff, geopackage: any GeoTIFF; default: palette",
    )
    add_overlays(infer)
    add_annotations(infer)
    infer.add_argument(
        "--every",
        type=at_least(1),
        metavar="N",
        help="label every Nth frame of videos; default: 1; a continued job keeps its own",
    )
    infer.add_argument(
        "--smooth",
        type=_share,
        metavar="W",
        help="average over the frames of videos along motion, from 0 to below 1, such as 0.7; default: 0, "
        "no; a continued job keeps its own",
    )
    infer.add_argument(
        "-0",
        "--null",
        action="store_true",
        help="the list on stdin has a NUL after each entry, as find -print0 writes it",
    )
    infer.add_argument(
        "--batch-size",
        type=at_least(1),
        metavar="N",
        help="most images to label at once; default: 1 on a CPU, 8 on a GPU; a continued job keeps its own",
    )
    add_memory(infer, "4; a continued job keeps its own")
    add_reading_limits(infer, "268; a continued job keeps its own")
    infer.add_argument(
        "--ray",
        type=_address,
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="label in several processes, on this machine or on those of the Ray cluster at HOST:PORT; "
        "write it after the images",
    )
    infer.add_argument(
        "--actors",
        type=at_least(1),
        metavar="N",
        help="with --ray: number of processes; default: one for each GPU, or else one for every four CPUs",
    )
    infer.add_argument(
        "--workers",
        type=at_least(1),
        metavar="N",
        help="label in N processes of this machine, which share its cores; each takes --memory",
    )
    infer.add_argument(
        "--retry-failed",
        action="store_true",
        help="also try images again that failed before and have not changed",
    )
    infer.add_argument(
        "--restart", action="store_true", help="label everything again, whatever labels DIR holds"
    )
    add_labeling(infer)
    add_trust(infer)


def run(options: argparse.Namespace) -> None:
    """Labels images and videos."""
    from fcn.inference.video import VideoOptions
    from fcn.inference.views import Views
    from fcn.jobs.job import open_job
    from fcn.jobs.kept_limits import read_memory
    from fcn.jobs.rasters import check_raster_options
    from fcn.jobs.restart import recover_restart, restarting
    from fcn.jobs.settings import Setting, model_setting
    from fcn.jobs.video_settings import describe_options
    from fcn.jobs.videos import count_left_out
    from fcn.outputs.render import check_outputs

    if options.restart:
        options.when_interrupted = _RESTARTS
    if options.actors and not options.ray:
        raise BackendError(f"--actors {options.actors}: needs --ray. Add that, or leave it out.")
    if options.workers and options.ray:
        raise BackendError(
            f"--workers {options.workers}: not with --ray, whose processes --actors counts. Leave one out."
        )
    style = read_overlay_style(options)
    options.model = find_model(options.model, options.engine)
    model = model_setting(options.model, options.engine)
    views = Views(options.flip, options.scales)
    settings: dict[str, Setting | str] = {"model": model, "views": views.describe()}
    of_videos = describe_options(VideoOptions(options.every or 1, options.smooth or 0.0))
    # What is not asked for is as the job has it.
    settings |= {name: text for name, text in of_videos.items() if getattr(options, name) is not None}
    outputs = [*options.outputs, *(["overlay"] if options.overlay else [])]
    check_raster_options(outputs, views.are_plain, bool(options.ray))
    kinds = check_outputs(outputs)
    choices = (options.batch_size, style, annotation_options(options, kinds))
    # What "auto" chooses is known once the model is open.
    settings |= {name: getattr(options, name) for name in _CHOSEN if getattr(options, name) != "auto"}
    recover_restart(options.output)
    with (
        restarting(options.output) if options.restart else nullcontext(),
        open_job(options.output, _inputs(options), settings, kinds, *choices) as job,
    ):
        job.limits = read_reading_limits(options, job.limits)
        result = job.result()
        retry = options.retry_failed and bool(result.failed)
        if retry or not job.finished:
            # It also writes what was asked for before.
            check_raster_options(job.kinds, views.are_plain, bool(options.ray))
            if job.order == "upright" and (notice := describe_export(options.model)):
                print_notice(notice)
            count = job.remaining() + (len(result.failed) if retry else 0)
            print_step(f"Loading {options.model} to label {counted(count, 'file')}.")
            memory = options.memory or read_memory(job.store)
            arguments = (options.engine, options.precision, views, memory, options.trust)
            path = Path(os.path.abspath(options.model))  # actors work in another folder
            same_net = partial(_open_same, model.value, path, *arguments)
            begin = partial(_begin, job, (memory, options.max_megapixels), retry)
            if options.ray:
                from fcn.jobs.ray.actors import run_on_ray

                result = run_on_ray(job, same_net, options.ray, options.actors, begin)
            elif options.workers:
                from fcn.jobs.processes.pool import run_in_processes

                result = run_in_processes(job, same_net, options.workers, begin)
            else:
                predictor = _open(options.model, *arguments)
                begin()
                result = job.run(predictor)
        if result.new_videos and (left_out := count_left_out(job.store)):
            print_notice(f"Frames of videos: {job.annotations.describe_left_out(left_out)}")
    written = job.added or job.kinds
    if job.added and result.written == len(result.new_videos):
        # A file about all images, from what is known of each.
        result = result._replace(written=result.written + result.labeled - result.videos)
    print_result(result, written, options.json)


def _begin(job: "Job", limits: tuple[float | None, int | None], retry: bool) -> None:
    """Changes the job as the options ask: once the model is known to work, or before workers open it."""
    from fcn.jobs.kept_limits import keep_limits

    keep_limits(job.store, *limits)
    if retry:
        job.retry_failed()


def _open(model: Path, engine: str, *settings: Any) -> "Predictor":
    """Starts the backend and opens the net; takes the arguments of `open_predictor`.

    Raises:
        FcnError: What `open_predictor` and `start_backend` raise.
    """
    # A backend takes seconds to load, and is not needed if everything is labeled already.
    start_backend(engine)
    return open_predictor(model, engine, *settings)


def _open_same(content: str, model: Path, *settings: Any) -> "Predictor":
    """Opens the same net in another process, on any machine of a cluster.

    Args:
        content: `model_setting` of the model where the job was started.
        model: Where the model is.
        settings: The other arguments of `open_predictor`.

    Raises:
        FcnError: What `_open` raises.
        RunError: If there is no model, or another one.
    """
    from fcn.jobs.settings import model_setting

    if model_setting(model, settings[0]).value != content:
        raise RunError(
            f"{model}: is not the model that the job was started with. Copy that model here, then run the "
            "command again."
        )
    return _open(model, *settings)


def _address(text: str) -> str:
    """Reads the address of a Ray cluster."""
    _, _, port = text.rpartition(":")
    if text == "local" or (port != text and port.isdecimal() and "/" not in text):
        return text
    raise argparse.ArgumentTypeError(
        f"expected HOST:PORT, received {text!r}; write --ray after the images, or --ray=local"
    )


def _share(text: str) -> float:
    """Reads a number from 0 to below 1."""
    with suppress(ValueError):
        if 0 <= float(text) < 1:
            return float(text)
    raise argparse.ArgumentTypeError(f"expected a number from 0 to below 1, received {text!r}")


def _outputs(text: str) -> tuple[str, ...]:
    from fcn.outputs.render import check_outputs

    try:
        return check_outputs(text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _inputs(options: argparse.Namespace) -> list[Any]:
    from fcn.jobs.sources.links import is_url
    from fcn.jobs.sources.path_list import PathList

    listed = PathList(sys.stdin.buffer, b"\0" if options.null else b"\n")
    inputs = [text if is_url(text) else Path(text) for text in options.inputs if text != "-"]
    return [*inputs, listed] if "-" in options.inputs else inputs
