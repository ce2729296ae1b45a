"""The command `fcn data preview`."""

import argparse
from pathlib import Path

from fcn.cli.arguments import Commands, add_command, add_set, at_least
from fcn.system.results import check_writable
from fcn.system.text import counted, print_json, print_lines

_COUNT = 24


def add_parser(commands: Commands) -> None:
    """Adds the command below `fcn data`, and its arguments."""
    preview = add_command(
        commands,
        "preview",
        run,
        "Write a page with the first examples of a training, as it sees them.",
        "python -m fcn data preview configs/voc_small.yaml --html page.html --set augmentation.rotation=20",
    )
    preview.add_argument("config", type=Path, metavar="CONFIG", help="a YAML file, or the name of a recipe")
    preview.add_argument(
        "--html",
        type=Path,
        default=Path("preview.html"),
        metavar="PAGE",
        help="the page; replaces a file; default: preview.html",
    )
    preview.add_argument(
        "--count",
        type=at_least(1),
        default=_COUNT,
        metavar="N",
        help=f"number of examples; default: {_COUNT}",
    )
    add_set(preview, "change one value")


def run(options: argparse.Namespace) -> None:
    """Writes the page."""
    from fcn.config.file import load_config
    from fcn.report.preview import write_preview

    config = load_config(options.config, options.set)
    check_writable(options.html)
    write_preview(options.html, config, options.config.stem, options.count)
    if options.json:
        print_json({"page": str(options.html), "examples": options.count})
    else:
        print_lines(f"Wrote {options.html}: {counted(options.count, 'example')}.")
