"""The command `fcn weights`, and `get`, `verify` and `remove` below it."""

import argparse
from typing import TYPE_CHECKING, Any

from fcn.cli.arguments import WEIGHTS_COMMAND, Commands, add_command
from fcn.errors import PartialError, RunError
from fcn.system.remedies import as_started
from fcn.system.text import print_json, print_lines

if TYPE_CHECKING:
    from fcn.weights.cache import WeightCache
    from fcn.weights.catalog import PublishedNet

_NAME = f"name of a published net, as {WEIGHTS_COMMAND} lists it"


def add_parser(commands: Commands) -> None:
    """Adds the command, and those below it."""
    weights = add_command(
        commands,
        "weights",
        run,
        "List published nets, download them and check them.",
        "python -m fcn weights get fcn8s-voc",
    )
    weights.set_defaults(run_weights_command=_list)
    below = weights.add_subparsers(metavar="COMMAND")
    get = add_command(
        below,
        "get",
        run,
        "Download the file of a published net, unless it is there, and check it.",
        "python -m fcn weights get fcn8s-voc --mirror /media/disk/weights",
    )
    get.set_defaults(run_weights_command=_get)
    get.add_argument("name", metavar="NAME", help=_NAME)
    get.add_argument(
        "--mirror",
        metavar="URL_OR_FOLDER",
        help="take the file from here, under its own name; default: FCN_WEIGHTS_MIRROR, else its publishers",
    )
    verify = add_command(
        below,
        "verify",
        run,
        "Compare the files that are there with their checksums, and read imported nets.",
        "python -m fcn weights verify",
    )
    verify.set_defaults(run_weights_command=_verify)
    verify.add_argument("name", nargs="?", metavar="NAME", help=f"{_NAME}; default: all that are there")
    remove = add_command(
        below,
        "remove",
        run,
        "Remove the file of a published net, and the net that was imported from it.",
        "python -m fcn weights remove fcn8s-voc",
    )
    remove.set_defaults(run_weights_command=_remove)
    remove.add_argument("name", metavar="NAME", help=_NAME)


def run(options: argparse.Namespace) -> None:
    """Lists, downloads, checks or removes published nets."""
    options.run_weights_command(options)


def _list(options: argparse.Namespace) -> None:
    """Lists the published nets."""
    from fcn.weights.cache import WeightCache
    from fcn.weights.catalog import NETS

    cache = WeightCache()
    documents = [_document(name, net, cache) for name, net in NETS.items()]
    if options.json:
        print_json({"folder": str(cache.folder), "nets": documents})
        return
    for name, net in NETS.items():
        classes = "classifier" if net.is_classifier else f"{net.num_classes} classes"
        score = f"; {net.score}" if net.score else ""
        checksum = net.file.checksum
        stated = f"{checksum.title} ({checksum.source})" if checksum else "no public checksum"
        path, imported = cache.find(net), cache.net_path(name)
        print_lines(
            f"{name}: {net.title}, {classes}{score}",
            f"  {net.size_text}; {stated}",
            f"  {net.license.name}; commercial use: {net.license.commercial_use}",
            *([f"  here: {path}"] if path is not None else []),
            *([f"  imported: {imported}"] if imported.exists() else []),
        )
    named = {net.class_names: f"{net.num_classes} classes" for net in NETS.values() if not net.is_classifier}
    print_lines("", *(f"{number}: {', '.join(names)}" for names, number in named.items()))
    print_lines("", f"Files are kept in {cache.folder}; set FCN_WEIGHTS to choose another folder.")


def _document(name: str, net: "PublishedNet", cache: "WeightCache") -> dict[str, Any]:
    """Returns what is known of a net, for machines."""
    path, imported = cache.find(net), cache.net_path(name)
    checksum = net.file.checksum
    return {
        "name": name,
        "title": net.title,
        "classes": net.num_classes,
        "class_names": list(net.class_names),
        "score": net.score or None,
        "file": net.file.name,
        "format": net.format,
        "size": net.size,
        "size_is_exact": net.file.size is not None,
        "checksum": None if checksum is None else checksum._asdict(),
        "license": net.license._asdict(),
        "urls": list(net.file.urls),
        "path": None if path is None else str(path),
        "imported": str(imported) if imported.exists() else None,
    }


