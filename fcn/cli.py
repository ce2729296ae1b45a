"""The command line: reads arguments, runs one command, prints what came of it.

The only place that prints an error or exits. Heavy modules are imported inside of the commands, so
that `--help` and mistakes in the arguments are answered at once.
"""

import argparse
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import fcn
from fcn.errors import DataError, FcnError, PartialError

if TYPE_CHECKING:
    from fcn.evaluation import Evaluation
    from fcn.run import RunFolder

_MODEL_HELP = "a run folder, a .keras file or an exported folder"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and exits.

    Exit codes: 0 success; 1 partial failure or a loss that is not finite; 2 a mistake the user can
    mend; 130 interrupted; 143 told to stop.

    Args:
        arguments: The command and its arguments; None for those of this process.
    """
    options = _parser().parse_args(arguments)
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


def _train(options: argparse.Namespace) -> None:
    from fcn.config import load_config

    config = load_config(options.config, options.set)
    _start()
    from fcn.evaluation import scores_document
    from fcn.training.loop import train

    run_path = options.run or Path("runs") / options.config.stem
    result = train(config, run_path, options.resume)
    run = result.run
    names = result.classes.names
    if options.json:
        document = scores_document(result.evaluation, names, config.data.root, config.data.val_split)
        _print_json(document | {"run": str(run.path)})
        return
    print_scores(result.evaluation, names, f"best checkpoint on {config.data.val_split}")
    print(
        f"Wrote {run.path}/: checkpoints/best.keras and last.keras, {run.scores.name}, {run.log.name}, "
        f"{run.report.name}, events/ for TensorBoard.\n"
        f"Next: python infer.py {run.path} PHOTOGRAPHS --output LABELS --overlay\n"
        f"      python -m fcn export {run.path} EXPORT"
    )


def _evaluate(options: argparse.Namespace) -> None:
    _start()
    from fcn.evaluation import evaluate, scores_document
    from fcn.files import write_json
    from fcn.inference.predictor import Predictor
    from fcn.run import RunFolder

    predictor = Predictor(options.model)
    evaluation = evaluate(predictor, options.data, options.split)
    names = predictor.classes.names
    document = scores_document(evaluation, names, options.data, options.split)
    output = options.output or _default_scores(RunFolder(options.model), options.data, options.split)
    write_json(output, document)
    if options.json:
        _print_json(document)
        return
    print_scores(evaluation, names, f"{options.model} on {options.split} of {options.data}")
    print(f"Wrote {output}.")


def _default_scores(run: "RunFolder", data: Path, split: str) -> Path:
    """Returns where scores go: into the run if they are of the data it is scored on itself."""
    if run.exists():
        own = run.load_config().data
        if (own.root.resolve(), own.val_split) == (data.resolve(), split):
            return run.scores
    return Path("scores.json")


def _infer(options: argparse.Namespace) -> None:
    _start()
    from fcn.inference.folder import label_images
    from fcn.inference.predictor import Predictor

    result = label_images(Predictor(options.model), options.inputs, options.output, options.overlay)
    kind = "labels and overlays" if options.overlay else "labels"
    if options.json:
        failed = [{"path": str(path), "reason": reason} for path, reason in result.failed]
        _print_json({"written": result.written, "failed": failed, "output": str(result.output)})
    elif result.written:
        print(f"Wrote {kind} of {result.written} images to {result.output}/.")
    if result.failed:
        listed = "\n".join(f"  {path}: {reason}" for path, reason in result.failed)
        kind_of_error = PartialError if result.written else DataError
        raise kind_of_error(f"could not be labeled ({len(result.failed)}):\n{listed}")


def _export(options: argparse.Namespace) -> None:
    _start()
    from fcn.serving.export import export

    version = export(options.model, options.output)
    if options.json:
        _print_json({"export": str(version)})
        return
    print(
        f"Wrote {version}/: a SavedModel with the signatures serving_default (image bytes in, label PNG "
        "bytes out), predict_tensor and predict_logits."
    )


def _generate(options: argparse.Namespace) -> None:
    from fcn.data.generated import generate_dataset

    generate_dataset(options.root, options.train, options.val, options.seed)
    if options.json:
        _print_json({"root": str(options.root), "train": options.train, "val": options.val})
        return
    print(
        f"Wrote {options.root}/: {options.train} training and {options.val} validation images with labels, "
        "in VOC layout."
    )


def print_scores(evaluation: "Evaluation", class_names: Sequence[str], title: str) -> None:
    """Prints the scores of a split and of each class as tables."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    scores = evaluation.scores
    table = Table(
        title=f"{title}, {len(evaluation.images)} images", box=box.SIMPLE_HEAD, title_justify="left"
    )
    table.add_column("score")
    table.add_column("%", justify="right")
    for name in ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou"):
        table.add_row(name.replace("_", " ").replace("iou", "IoU"), _percent(getattr(scores, name)))
    table.add_section()
    for name, iou in zip(class_names, scores.class_iou.tolist(), strict=True):
        table.add_row(f"IoU of {name}", _percent(iou))
    console.print(table)


