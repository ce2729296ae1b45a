"""The command `fcn calibrate`."""

import argparse
from pathlib import Path

from fcn.cli.arguments import Commands, add_command, add_trust
from fcn.cli.label_arguments import add_label_orientation, read_label_orientation
from fcn.cli.tables import print_calibrating
from fcn.system.backend import start_backend
from fcn.system.text import counted, print_json, print_lines, print_notice


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    calibrate = add_command(
        commands,
        "calibrate",
        run,
        "Fit a temperature to a net, so that its probabilities mean what they say. Labels stay as they are.",
        "python -m fcn calibrate runs/voc --data VOCdevkit/VOC2012 --split val",
    )
    calibrate.add_argument(
        "model",
        type=Path,
        metavar="RUN",
        help="run folder, whose best checkpoint is calibrated, or a .keras file; it keeps the temperature",
    )
    calibrate.add_argument("--data", type=Path, required=True, metavar="ROOT", help="data set in VOC layout")
    calibrate.add_argument(
        "--split",
        default="val",
        help="split of images that the net was not trained on: half of them are fitted to, and the others "
        "show what changes; default: val",
    )
    calibrate.add_argument(
        "--per-class",
        action="store_true",
        help="fit a temperature for each class, for the pixels that are labeled as it",
    )
    add_label_orientation(calibrate)
    add_trust(calibrate)


def run(options: argparse.Namespace) -> None:
    """Calibrates a net."""
    start_backend()
    from fcn.evaluation.calibrate import calibrate
    from fcn.evaluation.scored_split import describe_divided

    orientation = read_label_orientation(options)
    if said := describe_divided(options.model, options.data, options.split):
        print_notice(said)
    report = calibrate(
        options.model, options.data, options.split, options.per_class, options.trust, orientation
    )
    for warning in report.warnings:
        print_notice(f"Warning: {warning}")
    if options.json:
        print_json(report.as_dict())
        return
    print_calibrating(report)
    if not report.helps:
        kept = (
            "nothing was kept"
            if report.previous is None
            else f"{report.file} keeps the temperatures that it had (negative log-likelihood "
            f"{report.previous.negative_log_likelihood:.4f})"
        )
        print_lines(
            f"The probabilities of the other half are not better, so {kept}. Calibrate on more images"
            + (", or without --per-class." if options.per_class else ".")
        )
        return
    found = (
        "a temperature for each class"
        if options.per_class
        else f"the temperature {report.temperatures[0]:.3f}"
    )
    images = counted(report.fitted_images, "image")
    print_lines(f"{report.file} keeps {found}, fitted on {images}. Export it again for its exports.")
