"""`fcn evaluate`: its arguments, and what it does with them."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fcn.cli.arguments import MODEL_HELP, Commands, add_command, add_labeling
from fcn.cli.tables import print_scores
from fcn.system.backend import start_backend
from fcn.system.files import as_json

if TYPE_CHECKING:
    from fcn.runs.folder import RunFolder


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    evaluate = add_command(
        commands,
        "evaluate",
        run,
        "Score a net on a labeled data set.",
        "python -m fcn evaluate runs/voc --data VOCdevkit/VOC2012 --split val",
    )
    evaluate.add_argument("model", type=Path, metavar="MODEL", help=MODEL_HELP)
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


def run(options: argparse.Namespace) -> None:
    """Scores a net."""
    start_backend(options.engine)
    from fcn.evaluation.evaluate import evaluate_split, find_training, scores_document
    from fcn.inference.predictor import Predictor
    from fcn.runs.lineage import describe_training, find_run
    from fcn.system.files import write_json

    predictor = Predictor(
        options.model, options.engine, options.precision, flip=options.flip, scales=options.scales
    )
    evaluation = evaluate_split(predictor, options.data, options.split, options.boundary)
    names = predictor.classes.names
    run, training = find_run(options.model), find_training(options.model, evaluation)
    for warning in describe_training(options.model, training, len(evaluation.images)):
        print(f"Warning: {warning}", file=sys.stderr)
    document = scores_document(evaluation, names, options.data, options.split, training)
    document |= {"engine": predictor.engine.name, "precision": predictor.engine.precision}
    output = options.output
    if output is None:
        # A run keeps the scores of its net alone: averages of views, or fewer bits, are something else to
        # compare with.
        own = (
            run is not None
            and predictor.views.are_plain
            and predictor.engine.precision == "float32"
            and _is_own(run, options.model, options.data, options.split)
        )
        output = run.scores if run is not None and own else Path("scores.json")
        document |= _step(run) if run is not None and own else {}
    write_json(output, document)
    if options.json:
        print(as_json(document))
        return
    print_scores(evaluation, names, f"{options.model} on {options.split} of {options.data}")
    print(f"Wrote {output}.")


def _is_own(run: "RunFolder", model: Path, data: Path, split: str) -> bool:
    """Returns whether these are scores a run keeps: of its best checkpoint on the data it is scored on."""
    from fcn.runs.model_file import model_file

    own = run.load_config().data
    scored, kept = model_file(model).resolve(), model_file(run.path).resolve()
    return scored == kept and (own.root.resolve(), own.val_split) == (data.resolve(), split)


def _step(run: "RunFolder") -> dict[str, Any]:
    """Returns the step of a run's best checkpoint as its scores say it; nothing where they do not."""
    try:
        scores = json.loads(run.scores.read_bytes()) if run.best.exists() else {}
    except (OSError, ValueError):
        return {}
    return {"step": scores["step"]} if isinstance(scores, dict) and "step" in scores else {}