def _get(options: argparse.Namespace) -> None:
    """Downloads the file of a net."""
    from fcn.weights.cache import WeightCache

    net = _net(options.name)
    path = WeightCache(mirror=options.mirror).fetch(options.name, net)
    if options.json:
        print_json({"name": options.name, "path": str(path)})
        return
    label = f"{as_started('python infer.py')} {options.name} IMAGES --output LABELS --overlay"
    train = f"{as_started('python train.py')} CONFIG --set model.weights={options.name}"
    print_lines(f"{options.name}: {path}", f"Next: {train if net.is_classifier else label}")


def _verify(options: argparse.Namespace) -> None:
    """Checks the files that are there.

    Raises:
        PartialError: If one of them is damaged.
        RunError: If there is no such net, or it is not there.
    """
    from fcn.weights.cache import WeightCache
    from fcn.weights.catalog import NETS

    cache = WeightCache()
    nets = NETS if options.name is None else {options.name: _net(options.name)}
    documents, lines = [], []
    for name, net in nets.items():
        state, detail = cache.state(net)
        problem = _problem_of_import(cache, name)
        if state == "absent" and problem is None:
            if options.name is not None:
                getting = as_started("python -m fcn weights get")
                raise RunError(f"{name}: is not in {cache.folder}. Download it: {getting} {name}")
            continue
        documents.append({"name": name, "state": state, "compared": detail, "imported": problem or None})
        if state != "absent":
            whole = state == "whole"
            lines.append(f"{cache.find(net)}: {'equals ' if whole else 'is damaged: '}{detail}")
        if problem is not None:
            lines.append(f"{cache.net_path(name)}: {problem or 'can be read'}")
    damaged = [one["name"] for one in documents if one["state"] == "damaged" or one["imported"]]
    if options.json:
        print_json({"folder": str(cache.folder), "nets": documents})
    else:
        print_lines(*(lines or [f"{cache.folder} holds no published nets."]))
    if damaged:
        raise PartialError(
            "Damaged nets. Remove them; a net that was removed is downloaded when it is next used:",
            *(f"  {as_started('python -m fcn weights remove')} {name}" for name in damaged),
        )


def _problem_of_import(cache: "WeightCache", name: str) -> str | None:
    """Returns how an imported net is damaged, as a clause; "" if it is not, None if there is none."""
    import zipfile
    import zlib

    from fcn.runs.folder import RunFolder

    run = cache.net_path(name)
    if not run.exists():
        return None
    try:
        with zipfile.ZipFile(RunFolder(run).best) as archive:
            damaged = archive.testzip()
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        return f"is damaged: {error}"
    return "" if damaged is None else f"is damaged: {damaged} differs from its checksum"


def _remove(options: argparse.Namespace) -> None:
    """Removes a net."""
    from fcn.weights.cache import WeightCache

    removed = WeightCache().remove(options.name, _net(options.name))
    if options.json:
        print_json({"name": options.name, "removed": [str(path) for path in removed]})
        return
    lines = [f"Removed {path}." for path in removed]
    print_lines(*(lines or [f"{options.name}: is not here."]))


def _net(name: str) -> "PublishedNet":
    """Returns a published net.

    Raises:
        RunError: If there is none of this name.
    """
    from fcn.runs.named_net import close_names
    from fcn.weights.catalog import NETS

    if name not in NETS:
        names = close_names(name)
        hint = f" Did you mean {names[0]}?" if names else ""
        listing = as_started("python -m fcn weights")
        raise RunError(f"{name}: no published net of this name.{hint} {listing} lists them.")
    return NETS[name]
