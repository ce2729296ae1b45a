"""The command line: reads arguments, runs one command, says what went wrong.

The only place that prints an error or exits; the other files of this folder hold the commands.
"""

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import fcn.cli.commands
import fcn.cli.compare
import fcn.cli.data
import fcn.cli.infer
import fcn.cli.inspect
import fcn.cli.serve
from fcn.cli.argument_types import at_least
from fcn.cli.arguments import add_labeling
from fcn.config.sections import ACCURACY_DROP, FORMATS, NETS
from fcn.data.download.catalog import DATASETS
from fcn.errors import FcnError
from fcn.version import __version__

_MODEL_HELP = "a run folder, a .keras file or an exported folder"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and exits.

    Exit codes: 0 success; 1 partial failure, a loss that is not finite or an export that labels
    otherwise than its net; 2 a mistake the user can mend; 130 interrupted; 143 told to stop.

    Args:
        arguments: The command and its arguments; None for those of this process.
    """
    options = _parser().parse_args(arguments)
    options.command_line = ["fcn", *(sys.argv[1:] if arguments is None else arguments)]
    # Pillow complains about damaged EXIF data, which nobody here needs.
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what it finds in a damaged file is said once, here
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        options.run_command(options)
    except FcnError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        print(
            f"Error: {error.filename}: {error.strerror}. Check the path and its permissions.", file=sys.stderr
        )
        sys.exit(2)
    except KeyboardInterrupt:
        print("Interrupted. What was written so far is intact.", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fcn",
        description="Fully convolutional networks for semantic segmentation on Keras.",
        epilog="fcn COMMAND --help shows an example of each.",
    )
    parser.add_argument("--version", action="version", version=f"fcn {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(where: Any, name: str, function: Any, description: str, example: str) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = where.add_parser(
            name,
            help=description,
            description=description,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run_command=function)
        command.add_argument("--json", action="store_true", help="print the result for machines")
        return command

    train = add(
        commands,
        "train",
        fcn.cli.commands.train_command,
        "Train a net and write a run folder.",
        "python train.py configs/voc_fcn8s.yaml --run runs/voc --set train.steps=1000",
    )
    train.add_argument("config", type=Path, metavar="CONFIG", help="a YAML file; recipes are in configs/")
    train.add_argument("--run", type=Path, metavar="DIR", help="where to write; default: runs/NAME_OF_CONFIG")
    train.add_argument(
        "--stages", action="store_true", help="first FCN-32s, then 16s from it, then 8s from that"
    )
    train.add_argument("--profile", action="store_true", help="also say how long steps waited for data")
    train.add_argument("--resume", action="store_true", help="go on at the last checkpoint")
    train.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change one value; repeatable"
    )

    evaluate = add(
        commands,
        "evaluate",
        fcn.cli.commands.evaluate_command,
        "Score a net on a labeled data set.",
        "python -m fcn evaluate runs/voc --data VOCdevkit/VOC2012 --split val",
    )
    evaluate.add_argument("model", type=Path, metavar="MODEL", help=_MODEL_HELP)
    evaluate.add_argument("--data", type=Path, required=True, metavar="ROOT", help="data set in VOC layout")
    evaluate.add_argument("--split", default="val", help="name of one of its lists; default: val")
    evaluate.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="default: scores.json, in the run if it was trained with this split and nothing is averaged, "
        "else here",
    )
    add_labeling(evaluate)
    evaluate.add_argument(
        "--boundary", action="store_true", help="also boundary IoU: of the pixels near where a class ends"
    )

    infer = add(
        commands,
        "infer",
        fcn.cli.infer.infer_command,
        "Label photographs.",
        "python infer.py runs/voc photographs/ --output labels --overlay",
    )
    fcn.cli.infer.add_arguments(infer, _MODEL_HELP, at_least(1))
    add_labeling(infer)

    export = add(
        commands,
        "export",
        fcn.cli.commands.export_command,
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

    serve = add(
        commands,
        "serve",
        fcn.cli.serve.serve_command,
        "Answer requests about a net over HTTP, and show a page to try it on.",
        "python -m fcn serve exported/voc --port 8501",
    )
    fcn.cli.serve.add_arguments(serve, _MODEL_HELP, at_least)

    importing = add(
        commands,
        "import",
        fcn.cli.commands.import_command,
        "Turn published weights into a run folder.",
        "python -m fcn import fcn8s-heavy-pascal.caffemodel --output runs/fcn8s",
    )
    importing.add_argument(
        "source", type=Path, metavar="SOURCE", help="caffemodel, Keras .h5, vgg16.npy or torchvision .pth"
    )
    importing.add_argument("--output", type=Path, required=True, metavar="RUN", help="a new folder")
    importing.add_argument(
        "--net", choices=NETS, default="fcn8s", help="which net to start, from a classifier; default: fcn8s"
    )

    convolutionalize = add(
        commands,
        "convolutionalize",
        fcn.cli.commands.convolutionalize_command,
        "Turn a Keras classifier into a fully convolutional net, and prove it.",
        "python -m fcn convolutionalize classifier.keras --output net.keras --prove photo.jpg --heatmap 3",
    )
    convolutionalize.add_argument("model", type=Path, metavar="MODEL", help="a .keras or .h5 file")
    convolutionalize.add_argument(
        "--output", type=Path, required=True, metavar="NET.keras", help="where to write the net"
    )
    convolutionalize.add_argument(
        "--prove",
        type=Path,
        nargs="?",
        const=True,
        metavar="IMAGE",
        help="compare with the classifier, on a photograph or a made-up picture",
    )
    convolutionalize.add_argument(
        "--heatmap",
        type=at_least(0),
        metavar="CLASS",
        help="also lay the map of a class over the photograph",
    )
    convolutionalize.add_argument(
        "--preprocess",
        choices=("none", "caffe", "tf", "torch"),
        default="none",
        help="what the net expects, as keras.applications names it; VGG16 and VGG19: caffe; default: none",
    )

    inspect = add(
        commands,
        "inspect",
        fcn.cli.inspect.inspect_command,
        "Show what each layer of a net makes, sees and costs.",
        "python -m fcn inspect configs/voc_fcn8s.yaml --size 384x512 --html fcn8s.html",
    )
    fcn.cli.inspect.add_arguments(inspect)

    compare = add(
        commands,
        "compare",
        fcn.cli.compare.compare_command,
        "Train or load several nets, and put them side by side: scores, size, time and memory.",
        "python -m fcn compare configs/quickstart.yaml --nets fcn8s,frontend --output runs/compare",
    )
    fcn.cli.compare.add_arguments(compare)

    data = commands.add_parser(
        "data", help="Make and fetch data sets.", description="Make and fetch data sets."
    )
    data_commands = data.add_subparsers(required=True, metavar="COMMAND")
    generate = add(
        data_commands,
        "generate",
        fcn.cli.data.generate_command,
        "Draw a data set of textured objects, in VOC layout.",
        "python -m fcn data generate data/generated --train 400 --val 100 --seed 1",
    )
    generate.add_argument("root", type=Path, metavar="DIR", help="a new folder")
    generate.add_argument(
        "--train", type=at_least(1), default=400, metavar="N", help="training images; default: 400"
    )
    generate.add_argument(
        "--val", type=at_least(1), default=100, metavar="N", help="validation images; default: 100"
    )
    generate.add_argument(
        "--seed", type=at_least(0), default=0, metavar="S", help="the same seed, the same files"
    )

    download = add(
        data_commands,
        "download",
        fcn.cli.data.download_command,
        "Fetch a published data set, check it and unpack it.",
        "python -m fcn data download voc2012",
    )
    download.add_argument("dataset", choices=DATASETS, help="which one")
    download.add_argument(
        "--output", type=Path, default=Path(), metavar="DIR", help="where data sets go; default: here"
    )
    download.add_argument(
        "--file", type=Path, metavar="FILE", help="its archive, if you have it; nothing is downloaded then"
    )

    splits = add(
        data_commands,
        "splits",
        fcn.cli.data.splits_command,
        "Add the splits train_aug, sbd_train and seg11valid to VOC 2012.",
        "python -m fcn data splits VOCdevkit/VOC2012 --sbd benchmark_RELEASE --voc2011 VOCdevkit/VOC2011",
    )
    splits.add_argument("root", type=Path, metavar="ROOT", help="the folder of VOC 2012")
    splits.add_argument("--sbd", type=Path, required=True, metavar="DIR", help="the folder of SBD")
    splits.add_argument(
        "--voc2011", type=Path, metavar="DIR", help="the folder of VOC 2011, which seg11valid needs"
    )
    return parser
