"""The command `fcn data import`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fcn.cli.arguments import Commands, add_command, at_least
from fcn.errors import ConfigError
from fcn.labels.choices import FITS, LABEL_ORIENTATIONS
from fcn.system.remedies import as_started
from fcn.system.shell import join_words
from fcn.system.text import counted, print_json, print_lines

if TYPE_CHECKING:
    from fcn.labels.importing.importer import Plan


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "import",
        run,
        "Import images with the labels of another tool, as a data set in VOC layout.",
        "python -m fcn data import annotations/ --output data/mine",
    )
    parser.set_defaults(run_data_command=run)
    parser.add_argument(
        "sources",
        type=Path,
        nargs="+",
        metavar="SOURCE",
        help="folder of images and labels in any known form, a zip or tar archive of it, or files of labels: "
        "JSON of labelme or COCO, XML of CVAT, data.yaml of YOLO",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="ROOT", help="a new folder")
    parser.add_argument("--format", metavar="NAME", help="form of the labels; default: recognized by content")
    parser.add_argument(
        "--classes",
        metavar="FILE|NAME,...",
        help="names of the classes in the order of their ids, or a file with one a line; default: those "
        "of the source",
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="rename a class of the source; repeatable",
    )
    parser.add_argument(
        "--merge", action="append", default=[], metavar="A,B=C", help="make classes one; repeatable"
    )
    parser.add_argument(
        "--void",
        action="append",
        default=[],
        metavar="NAME|ID|COLOR",
        help="class of the source that is neither learned nor scored, such as #e0e0c0; repeatable",
    )
    parser.add_argument(
        "--background", metavar="NAME|ID|COLOR", help="class of the source that gets the id 0"
    )
    parser.add_argument(
        "--color-tolerance",
        type=at_least(0),
        default=0,
        metavar="N",
        help="take a color for that of a class if no channel differs by more than N; others become void; "
        "default: 0",
    )
    parser.add_argument(
        "--val",
        type=_share,
        metavar="SHARE",
        help="share of the images to validate; default: the source's splits, or 0.2",
    )
    parser.add_argument("--test", type=_share, metavar="SHARE", help="share to keep for a test; default: 0")
    parser.add_argument(
        "--seed", type=at_least(0), default=0, metavar="S", help="chooses the images; default: 0"
    )
    parser.add_argument(
        "--group-by",
        metavar="REGEX",
        help="images in whose names it matches the same stay in one split, such as ^(.*)_frame for videos",
    )
    parser.add_argument(
        "--fit",
        choices=FITS,
        default="refuse",
        help="what to do with labels that do not fit their images: refuse all, skip those images, pad the "
        "labels with void, or resize them; default: refuse",
    )
    parser.add_argument(
        "--label-orientation",
        choices=LABEL_ORIENTATIONS,
        default="upright",
        help="what the labels are of: images as people see them, or pixels as they are stored, before EXIF "
        "orientation; these are turned, and ROOT is upright; default: upright",
    )
    parser.add_argument(
        "--strip-metadata",
        action="store_true",
        help="write images without positions, camera data, thumbnails and comments, and with the same "
        "pixels; they are copied then, not hard-linked",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be imported")


def run(options: argparse.Namespace) -> None:
    """Imports labels."""
    from fcn.labels.exporting.class_names import list_names
    from fcn.labels.importing.choice import ClassOptions
    from fcn.labels.importing.importer import ImportOptions, describe, plan_import, write_import
    from fcn.labels.importing.place import open_sources
    from fcn.labels.importing.recognition import READERS
    from fcn.labels.importing.splitting import Division
    from fcn.labels.importing.text import describe_plan
    from fcn.system.atomic_folder import clear_new_folder

    clear_new_folder(options.output)
    if options.format is not None and options.format not in READERS:
        raise ConfigError(f"--format {options.format}: expected one of {', '.join(READERS)}.")
    renamed = [_pair(text, "--map") for text in options.map]
    renamed += [(old, new) for text in options.merge for old, new in _merged(text)]
    class_options = ClassOptions(
        () if options.classes is None else list_names(options.classes),
        tuple(renamed),
        tuple(options.void),
        options.background,
        options.color_tolerance,
    )
    division = None
    if options.val is not None or options.test is not None or options.group_by is not None:
        division = Division(options.val or 0.2, options.test or 0.0, options.seed, options.group_by)
    import_options = ImportOptions(
        options.format,
        class_options,
        division,
        options.fit,
        options.strip_metadata,
        options.label_orientation,
    )
    with open_sources(options.sources, options.output) as opened:
        plan = plan_import(opened.paths, import_options)
        notes = [opened.name(note) for note in plan.notes]
        plan = plan._replace(sources=tuple(options.sources), notes=notes)
        if options.json and options.dry_run:
            print_json(describe(plan))
            return
        if not options.json:
            print_lines(*describe_plan(plan))
        if options.dry_run:
            print_lines("Nothing was written (--dry-run).")
            return
        record = write_import(plan, options.output)
    if options.json:
        print_json(record | {"root": str(options.output)})
        return
    name = options.output.name
    planning = join_words([options.output, "--output", f"{name}.yaml"])
    training = join_words([f"{name}.yaml", "--run", f"runs/{name}"])
    print_lines(
        f"Wrote {options.output}/: {counted(len(plan.names), 'image')} with labels, in VOC layout.",
        *_describe_stripped(plan, record),
        f"Next: {as_started('python -m fcn plan')} {planning}",
        f"      {as_started('python train.py')} {training}",
    )


def _describe_stripped(plan: "Plan", record: dict[str, Any]) -> list[str]:
    if not plan.options.strip_metadata:
        return []
    return [f"Metadata was removed from {record['stripped_images']} of {counted(len(plan.names), 'image')}."]


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"expected a share from 0 to 1, such as 0.2; received {text!r}")
    return value


def _pair(text: str, option: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (equals and old and new):
        raise ConfigError(f"{option} {text}: expected OLD=NEW.")
    return old, new


def _merged(text: str) -> list[tuple[str, str]]:
    old, new = _pair(text, "--merge")
    return [(name.strip(), new) for name in old.split(",")]
