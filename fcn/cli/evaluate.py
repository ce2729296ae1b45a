"""The command `fcn evaluate`."""

import argparse
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fcn.cli.arguments import MODEL_HELP, Commands, add_command, add_labeling, add_trust, find_model
from fcn.cli.label_arguments import add_label_orientation, read_label_orientation
from fcn.cli.tables import print_calibration, print_robustness, print_scores
from fcn.runs.folder import RunFolder, model_file
from fcn.system.backend import start_backend
from fcn.system.files import occupied
from fcn.system.json_files import read_json_file
from fcn.system.results import check_writable, write_json_result
from fcn.system.text import print_json, print_lines, print_notice

if TYPE_CHECKING:  # it imports a backend
    from fcn.evaluation.evaluation import Evaluation

_SCORES = Path("scores.json")


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
    evaluate.add_argument("--split", default="val", help="split to score on; default: val")
    evaluate.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="where to write the scores; an existing file is replaced; default: scores.json, in the run if "
        "this split is its validation split and nothing is averaged, else a new file here",
    )
    add_labeling(evaluate)
    evaluate.add_argument(
        "--boundary",
        action="store_true",
        help="also compute boundary IoU, from the pixels near the outlines of the classes",
    )
    evaluate.add_argument(
        "--calibration",
        action="store_true",
        help="also compute how well probabilities agree with the share of pixels that is labeled correctly",
    )
    evaluate.add_argument(
        "--robustness",
        action="store_true",
        help="also score corrupted images, in 15 ways at 5 strengths: noise, blur, weather, JPEG and others; "
        "takes 75 times as long",
    )
    evaluate.add_argument(
        "--details",
        type=Path,
        metavar="FOLDER",
        help="also write the scores of each image (images.csv, images.json), a page with the worst and their "
        "largest mistakes (worst.html), and pictures: of --calibration a reliability diagram "
        "(reliability.svg), of --robustness its scores (robustness.svg)",
    )
    add_label_orientation(evaluate)
    add_trust(evaluate)


def run(options: argparse.Namespace) -> None:
    """Scores a net."""
    options.model = find_model(options.model, options.engine)
    from fcn.data.voc import read_names
    from fcn.evaluation.scored_split import describe_divided, find_divided

    # A wrong path is told before a library is loaded.
    read_names(options.data, options.split, find_divided(options.model, options.data, options.split))
    own_run = None if options.output else _run_of_scores(options)
    options.output = options.output or (own_run.scores if own_run else _new_file(_SCORES))
    check_writable(options.output)
    if options.details is not None:
        check_writable(options.details / "images.csv")
    start_backend(options.engine)
    from fcn.evaluation.evaluate import evaluate_and_check
    from fcn.evaluation.evaluation import scores_document
    from fcn.inference.predictor import Predictor

    predictor = Predictor(
        options.model,
        options.engine,
        options.precision,
        flip=options.flip,
        scales=options.scales,
        trust=options.trust,
    )
    orientation = read_label_orientation(options)
    if said := describe_divided(options.model, options.data, options.split):
        print_notice(said)
    checked = evaluate_and_check(
        predictor,
        options.data,
        options.split,
        options.boundary,
        orientation,
        calibration=options.calibration,
    )
    for warning in checked.warnings:
        print_notice(f"Warning: {warning}")
    for note in checked.notes:
        print_notice(note)
    names = predictor.classes.names
    if own_run and not _scored_before(own_run, checked.evaluation):
        own_run, options.output = None, _unused(_SCORES)
        print_notice(
            f"{options.split} of {options.data} holds other images or labels than those that {options.model} "
            f"was scored on in its training. The scores of the run stay; these go to {options.output}."
        )
    draws = checked.evaluation.draw_scores()
    document = scores_document(
        checked.evaluation,
        names,
        options.data,
        options.split,
        checked.training,
        (*checked.warnings, *checked.notes),
        draws,
    )
    robustness = None
    if options.robustness:
        from fcn.evaluation.robustness import measure_robustness

        robustness = measure_robustness(predictor, [one.example for one in checked.evaluation.images])
        document |= {"robustness": robustness.as_dict()}
    document |= {"engine": predictor.engine.name, "precision": predictor.engine.precision}
    document |= _step(own_run) if own_run else {}
    write_json_result(options.output, document)
    title = f"{options.model} on {options.split} of {options.data}"
    if options.details is not None:
        from fcn.report.details import PAGE, RELIABILITY, write_details

        write_details(options.details, predictor, checked.evaluation, title)
        pictures = [RELIABILITY] if options.calibration else []
        if robustness is not None:
            from fcn.report.robustness import PICTURE, write_robustness

            write_robustness(options.details / PICTURE, robustness, checked.evaluation.scores.mean_iou, title)
            pictures.append(PICTURE)
        listed = ", ".join(map(str, [options.details / PAGE, *pictures]))
        print_notice(f"Wrote {listed}, images.csv and images.json.")
    if options.json:
        print_json(document)
        return
    print_scores(checked.evaluation, names, title, draws)
    if checked.evaluation.calibration is not None:
        print_calibration(checked.evaluation.calibration, names)
    if checked.evaluation.tempered is not None:
        print_calibration(checked.evaluation.tempered, names, "Calibration with temperatures")
    if robustness is not None:
        print_robustness(robustness, checked.evaluation.scores.mean_iou)
    print_lines(f"Wrote {options.output}.")


