"""The commands `fcn data generate`, `download` and `splits`; `COMMANDS` are the others below `data`."""

import argparse
from pathlib import Path

from fcn.cli import check_data, export_data, import_data, preview_data, suspects_data
from fcn.cli.arguments import Commands, add_command, at_least
from fcn.data.download.catalog import DATASETS
from fcn.system.remedies import as_started
from fcn.system.shell import quoted
from fcn.system.text import counted, print_json, print_lines

COMMANDS = (check_data, preview_data, suspects_data, import_data, export_data)
"""The file of each further command below `data`."""


def add_parser(commands: Commands) -> None:
    """Adds the command, and those below it."""
    data = commands.add_parser(
        "data",
        help="Generate, download, check, import and export data sets.",
        description="Generate, download, check, import and export data sets.",
    )
    data_commands = data.add_subparsers(required=True, metavar="COMMAND")
    generate = add_command(
        data_commands,
        "generate",
        run,
        "Generate a data set of textured objects, in VOC layout.",
        "python -m fcn data generate data/generated --train 400 --val 100 --seed 1",
    )
    generate.set_defaults(run_data_command=_generate)
    generate.add_argument("root", type=Path, metavar="DIR", help="a new folder")
    generate.add_argument(
        "--train", type=at_least(1), default=400, metavar="N", help="number of training images; default: 400"
    )
    generate.add_argument(
        "--val", type=at_least(1), default=100, metavar="N", help="number of validation images; default: 100"
    )
    generate.add_argument(
        "--seed",
        type=at_least(0),
        default=0,
        metavar="S",
        help="random seed: the same gives the same files; default: 0",
    )

    download = add_command(
        data_commands,
        "download",
        run,
        "Download a published data set, check it and unpack it.",
        "python -m fcn data download voc2012",
    )
    download.set_defaults(run_data_command=_download)
    download.add_argument("dataset", choices=DATASETS, help="the data set")
    download.add_argument(
        "--output",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder for data sets; default: the current one",
    )
    download.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="archive of the data set, if you have it; nothing is downloaded then",
    )

    splits = add_command(
        data_commands,
        "splits",
        run,
        "Add the splits train_aug, sbd_train and seg11valid to VOC 2012.",
        "python -m fcn data splits VOCdevkit/VOC2012 --sbd benchmark_RELEASE --voc2011 VOCdevkit/VOC2011",
    )
    splits.set_defaults(run_data_command=_splits)
    splits.add_argument("root", type=Path, metavar="ROOT", help="the folder of VOC 2012")
    splits.add_argument("--sbd", type=Path, required=True, metavar="DIR", help="the folder of SBD")
    splits.add_argument(
        "--voc2011", type=Path, metavar="DIR", help="the folder of VOC 2011, which seg11valid needs"
    )
    for command in COMMANDS:
        command.add_parser(data_commands)


def run(options: argparse.Namespace) -> None:
    """Generates or downloads a data set, or adds splits to one."""
    options.run_data_command(options)


def _generate(options: argparse.Namespace) -> None:
    """Generates a data set."""
    from fcn.data.generated.dataset import generate_dataset

    generate_dataset(options.root, options.train, options.val, options.seed)
    if options.json:
        print_json({"root": str(options.root), "train": options.train, "val": options.val})
        return
    print_lines(
        f"Wrote {options.root}/: {counted(options.train, 'image')} to train and {options.val:,} to validate, "
        "with labels, in VOC layout."
    )


def _download(options: argparse.Namespace) -> None:
    """Downloads a published data set."""
    from fcn.data.download.published import fetch_dataset

    dataset = DATASETS[options.dataset]
    root = options.output / dataset.folder
    archive = fetch_dataset(dataset, options.output, options.file)
    if options.json:
        print_json({"root": str(root), "archive": archive and str(archive)})
        return
    if archive is None:
        print_lines(f"{root}/ exists already; nothing was changed. To download it again, delete it first.")
        return
    print_lines(f"Wrote {root}/: {dataset.title}. {archive} is no longer needed.")


def _splits(options: argparse.Namespace) -> None:
    """Adds splits to the folder of VOC 2012."""
    from fcn.data.split_list import SPLITS
    from fcn.data.splits import SBD_LABELS, build_splits

    counts = build_splits(options.root, options.sbd, options.voc2011)
    if options.json:
        print_json({"root": str(options.root), "splits": counts})
        return
    listed = ", ".join(f"{split} ({count})" for split, count in counts.items())
    print_lines(
        f"Wrote {options.root / SPLITS}/ and {options.root / SBD_LABELS}/. Images in each split: {listed}.",
        f"Next: {as_started('python train.py')} CONFIG --set data.root={quoted(options.root)} "
        "--set data.train_split=train_aug",
    )
