"""The command `fcn data suspects`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fcn.cli.arguments import Commands, add_command, add_trust, at_least
from fcn.errors import OutputError, RunError
from fcn.pages.percent import percent
from fcn.system.backend import start_backend
from fcn.system.results import check_writable, write_result
from fcn.system.text import counted, print_json, print_lines, print_notice

if TYPE_CHECKING:  # it imports a backend
    from fcn.suspects.search import Suspects

_LIMIT = 50
_SHOWN = 20


def add_parser(commands: Commands) -> None:
    """Adds the command below `fcn data`, and its arguments."""
    suspects = add_command(
        commands,
        "suspects",
        run,
        "Rank the images and regions whose label a net doubts most.",
        "python -m fcn data suspects runs/mine --folds 3 --html suspects.html --csv suspects.csv",
    )
    suspects.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    suspects.add_argument(
        "--html",
        type=Path,
        metavar="PAGE",
        help="also write a page with images, labels and predictions; replaces a file",
    )
    suspects.add_argument(
        "--csv", type=Path, metavar="FILE", help="also write the ranking as a table; replaces a file"
    )
    suspects.add_argument(
        "--split",
        choices=("train", "val"),
        default="train",
        help="the split that the run was trained on, or that it was scored on; default: train",
    )
    suspects.add_argument(
        "--folds",
        type=at_least(2),
        metavar="K",
        help="first train K nets as the run was trained, each without one part of the images, and ask each "
        "about its part; takes K times as long as the training; default: ask the net of the run",
    )
    suspects.add_argument(
        "--limit",
        type=at_least(1),
        default=_LIMIT,
        metavar="N",
        help=f"number of images and of regions to rank; default: {_LIMIT}",
    )
    suspects.add_argument(
        "--data", type=Path, metavar="ROOT", help="the data set, if it was moved; default: that of the run"
    )
    add_trust(suspects)


def run(options: argparse.Namespace) -> None:
    """Ranks the images and regions of a split by doubt."""
    results = [path for path in (options.html, options.csv) if path is not None]
    if len(results) > len({path.resolve() for path in results}):
        raise OutputError(f"{options.csv}: is the file of both --html and --csv. Choose two.")
    for path in results:
        check_writable(path)
    if not options.run.is_dir():
        raise RunError(f"{options.run}: is not the folder of a run. Check the path.")
    start_backend()
    from fcn.suspects.document import suspects_document
    from fcn.suspects.page import write_page
    from fcn.suspects.search import Request, asked_nets, prepare, rank_suspects
    from fcn.suspects.table import suspects_table

    task = prepare(
        Request(options.run, options.split, options.folds, options.limit, options.data, options.trust)
    )
    with asked_nets(task) as nets:
        suspects = rank_suspects(task, nets)
        if options.csv is not None:
            write_result(options.csv, suspects_table(suspects))
        if options.html is not None:
            write_page(options.html, suspects, nets, options.trust)
    for note in suspects.notes:
        print_notice(f"Note: {note}")
    if options.json:
        print_json(suspects_document(suspects))
        return
    _print_suspects(suspects)
    for path in results:
        print_lines(f"Wrote {path}.")


def _print_suspects(suspects: "Suspects") -> None:
    from rich import box
    from rich.table import Table

    from fcn.system.console import TerminalConsole

    names = suspects.classes.names
    regions = Table(title="Most doubted regions", box=box.SIMPLE_HEAD, title_justify="left")
    for column in ("rank", "image", "label", "net predicts", "pixels", "doubt"):
        regions.add_column(
            column, justify="left" if column in ("image", "label", "net predicts") else "right"
        )
    for rank, region in enumerate(suspects.regions[:_SHOWN], start=1):
        found = region.region
        regions.add_row(
            str(rank),
            region.example.name,
            names[found.given],
            names[found.predicted],
            f"{found.pixels:,}",
            f"{found.doubt:,.1f}",
        )
    images = Table(title="Most doubted images", box=box.SIMPLE_HEAD, title_justify="left")
    for column in ("rank", "image", "label quality", "pixels doubted"):
        images.add_column(column, justify="left" if column == "image" else "right")
    for rank, image in enumerate(suspects.images[:_SHOWN], start=1):
        images.add_row(str(rank), image.example.name, percent(image.quality, 1), f"{image.pixels:,}")
    images_text = counted(suspects.num_images, "image")
    print_lines(f"{suspects.run}: {images_text} of {suspects.split} of {suspects.root}.")
    console = TerminalConsole()
    console.print(regions)
    console.print(images)
    if suspects.num_void:
        print_lines(f"Images without a labeled pixel, which are not ranked: {suspects.num_void:,}.")