def _run_of_scores(options: argparse.Namespace) -> RunFolder | None:
    """Returns the run whose `scores.json` is to hold the scores; None if they are not a run's own.

    A run keeps the scores of its best checkpoint on its validation split. Averages of views and other
    precisions are something else to compare with.
    """
    from fcn.inference.views import Views
    from fcn.runs.lineage import find_run

    run = find_run(options.model)
    if run is None or options.precision not in ("auto", "float32"):
        return None
    if not Views(options.flip, options.scales).are_plain:
        return None
    data = run.load_config().data
    scored, kept = model_file(options.model).resolve(), model_file(run.path).resolve()
    on_own_data = (data.root.resolve(), data.val_split) == (options.data.resolve(), options.split)
    return run if scored == kept and on_own_data else None


def _scored_before(run: RunFolder, evaluation: "Evaluation") -> bool:
    """Returns whether the images and labels that were scored are those that a run was scored on in training.

    Of a run that an older version started only their number is known; that no more was checked is said.
    """
    from fcn.runs.digests import SplitDigests, read_record

    record = read_record(run.digests)
    if record is not None:
        found = [image.digest for image in evaluation.images if image.digest is not None]
        return SplitDigests.of(found) == record.val
    kept = _kept_scores(run).get("num_images")
    if kept is not None:
        print_notice(
            f"Whether {run.path} was scored on the same images and labels in its training could not be "
            "checked, since an older version started it."
        )
    return kept in (None, len(evaluation.images))


def _unused(path: Path) -> Path:
    """Returns a path where nothing is: the given one, or the first free one with a number."""
    numbered = (path.with_stem(f"{path.stem}_{number}") for number in count(2))
    return next(found for found in chain([path], numbered) if not (found.exists() or found.is_symlink()))


def _new_file(path: Path) -> Path:
    """Returns a path where nothing is.

    Raises:
        OutputError: If there is something already.
    """
    if path.exists() or path.is_symlink():
        raise occupied(
            path, f"Choose another file with --output FILE, or replace this one with --output {path}."
        )
    return path


def _step(run: RunFolder) -> dict[str, Any]:
    """Returns the step of a run's best checkpoint from its scores; nothing if they do not hold it."""
    scores = _kept_scores(run) if run.best.exists() else {}
    return {"step": scores["step"]} if "step" in scores else {}


def _kept_scores(run: RunFolder) -> dict[str, Any]:
    """Returns the content of a run's `scores.json`; nothing if it cannot be read."""
    try:
        scores = read_json_file(run.scores)
    except (OSError, ValueError):
        return {}
    return scores if isinstance(scores, dict) else {}