def _percent(fraction: float) -> str:
    return "absent" if fraction != fraction else f"{100 * fraction:.2f}"


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, allow_nan=False))


def _start() -> None:
    from fcn.startup import start_tensorflow

    start_tensorflow()


def _at_least(lowest: int) -> Callable[[str], int]:
    """Returns what reads a whole number that may not be smaller."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of {lowest} or more, received {text!r}"
            )
        return int(text)

    return read


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fcn",
        description=(fcn.__doc__ or "").partition("\n")[0],
        epilog="fcn COMMAND --help shows an example of each.",
    )
    parser.add_argument("--version", action="version", version=f"fcn {fcn.__version__}")
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
        _train,
        "Train a net and write a run folder.",
        "python train.py configs/voc_fcn8s.yaml --run runs/voc --set train.steps=1000",
    )
    train.add_argument("config", type=Path, metavar="CONFIG", help="a YAML file; recipes are in configs/")
    train.add_argument("--run", type=Path, metavar="DIR", help="where to write; default: runs/NAME_OF_CONFIG")
    train.add_argument("--resume", action="store_true", help="go on at the last checkpoint")
    train.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change one value; repeatable"
    )

    evaluate = add(
        commands,
        "evaluate",
        _evaluate,
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
        help="default: scores.json, in the run if it was trained with this split, else here",
    )

    infer = add(
        commands,
        "infer",
        _infer,
        "Label photographs.",
        "python infer.py runs/voc photographs/ --output labels --overlay",
    )
    infer.add_argument("model", type=Path, metavar="MODEL", help=_MODEL_HELP)
    infer.add_argument("inputs", type=Path, nargs="+", metavar="IMAGE_OR_FOLDER", help="what to label")
    infer.add_argument("--output", type=Path, required=True, metavar="DIR", help="where to write the labels")
    infer.add_argument("--overlay", action="store_true", help="also write pictures of labels over images")

    export = add(
        commands,
        "export",
        _export,
        "Write a net as a SavedModel for a server.",
        "python -m fcn export runs/voc exported/voc",
    )
    export.add_argument("model", type=Path, metavar="MODEL", help="a run folder or a .keras file")
    export.add_argument("output", type=Path, metavar="DIR", help="folder of the versions 1, 2, ...")

    data = commands.add_parser("data", help="Make data sets.", description="Make data sets.")
    data_commands = data.add_subparsers(required=True, metavar="COMMAND")
    generate = add(
        data_commands,
        "generate",
        _generate,
        "Draw a data set of textured objects, in VOC layout.",
        "python -m fcn data generate data/generated --train 400 --val 100 --seed 1",
    )
    generate.add_argument("root", type=Path, metavar="DIR", help="a new folder")
    generate.add_argument(
        "--train", type=_at_least(1), default=400, metavar="N", help="training images; default: 400"
    )
    generate.add_argument(
        "--val", type=_at_least(1), default=100, metavar="N", help="validation images; default: 100"
    )
    generate.add_argument(
        "--seed", type=_at_least(0), default=0, metavar="S", help="the same seed, the same files"
    )
    return parser
