"""`fcn export`: its arguments, and what it does with them."""

import argparse
from pathlib import Path

from fcn.cli.arguments import Commands, add_command
from fcn.cli.tables import print_verification
from fcn.config.sections import ACCURACY_DROP, FORMATS
from fcn.errors import ConfigError
from fcn.system.backend import start_backend
from fcn.system.files import as_json


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    export = add_command(
        commands,
        "export",
        run,
        "Write a net as a SavedModel for a server.",
        "python -m fcn export runs/voc exported/voc",
    )
    export.add_argument("model", type=Path, metavar="MODEL", help="a run folder or a .keras file")
    export.add_argument("output", type=Path, metavar="DIR", help="folder of the versions 1, 2, ...")
    export.add_argument(
        "--format", choices=FORMATS, action="append", default=[], help="what to write beside it; repeatable"
    )
    export.add_argument(
        "--calibrate", type=Path, metavar="FOLDER", help="with --format openvino: also int8, scaled by images"
    )
    export.add_argument(
        "--accuracy-data",
        type=Path,
        metavar="ROOT",
        help="labeled data in VOC layout, on whose val int8 is compared with float32",
    )
    export.add_argument(
        "--accuracy-drop",
        type=float,
        metavar="POINTS",
        help=f"mean IoU that int8 may lose on those data; default: {ACCURACY_DROP:g}",
    )
    export.add_argument(
        "--verify",
        type=Path,
        metavar="IMAGES",
        help="compare what was exported with the net on an image, or on images of a folder",
    )


def run(options: argparse.Namespace) -> None:
    """Writes a SavedModel."""
    if options.calibrate is not None and "openvino" not in options.format:
        raise ConfigError("--calibrate: makes the int8 of --format openvino. Add that, or leave it out.")
    if options.accuracy_data is not None and options.calibrate is None:
        raise ConfigError(
            "--accuracy-data: checks the int8 that --calibrate FOLDER makes. Add that, or leave it out."
        )
    if options.accuracy_drop is not None and options.accuracy_data is None:
        raise ConfigError(
            "--accuracy-drop: bounds what int8 loses on --accuracy-data ROOT. Add that, or leave it out."
        )
    start_backend()
    from fcn.exports.export import export
    from fcn.exports.formats.openvino import Calibration
    from fcn.exports.verification import read_verification
    from fcn.inference.engines.table import read_table

    calibration = None
    if options.calibrate is not None:
        drop = ACCURACY_DROP if options.accuracy_drop is None else options.accuracy_drop
        calibration = Calibration(options.calibrate, options.accuracy_data, drop)
    version = export(options.model, options.output, options.format, calibration, options.verify)
    table, verification = read_table(version), read_verification(version)
    if options.json:
        document = {"export": str(version), "engines": [choice._asdict() for choice in table]}
        print(as_json(document | {"verification": verification and verification.as_dict()}))
        return
    if verification is not None:
        print_verification(verification)
    for choice in table:
        if choice.precision != "float32" and choice.agreement is not None:
            score = "" if choice.mean_iou is None else f", {choice.mean_iou:.2%} mean IoU"
            print(f"{choice.precision}: {choice.agreement:.2%} of the labels as in float32{score}")
    print(
        f"Wrote {version}/: a SavedModel with the signatures serving_default (image bytes in, label PNG "
        "bytes out), predict_tensor and predict_logits; model_card.md"
        + "".join(f"; {name}/" for name in dict.fromkeys(options.format))
        + ("; engines.json, from which --engine auto chooses." if table else ".")
    )
