"""The command `fcn export`."""

import argparse
from pathlib import Path

from fcn.cli.arguments import WEIGHTS_COMMAND, Commands, add_command, add_trust, find_model
from fcn.cli.tables import print_verification
from fcn.config.sections import ACCURACY_DROP, FORMATS
from fcn.errors import ConfigError
from fcn.pages.percent import percent
from fcn.system.backend import start_backend
from fcn.system.text import print_json, print_lines, print_notice, print_step

_NET_HELP = f"a run folder, a .keras file, or the name of a published net ({WEIGHTS_COMMAND})"


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    export = add_command(
        commands,
        "export",
        run,
        "Write a net as a SavedModel for a server.",
        "python -m fcn export runs/voc exported/voc",
    )
    export.add_argument("model", type=Path, metavar="MODEL", help=_NET_HELP)
    export.add_argument("output", type=Path, metavar="DIR", help="folder for the versions 1, 2, ...")
    export.add_argument(
        "--format",
        choices=FORMATS,
        action="append",
        default=[],
        help="format to write beside the SavedModel: openvino (fastest on a CPU), onnx (ONNX Runtime) or "
        "litert (TFLite, for phones); repeatable",
    )
    export.add_argument(
        "--calibrate",
        type=Path,
        metavar="FOLDER",
        help="with --format openvino: also int8, calibrated on the images of a folder",
    )
    export.add_argument(
        "--accuracy-data",
        type=Path,
        metavar="ROOT",
        help="data set in VOC layout; int8 is compared with float32 on its split val",
    )
    export.add_argument(
        "--accuracy-drop",
        type=float,
        metavar="POINTS",
        help=f"percentage points of mean IoU that int8 may lose there; default: {ACCURACY_DROP:g}",
    )
    export.add_argument(
        "--verify",
        type=Path,
        metavar="IMAGES",
        help="compare the labels of the export with the net's, on an image or on images of a folder",
    )
    add_trust(export)


def run(options: argparse.Namespace) -> None:
    """Writes a SavedModel."""
    if options.calibrate is not None and "openvino" not in options.format:
        raise ConfigError(
            "--calibrate: int8 needs --format openvino; ONNX and LiteRT files are float32. Add that, or "
            "leave it out."
        )
    if options.accuracy_data is not None and options.calibrate is None:
        raise ConfigError("--accuracy-data: needs --calibrate FOLDER. Add that, or leave it out.")
    if options.accuracy_drop is not None and options.accuracy_data is None:
        raise ConfigError("--accuracy-drop: needs --accuracy-data ROOT. Add that, or leave it out.")
    options.model = find_model(options.model)
    print_step(f"Loading {options.model}.")
    start_backend()
    from fcn.evaluation.scored_split import describe_divided
    from fcn.exports.export import export
    from fcn.exports.formats.openvino import DECIDING_SPLIT, Calibration
    from fcn.exports.verification import MAX_PHOTOGRAPHS, read_verification
    from fcn.inference.engines.table import read_table

    calibration = None
    if options.calibrate is not None:
        drop = ACCURACY_DROP if options.accuracy_drop is None else options.accuracy_drop
        calibration = Calibration(options.calibrate, options.accuracy_data, drop)
        root = options.accuracy_data
        if root is not None and (said := describe_divided(options.model, root, DECIDING_SPLIT)):
            print_notice(said)
    if options.verify is not None and not options.json:
        print_notice(
            f"The net and each exported format are going to label at most {MAX_PHOTOGRAPHS} images of "
            f"{options.verify}, which takes minutes with a full net."
        )
    version = export(
        options.model, options.output, options.format, calibration, options.verify, options.trust
    )
    table, verification = read_table(version), read_verification(version)
    if options.json:
        document = {"export": str(version), "engines": [choice._asdict() for choice in table]}
        print_json(document | {"verification": verification and verification.as_dict()})
        return
    if verification is not None:
        print_verification(verification)
    for choice in table:
        if choice.precision != "float32" and choice.agreement is not None:
            score = "" if choice.mean_iou is None else f"; mean IoU {percent(choice.mean_iou)}"
            agreement = percent(choice.agreement)
            print_lines(f"{choice.precision}: {agreement} of the pixels labeled as in float32{score}")
    print_lines(
        f"Wrote {version}/: a SavedModel with the signatures serving_default (image bytes in, label PNG "
        "bytes out), predict_tensor and predict_logits; model_card.md"
        + "".join(f"; {name}/" for name in dict.fromkeys(options.format))
        + ("; engines.json, the table that --engine auto reads." if table else ".")
    )
