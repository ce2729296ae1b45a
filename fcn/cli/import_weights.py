"""The command `fcn import`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fcn.cli.arguments import WEIGHTS_COMMAND, Commands, add_command
from fcn.config.sections import NETS
from fcn.errors import RunError
from fcn.system.backend import start_backend
from fcn.system.files import check_new_folder
from fcn.system.remedies import as_started
from fcn.system.text import print_json, print_lines

if TYPE_CHECKING:
    from fcn.runs.licenses import WeightLicense


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
        "source",
        metavar="SOURCE",
        help=f"name of a published net ({WEIGHTS_COMMAND}), file or URL: caffemodel, Keras .h5, vgg16.npy, "
        "PyTorch .pth, Chainer .npz, .safetensors or ONNX",
    )
    importing.add_argument("--output", type=Path, required=True, metavar="RUN", help="a new folder")
    importing.add_argument(
        "--net",
        choices=NETS,
        default="fcn8s",
        metavar="NET",
        help=f"net to build from the weights of a classifier: {', '.join(NETS)}; default: fcn8s",
    )


def run(options: argparse.Namespace) -> None:
    """Turns published weights into a run folder."""
    check_new_folder(options.output)  # before anything is downloaded
    source, licenses = _find(options.source)
    start_backend()
    from fcn.runs.importing import import_weights

    try:
        found = import_weights(source, options.output, options.net, licenses)
    except RunError as error:
        if "://" in options.source:
            _remove_copy(options.source)  # a mended server is asked again
        if not licenses:
            raise
        removing = as_started("python -m fcn weights remove")
        advice = f"To download it again, run {removing} {licenses[0].weights} first."
        raise RunError(str(error), advice) from error
    if "://" in options.source:
        _remove_copy(options.source)
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


def _find(source: str) -> tuple[Path, tuple["WeightLicense", ...]]:
    """Returns the file with a name, at a URL or at a path, with its license if that is known.

    Raises:
        DownloadError: If it cannot be downloaded.
        OutputError: If it cannot be kept.
        RunError: If it is a path that does not exist, but close to the name of a published net.
    """
    from fcn.runs.licenses import license_of
    from fcn.runs.named_net import close_names
    from fcn.weights.cache import WeightCache
    from fcn.weights.catalog import NETS as PUBLISHED
    from fcn.weights.from_url import fetch_url, name_of_url

    if "://" in source:
        name, path = name_of_url(source), fetch_url(source, WeightCache())
    elif source in PUBLISHED and not Path(source).exists():
        name, path = source, WeightCache().fetch(source, PUBLISHED[source])
    else:
        if not Path(source).exists() and (names := close_names(source)):
            raise RunError(
                f"{source}: no such file. Did you mean the published net {names[0]}? "
                f"{as_started('python -m fcn weights')} lists all."
            )
        return Path(source), ()
    return path, () if name is None else (license_of(name, PUBLISHED[name]),)


def _remove_copy(url: str) -> None:
    """Removes the copy of what is at a URL, once it was imported or cannot be."""
    from fcn.weights.cache import WeightCache
    from fcn.weights.from_url import remove_url_copy

    remove_url_copy(url, WeightCache())
