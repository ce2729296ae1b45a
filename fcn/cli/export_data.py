"""The command `fcn data export`."""

import argparse
from pathlib import Path

from fcn.cli.arguments import Commands, add_command
from fcn.errors import ConfigError, DataError
from fcn.labels.choices import EXPORT_FORMATS, LABEL_ORIENTATIONS
from fcn.system.text import counted, print_json, print_lines


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "export",
        run,
        "Export images and labels for another tool, to look at and correct them there.",
        "python -m fcn data export labels/ --format labelme --output to_correct",
    )
    parser.set_defaults(run_data_command=run)
    parser.add_argument(
        "source",
        type=Path,
        metavar="ROOT|LABELS",
        help="data set in VOC layout, or the output folder of infer with its label PNGs",
    )
    parser.add_argument("--format", choices=EXPORT_FORMATS, required=True, help="form of the labels")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument("--split", metavar="NAME", help="split of ROOT to export; default: all")
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder of the images of LABELS; default: where infer read them",
    )
    parser.add_argument(
        "--classes",
        metavar="FILE|NAME,...",
        help="names of the classes in the order of their ids, or a file with one a line; default: those of "
        "ROOT, or those that infer wrote",
    )
    parser.add_argument(
        "--label-orientation",
        choices=LABEL_ORIENTATIONS,
        default="upright",
        help="what the labels are of: images as people see them, or pixels as they are stored, before EXIF "
        "orientation; these are turned, since tools show images upright; default: upright",
    )
    parser.add_argument(
        "--background",
        action="store_true",
        help="also draw the background, which usually is what no shape covers",
    )
    parser.add_argument(
        "--rle", action="store_true", help="with coco: run lengths instead of polygons, one for each class"
    )


def run(options: argparse.Namespace) -> None:
    """Exports labels."""
    from fcn.classes import Classes
    from fcn.data.split_list import IMAGES
    from fcn.data.voc import read_classes
    from fcn.labels.exporting.class_names import find_classes, parse_names
    from fcn.labels.exporting.exporter import ExportOptions, export_labels
    from fcn.labels.exporting.forms import FORMS
    from fcn.labels.exporting.labeled import (
        images_in_folder,
        images_of_job,
        labeled_in_folder,
        labeled_in_root,
    )
    from fcn.system.atomic_folder import clear_new_folder

    clear_new_folder(options.output)
    if options.rle and options.format != "coco":
        raise ConfigError(f"--rle: belongs to --format coco. Received: {options.format}.")
    if not options.source.is_dir():
        raise DataError(f"{options.source}: expected a folder of labels.")
    names = () if options.classes is None else parse_names(options.classes)
    notes: list[str] = []
    if (options.source / IMAGES).is_dir():
        if options.images is not None:
            raise ConfigError(
                f"--images: {options.source} is a data set that holds its images. Leave it out."
            )
        labeled = labeled_in_root(options.source, options.split)
        classes = read_classes(options.source)
        if names:
            same = len(names) == len(classes.names)
            classes = Classes(names, classes.palette) if same else Classes.named(names)
    else:
        if options.split is not None:
            raise ConfigError(f"--split {options.split}: {options.source} has no splits. Leave it out.")
        places, names_in, waiting, of_job = _read_job(options.source)
        found = images_of_job(places) if options.images is None else images_in_folder(options.images)
        labeled = labeled_in_folder(options.source, found)
        classes, notes = find_classes(options.source, labeled, names_in, names or of_job)
        if waiting:
            notes.append(f"the job is not finished; images that are not labeled yet: {waiting}")
    export_options = ExportOptions(options.format, options.background, options.rle, options.label_orientation)
    exported = export_labels(labeled, classes, export_options, options.output)
    notes += exported.notes
    if options.json:
        document = exported._asdict() | {"output": str(options.output), "format": options.format}
        print_json(document | {"classes": list(classes.names), "notes": notes})
        return
    form = FORMS[options.format]
    print_lines(
        f"Wrote {options.output}/: {counted(exported.images, 'image')} with labels, as {form.title}.",
        *(f"Note: {note}." for note in notes),
        form.opens_with(options.output),
    )


def _read_job(folder: Path) -> tuple[dict[str, str], dict[str, tuple[str, ...]], int, tuple[str, ...]]:
    """Returns places and names of classes for each label of a job, how many images wait, and all classes.

    Nothing for a folder without a job.
    """
    from contextlib import closing

    from fcn.jobs.class_setting import read_classes
    from fcn.jobs.schema import STORE_NAME
    from fcn.jobs.store import JobStore

    places: dict[str, str] = {}
    names: dict[str, tuple[str, ...]] = {}
    if not (folder / STORE_NAME).is_file():
        return places, names, 0, ()
    with closing(JobStore(folder)) as store:
        for place, name, record in store.placed_records():
            places[name] = place
            names[name] = tuple(record["areas"])
        return places, names, store.count("waiting", "doing"), read_classes(store)
