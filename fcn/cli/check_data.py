"""The command `fcn data check`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fcn.cli.arguments import Commands, add_command
from fcn.errors import DataError
from fcn.labels.choices import PALETTES
from fcn.system.atomic_folder import clear_new_folder
from fcn.system.remedies import as_started
from fcn.system.results import check_writable
from fcn.system.shell import quoted
from fcn.system.text import print_json, print_lines

if TYPE_CHECKING:
    from fcn.labels.checking.survey import Survey


def add_parser(commands: Commands) -> None:
    """Adds the command below `fcn data`, and its arguments."""
    check = add_command(
        commands,
        "check",
        run,
        "Check a data set: what is in it, what a training refuses, what is suspicious.",
        "python -m fcn data check data/mine --html check.html",
    )
    check.add_argument("root", type=Path, metavar="ROOT", help="data set in VOC layout")
    check.add_argument(
        "--html", type=Path, metavar="PAGE", help="also write a page with overlays; replaces a file"
    )
    check.add_argument(
        "--fix",
        type=Path,
        metavar="NEWROOT",
        help="instead, write a copy in which names, lists and palettes are mended; ROOT is not changed",
    )
    check.add_argument(
        "--palettes",
        choices=PALETTES,
        default="keep",
        help="with --fix: keep palettes that show the classes; give all labels one palette and keep their "
        "ids; or make ids of the colors in labels.txt; default: keep",
    )
    check.add_argument("--train-split", default="train", metavar="NAME", help="default: train")
    check.add_argument("--val-split", default="val", metavar="NAME", help="default: val")
    check.add_argument(
        "--classes", choices=("voc",), help="classes of a data set without labels.txt: the 21 of Pascal VOC"
    )
    check.add_argument(
        "--label-orientation",
        choices=("upright", "stored"),
        default="upright",
        help="whether labels are of upright images, or of the pixels as they are stored, before EXIF "
        "orientation, as data.label_orientation of a training; default: upright",
    )
    check.add_argument(
        "--bits",
        type=int,
        choices=range(8, 17),
        metavar="N",
        help="how many bits the values of images of 16 bits use, 8 to 16, as data.bits of a training",
    )


def run(options: argparse.Namespace) -> None:
    """Checks a data set, or writes a mended copy.

    Raises:
        DataError: If a training would refuse the data set, after everything was printed.
    """
    if options.fix is not None:
        _fix(options)
        return
    if options.palettes != "keep":
        raise DataError("--palettes: changes only what --fix writes. Add --fix NEWROOT, or leave it out.")
    if options.html is not None:
        check_writable(options.html)
    from fcn.labels.checking.check import check_dataset
    from fcn.labels.checking.document import survey_document
    from fcn.labels.checking.page import write_page

    survey = check_dataset(
        options.root,
        options.train_split,
        options.val_split,
        options.classes,
        options.label_orientation,
        options.bits,
    )
    if options.html is not None:
        write_page(options.html, survey)
    if options.json:
        print_json(survey_document(survey))
    else:
        _print_survey(survey)
        if options.html is not None:
            print_lines(f"Wrote {options.html}.")
    if refused := survey.refused():
        kinds = ", ".join(dict.fromkeys(finding.kind for finding in refused))
        raise DataError(f"{options.root}: cannot be trained on as it is: {kinds}.")


def _fix(options: argparse.Namespace) -> None:
    if options.html is not None:
        raise DataError("--html: shows a check, and --fix writes a copy. Give them in two commands.")
    clear_new_folder(options.fix)
    from fcn.labels.checking.fix import describe_mended, fix_dataset

    mended = fix_dataset(options.root, options.fix, options.palettes, options.classes)
    if options.json:
        print_json({"root": str(options.fix), **mended._asdict()})
        return
    check = f"{as_started('python -m fcn data check')} {quoted(options.fix)}"
    print_lines(f"Wrote {options.fix}/.", *describe_mended(mended), f"Next: {check}")


def _print_survey(survey: "Survey") -> None:
    from rich import box
    from rich.table import Table

    from fcn.labels.checking.text import class_rows, describe_findings, title
    from fcn.system.console import TerminalConsole

    table = Table(title=title(survey), box=box.SIMPLE_HEAD, title_justify="left")
    columns, *rows = class_rows(survey)
    for column in columns:
        table.add_column(column, justify="left" if column in ("class", "color") else "right")
    for row in rows:
        table.add_row(*row)
    TerminalConsole().print(table)
    print_lines(*describe_findings(survey))
