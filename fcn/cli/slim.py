"""The command `fcn slim`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fcn.cli.arguments import Commands, above_zero, add_command, add_set, add_trust, at_least
from fcn.cli.size_arguments import read_size
from fcn.errors import RunError
from fcn.pages.percent import percent
from fcn.runs.folder import RunFolder
from fcn.slimming.options import CHANNELS_BY, CRITERIA, FACTOR, IMAGES, MOST_STEPS, SCORED_IMAGES, SIZE
from fcn.system.backend import start_backend
from fcn.system.files import check_new_folder
from fcn.system.remedies import as_started
from fcn.system.shell import join_words, quoted
from fcn.system.text import counted, print_json, print_lines

if TYPE_CHECKING:
    from fcn.config.file import Config
    from fcn.slimming.result import Slimming
    from fcn.slimming.until_drop import SlimSeries


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    slim = add_command(
        commands,
        "slim",
        run,
        "Make a trained net smaller and faster: keep the channels of each layer that matter.",
        "python -m fcn slim runs/camvid --output runs/camvid-small --speedup 4",
    )
    slim.add_argument("run", type=Path, metavar="RUN", help="a run folder, whose data are read")
    slim.add_argument(
        "--output",
        type=Path,
        metavar="SMALL",
        help="a new run folder; with --until-drop, the folder of all steps, in which the same command "
        "continues; default: RUN-small",
    )
    goal = slim.add_mutually_exclusive_group()
    goal.add_argument(
        "--width",
        type=above_zero("a share, such as 0.5"),
        metavar="W",
        help="share of the channels that each layer keeps; default: 0.5",
    )
    goal.add_argument(
        "--gflop",
        type=above_zero("GFLOP, such as 40"),
        metavar="G",
        help="in place of --width: billions of operations for an image, which layers share as is best for "
        "the net",
    )
    goal.add_argument(
        "--speedup",
        type=above_zero("a number, such as 4"),
        metavar="N",
        help="in place of --width: how many times fewer operations, shared so too",
    )
    goal.add_argument(
        "--until-drop",
        type=above_zero("points of mean IoU, such as 0.5"),
        metavar="POINTS",
        help="in place of --width: make the net smaller and train it, again and again, until so many points "
        "of mean IoU are lost",
    )
    slim.add_argument(
        "--factor",
        type=above_zero("a number, such as 0.8"),
        metavar="F",
        help=f"of --until-drop: operations of each net relative to those before; default: {FACTOR}",
    )
    slim.add_argument(
        "--most-steps",
        type=at_least(1),
        metavar="N",
        help=f"of --until-drop: nets to make at most; default: {MOST_STEPS}",
    )
    add_set(slim, "of --until-drop: change one value of the run's configuration for each training")
    slim.add_argument(
        "--fc-channels",
        type=at_least(1),
        metavar="N",
        help="channels of fc6 and fc7; default: as other layers",
    )
    slim.add_argument(
        "--channels-by",
        choices=CRITERIA,
        help=f"how it is measured which channels matter; default: {CHANNELS_BY}, what the others cannot make "
        "up for; with --until-drop as the series began",
    )
    slim.add_argument(
        "--images",
        type=at_least(0),
        default=IMAGES,
        metavar="N",
        help=f"training examples to measure on; default: {IMAGES}",
    )
    slim.add_argument(
        "--size",
        type=read_size,
        default=SIZE,
        metavar="HxW",
        help=f"size of the image that GFLOP are counted for; default: {SIZE[0]}x{SIZE[1]}",
    )
    scores = slim.add_mutually_exclusive_group()
    scores.add_argument(
        "--limit",
        type=at_least(0),
        default=SCORED_IMAGES,
        metavar="N",
        help=f"images of the validation split to score both nets on; default: {SCORED_IMAGES}",
    )
    scores.add_argument("--no-score", action="store_true", help="score neither")
    add_trust(slim)


def run(options: argparse.Namespace) -> None:
    """Makes a net smaller."""
    output: Path = options.output or _choose_output(options.run)
    if options.until_drop is None:
        given = {"--factor": options.factor, "--most-steps": options.most_steps, "--set": options.set or None}
        if unused := [name for name, value in given.items() if value is not None]:
            raise RunError(f"{unused[0]}: is only used by --until-drop, which trains. Leave it out.")
    if options.until_drop is not None and options.fc_channels is not None:
        raise RunError("--fc-channels: is not used by --until-drop, which shares operations. Leave it out.")
    if options.until_drop is None:
        check_new_folder(output)  # before anything is measured
    start_backend()
    shared = {
        "images": options.images,
        "size": options.size,
        "scored_images": 0 if options.no_score else options.limit,
        "trust": options.trust,
    }
    if options.until_drop is not None:
        _slim_until_drop(options, output, shared)
        return
    from fcn.slimming.slim import slim

    slimming = slim(
        options.run,
        output,
        width=options.width,
        gflop=options.gflop,
        speedup=options.speedup,
        fc_channels=options.fc_channels,
        channels_by=CHANNELS_BY if options.channels_by is None else options.channels_by,
        **shared,
    )
    if options.json:
        print_json({"run": str(slimming.run.path), **slimming.document()})
        return
    _print(slimming)


def _choose_output(run: Path) -> Path:
    named = run if run.name not in ("", "..") else run.resolve()  # "." has no name
    if not named.name:
        raise RunError(f"{run}: has no name to call the small net by. Give --output.")
    return named.with_name(f"{named.name}-small")


def _slim_until_drop(options: argparse.Namespace, output: Path, shared: dict[str, Any]) -> None:
    from fcn.slimming.until_drop import slim_until_drop

    series = slim_until_drop(
        options.run,
        output,
        options.until_drop / 100,
        factor=FACTOR if options.factor is None else options.factor,
        most_steps=MOST_STEPS if options.most_steps is None else options.most_steps,
        channels_by=options.channels_by,
        overrides=options.set,
        **shared,
    )
    if options.json:
        steps = [step._asdict() for step in series.steps]
        print_json({"folder": str(output), "steps": steps, "smallest": series.smallest.name})
        return
    _print_steps(series)


def _print_steps(series: "SlimSeries") -> None:
    from rich import box
    from rich.table import Table

    from fcn.slimming.step_table import COLUMNS, describe_times, format_rows
    from fcn.system.console import TerminalConsole

    table = Table(box=box.SIMPLE_HEAD)
    for index, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if index else "left")
    for row in format_rows(series.steps):
        table.add_row(*row)
    TerminalConsole().print(table)
    print_lines(*describe_times(series.steps))
    smallest, full = series.smallest, series.steps[0]
    points = f"{100 * series.drop:g} points"
    if smallest is full:
        print_lines(
            f"No smaller net stayed within {points} of mean IoU. Train each longer, or lose less: --factor."
        )
    else:
        print_lines(
            f"Smallest net within {points} of mean IoU: {series.folder / smallest.name}, with "
            f"{full.gflop / smallest.gflop:.3g} times fewer GFLOP."
        )
    print_lines(f"Wrote steps.csv, steps.json, steps.md and steps.svg in {series.folder}.")
    if smallest is not full:
        best = RunFolder(series.folder / smallest.name)
        print_lines(f"Next: {_export_command(best.path, best.load_config())}")


def _print(slimming: "Slimming") -> None:
    from rich import box
    from rich.table import Table

    from fcn.system.console import TerminalConsole

    table = Table(title="channels", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("layer")
    for column in ("before", "kept", "share"):
        table.add_column(column, justify="right")
    for name, (channels, kept) in slimming.kept.items():
        table.add_row(name, f"{channels:,}", f"{kept:,}", percent(kept / channels))
    TerminalConsole().print(table)
    (before, after), (height, width) = slimming.gflop, slimming.size
    print_lines(
        f"GFLOP for an image of {height}x{width}: {before:,.4g} -> {after:,.4g} ({before / after:.3g} times "
        "fewer)",
        f"parameters: {slimming.parameters[0]:,} -> {slimming.parameters[1]:,}",
    )
    if slimming.mean_iou is not None:
        before, after = slimming.mean_iou
        print_lines(
            f"mean IoU on {counted(slimming.scored_images, 'image')} of the validation split, before any "
            f"training: {percent(before)} -> {percent(after)}"
        )
    trained = slimming.run.path.with_name(f"{slimming.run.path.name}-trained")
    print_lines(
        f"Wrote {slimming.run.path}.",
        f"Next: {_train_command(slimming, trained)}",
        f"Then: {_export_command(trained, slimming.run.load_config())}",
    )


def _train_command(slimming: "Slimming", output: Path) -> str:
    """Returns how to train a small net on, with the net that it was made of as its teacher.

    Args:
        slimming: The small net.
        output: The run folder of the training.
    """
    from fcn.config.overrides import format_override
    from fcn.slimming.fine_tuning import fine_tuning
    from fcn.slimming.slim import open_run

    paths = {"model.weights": slimming.run.path, "train.teacher": slimming.source}
    settings = [format_override(key, str(path)) for key, path in paths.items()]
    settings += fine_tuning(open_run(slimming.source)[1])
    words = [slimming.run.config, "--run", output, *(word for one in settings for word in ("--set", one))]
    return f"{as_started('python -m fcn train')} {join_words(words)}"


def _export_command(run: Path, config: "Config") -> str:
    """Returns how to export the net of a run for OpenVINO in int8, compared on the data of the run.

    Args:
        run: The run.
        config: How it is trained.
    """
    from fcn.data.split_list import IMAGES as FOLDER

    root = config.data.root
    images, output = quoted(root / FOLDER), quoted(Path("exported") / run.name)
    # The command compares on the split val.
    accuracy = f" --accuracy-data {quoted(root)}" if config.data.val_split == "val" else ""
    return (
        f"{as_started('python -m fcn export')} {quoted(run)} {output} --format openvino --calibrate {images}"
        f"{accuracy}"
    )
