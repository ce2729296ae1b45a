"""The command `fcn suggest`."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fcn.cli.arguments import (
    MODEL_HELP,
    Commands,
    add_command,
    add_labeling,
    add_memory,
    add_trust,
    at_least,
    find_model,
    open_predictor,
)
from fcn.cli.reading_arguments import add_reading_limits, read_reading_limits
from fcn.errors import ConfigError, DataError
from fcn.labels.choices import EXPORT_FORMATS
from fcn.pages.percent import percent
from fcn.system.atomic_folder import clear_new_folder
from fcn.system.backend import start_backend
from fcn.system.results import check_writable
from fcn.system.text import counted, print_json, print_lines, print_notice

if TYPE_CHECKING:  # it imports a backend
    from fcn.suggestion.suggest import Suggestions

_COUNT = 20
_FORM = "labelme"
_SHOWN = 50


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    suggest = add_command(
        commands,
        "suggest",
        run,
        "Choose the unlabeled images to label next: those of which the net is unsure, and that differ.",
        "python -m fcn suggest runs/mine photographs/ --count 20 --copy to_label --labels labelme",
    )
    suggest.add_argument("model", type=Path, metavar="MODEL", help=MODEL_HELP)
    suggest.add_argument(
        "folder",
        metavar="FOLDER",
        help="a folder of images, at any depth, or the URL of one: images like those that the net is for, "
        "since of a mixture of kinds random ones were better for one of them (docs/results.md)",
    )
    suggest.add_argument(
        "--count",
        type=at_least(1),
        default=_COUNT,
        metavar="N",
        help=f"number of images to choose; default: {_COUNT}",
    )
    suggest.add_argument(
        "--list",
        type=Path,
        metavar="FILE",
        help="also write their paths, one a line, for infer - < FILE; replaces a file",
    )
    suggest.add_argument(
        "--copy",
        type=Path,
        metavar="OUT",
        help="also write the images with the labels that the net gives them to a new folder, to correct them",
    )
    suggest.add_argument(
        "--labels",
        choices=EXPORT_FORMATS,
        help=f"form of these labels, with --copy; default: {_FORM}",
    )
    add_memory(suggest, "4")
    add_reading_limits(suggest)
    add_labeling(suggest)
    add_trust(suggest)


def run(options: argparse.Namespace) -> None:
    """Chooses images, and writes them as they are asked for."""
    if options.labels and options.copy is None:
        raise ConfigError(f"--labels {options.labels}: needs --copy OUT. Add that, or leave it out.")
    if options.list is not None:
        check_writable(options.list)
    if options.copy is not None:
        clear_new_folder(options.copy)
    _check_folder(options.folder, options.copy)
    options.model = find_model(options.model, options.engine)
    start_backend(options.engine)
    from fcn.inference.views import Views
    from fcn.jobs.reading import LIMITS
    from fcn.suggestion.copies import copy_labeled, write_list
    from fcn.suggestion.suggest import suggest

    limits = read_reading_limits(options, LIMITS)
    views = Views(options.flip, options.scales)
    arguments = (options.engine, options.precision, views, options.memory, options.trust)
    predictor = open_predictor(options.model, *arguments)
    found = suggest(predictor, options.folder, options.count, limits, options.copy)
    _print_notices(found)
    if not options.json:
        _print_chosen(found, options.list is not None)
    if options.list is not None:
        left_out = write_list(options.list, found.chosen)
        if left_out:
            print_notice(
                f"{options.list}: lacks {counted(left_out, 'image')} with a line feed in the name. Rename "
                "them, or copy them with --copy."
            )
        if not options.json:
            print_lines(f"Wrote {options.list}: {counted(len(found.chosen) - left_out, 'path')}.")
    if options.copy is not None:
        from fcn.labels.exporting.forms import FORMS

        form = FORMS[options.labels or _FORM]
        copied = copy_labeled(predictor, found.chosen, options.copy, options.labels or _FORM, limits)
        if not options.json:
            print_lines(
                f"Wrote {options.copy}/: {counted(copied.images, 'image')} with labels, as {form.title}.",
                form.opens_with(options.copy),
            )
    if options.json:
        print_json(_document(found))


def _check_folder(folder: str, output: Path | None) -> None:
    """Checks that the images are there, before a model is opened, which takes seconds.

    Raises:
        DataError: If they are not.
    """
    from fcn.jobs.sources.links import is_url
    from fcn.jobs.sources.search import find_problem

    problem = None if is_url(folder) else find_problem(Path(folder), output or Path(os.devnull))
    if problem is not None:
        raise DataError(f"{folder}: {problem}")


def _print_notices(found: "Suggestions") -> None:
    """Prints what was left out, and why."""
    lines = [f"{path}: {reason}" for path, reason in found.failed[:_SHOWN]]
    if len(found.failed) > _SHOWN:
        lines.append(f"and {len(found.failed) - _SHOWN:,} more; --json lists them all")
    if found.failed:
        print_notice(f"{counted(len(found.failed), 'file')} could not be labeled, and cannot be chosen:")
        print_notice(*(f"  {line}" for line in lines))
    if found.num_seen:
        print_notice(f"Left out {counted(found.num_seen, 'image')} that the net was trained or validated on.")
    if found.num_copies:
        print_notice(f"Left out {counted(found.num_copies, 'copy', 'copies')} of other images.")
    if found.num_videos:
        print_notice(f"Left out {counted(found.num_videos, 'video')}. Extract frames of them to choose from.")


def _print_chosen(found: "Suggestions", are_listed: bool) -> None:
    print_lines(f"{len(found.chosen):,} of {counted(found.num_images, 'image')}, the first to label first:")
    print_lines("   uncertainty  image")
    shown = found.chosen if not are_listed else found.chosen[:_SHOWN]
    print_lines(*(f"   {percent(one.uncertainty, 1):>11}  {one.path}" for one in shown))
    if len(shown) < len(found.chosen):
        print_lines(f"   and {len(found.chosen) - len(shown):,} more")


def _document(found: "Suggestions") -> dict[str, Any]:
    return {
        "chosen": [{"path": one.path, "uncertainty": one.uncertainty} for one in found.chosen],
        "num_images": found.num_images,
        "num_seen": found.num_seen,
        "num_copies": found.num_copies,
        "num_videos": found.num_videos,
        "failed": [{"path": path, "reason": reason} for path, reason in found.failed],
    }
