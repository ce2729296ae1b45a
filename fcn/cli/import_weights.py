"""The command `fcn import`."""

import argparse
from pathlib import Path

from fcn.cli.arguments import Commands, add_command
from fcn.config.sections import NETS
from fcn.system.backend import start_backend
from fcn.system.text import print_json, print_lines


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    importing = add_command(
        commands,
        "import",
        run,
        "Turn published weights into a run folder.",
        "python -m fcn import fcn8s-heavy-pascal.caffemodel --output runs/fcn8s",
    )
    importing.add_argument(
        "source", type=Path, metavar="SOURCE", help="caffemodel, Keras .h5, vgg16.npy or torchvision .pth"
    )
    importing.add_argument("--output", type=Path, required=True, metavar="RUN", help="a new folder")
    importing.add_argument(
        "--net",
        choices=NETS,
        default="fcn8s",
        help="net to build from the weights of a classifier; default: fcn8s",
    )


def run(options: argparse.Namespace) -> None:
    """Turns published weights into a run folder."""
    start_backend()
    from fcn.runs.importing import import_weights

    found = import_weights(options.source, options.output, options.net)
    if options.json:
        document = {"run": str(options.output), "net": found.title, "left_out": found.left_out}
        print_json(document)
        return
    print_lines(f"Found {found.title}.")
    if found.left_out:
        print_lines(f"Left out, since the net has no such layers: {', '.join(found.left_out)}.")
    print_lines(f"Wrote {options.output}/, which every command takes as MODEL.")
    if not found.has_scores:
        print_lines(f"Its score layers are zero. Train it with --set model.weights={options.output}.")
