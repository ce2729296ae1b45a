"""The command `fcn slim`."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from fcn.cli.arguments import Commands, above_zero, add_command, add_trust, read_sides
from fcn.pages.percent import percent
from fcn.system.backend import start_backend
from fcn.system.files import check_new_folder
from fcn.system.text import counted, print_json, print_lines

if TYPE_CHECKING:
    from fcn.slimming.result import Slimming

_SIZE = (384, 512)
_CRITERIA = ("taylor", "activation", "norm")
_IMAGES, _SCORED = 64, 50


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
    slim.add_argument("--output", type=Path, required=True, metavar="SMALL", help="a new run folder")
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
    slim.add_argument(
        "--fc-channels", type=int, metavar="N", help="channels of fc6 and fc7; default: as other layers"
    )
    slim.add_argument(
        "--channels-by",
        choices=_CRITERIA,
        default=_CRITERIA[0],
        help="how it is measured which channels matter; default: taylor, their part of the loss",
    )
    slim.add_argument(
        "--images",
        type=int,
        default=_IMAGES,
        metavar="N",
        help=f"training examples to measure on; default: {_IMAGES}",
    )
    slim.add_argument(
        "--size",
        type=read_sides,
        default=_SIZE,
        metavar="HxW",
        help=f"size of the image that GFLOP are counted for; default: {_SIZE[0]}x{_SIZE[1]}",
    )
    scores = slim.add_mutually_exclusive_group()
    scores.add_argument(
        "--limit",
        type=int,
        default=_SCORED,
        metavar="N",
        help=f"images of the validation split to score both nets on; default: {_SCORED}",
    )
    scores.add_argument("--no-score", action="store_true", help="score neither")
    add_trust(slim)


def run(options: argparse.Namespace) -> None:
    """Makes a net smaller."""
    check_new_folder(options.output)  # before anything is measured
    start_backend()
    from fcn.slimming.slim import slim

    slimming = slim(
        options.run,
        options.output,
        width=options.width,
        gflop=options.gflop,
        speedup=options.speedup,
        fc_channels=options.fc_channels,
        channels_by=options.channels_by,
        images=options.images,
        size=options.size,
        scored_images=0 if options.no_score else options.limit,
        trust=options.trust,
    )
    if options.json:
        print_json({"run": str(slimming.run.path), **slimming.document()})
        return
    _print(slimming)


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
    small = shlex.quote(str(slimming.run.path))
    config = shlex.quote(str(slimming.run.config))
    print_lines(
        f"Wrote {slimming.run.path}.",
        f"Next: python -m fcn train {config} --run {small}-trained --set model.weights={small}",
    )
