"""What each command does: reads what it needs, calls the package, prints what came of it.

Heavy modules are imported inside of the commands, so that `--help` and mistakes in the arguments are
answered at once.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fcn.config.sections import ACCURACY_DROP
from fcn.errors import ConfigError, PartialError, RunError
from fcn.system.files import as_json

if TYPE_CHECKING:
    from fcn.evaluation.evaluate import Evaluation
    from fcn.exports.verification import Verification
    from fcn.runs.model_file import RunFolder


def train_command(options: argparse.Namespace) -> None:
    """Trains a net."""
    from fcn.config.file import load_config

    config = load_config(options.config, options.set)
    _start()
    from fcn.evaluation.evaluate import scores_document
    from fcn.evaluation.metrics import none_for_nan
    from fcn.training.loop import train
    from fcn.training.stages import train_stages

    run_path = options.run or Path("runs") / options.config.stem
    result = (train_stages if options.stages else train)(config, run_path, options.resume)
    run = result.run
    names = result.classes.names
    if options.json:
        data = config.data
        document = scores_document(result.evaluation, names, data.root, data.val_split, result.training)
        _print_json(document | {"run": str(run.path), "data_wait": none_for_nan(result.data_wait)})
        return
    print_scores(result.evaluation, names, f"best checkpoint on {config.data.val_split}")
    if options.profile:
        wait = none_for_nan(result.data_wait)
        print("No steps were timed." if wait is None else f"Steps waited for data {wait:.1%} of their time.")
    print(
        f"Wrote {run.path}/: checkpoints/best.keras and last.keras, {run.scores.name}, {run.log.name}, "
        f"{run.report.name}, events/ for TensorBoard.\n"
        f"Next: python infer.py {run.path} PHOTOGRAPHS --output LABELS --overlay\n"
        f"      python -m fcn export {run.path} EXPORT"
    )


def evaluate_command(options: argparse.Namespace) -> None:
    """Scores a net."""
    from fcn.system.backend import start_backend

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
        _print_json(document)
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


def export_command(options: argparse.Namespace) -> None:
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
    _start()
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
        _print_json(document | {"verification": verification and verification.as_dict()})
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


def print_verification(verification: "Verification") -> None:
    """Prints how well each form of an exported net labels as the net does, as a table."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"labels as the net's own, {verification.num_images} photographs",
        box=box.SIMPLE_HEAD,
        title_justify="left",
    )
    table.add_column("form")
    for column in ("% of pixels", "required", "worst"):
        table.add_column(column, justify="right")
    table.add_column("worst photograph")
    for one in verification.comparisons:
        required = f"{100 * one.expected:.2f}" if one.is_required else "none"
        shares = f"{100 * one.agreement:.4f}", required, f"{100 * one.worst_agreement:.4f}"
        table.add_row(one.name, *shares, one.worst_image)
    # A name of a file is no markup, whatever it looks like: photograph [edited].jpg
    Console(markup=False, emoji=False).print(table)


def print_scores(evaluation: "Evaluation", class_names: Sequence[str], title: str) -> None:
    """Prints the scores of a split and of each class as tables."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    scores = evaluation.scores
    table = Table(
        title=f"{title}, {len(evaluation.images)} images", box=box.SIMPLE_HEAD, title_justify="left"
    )
    table.add_column("score")
    table.add_column("%", justify="right")
    names = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou")
    rows = [[name.replace("_", " ").replace("iou", "IoU"), _percent(getattr(scores, name))] for name in names]
    classes = [scores.class_iou.tolist()]
    if evaluation.boundary is not None:
        table.add_column("of boundaries", justify="right")
        rows[names.index("mean_iou")].append(_percent(evaluation.boundary.mean_boundary_iou))
        classes.append(evaluation.boundary.class_boundary_iou.tolist())
    for row in rows:
        table.add_row(*row)
    table.add_section()
    for name, *ious in zip(class_names, *classes, strict=True):
        table.add_row(f"IoU of {name}", *map(_percent, ious))
    Console(markup=False, emoji=False).print(table)  # classes have names of any kind too


def _percent(fraction: float) -> str:
    return "absent" if fraction != fraction else f"{100 * fraction:.2f}"


def _print_json(value: Any) -> None:
    print(as_json(value))


def _start() -> None:
    from fcn.system.backend import start_backend

    start_backend()


def import_command(options: argparse.Namespace) -> None:
    """Reads published weights."""
    _start()
    from fcn.runs.importing import import_weights

    found = import_weights(options.source, options.output, options.net)
    if options.json:
        document = {"run": str(options.output), "net": found.title, "left_out": found.left_out}
        _print_json(document)
        return
    print(f"Found {found.title}.")
    if found.left_out:
        print(f"Left out, since the net has no place for them: {', '.join(found.left_out)}.")
    print(f"Wrote {options.output}/, which every command takes as MODEL.")
    if not found.has_scores:
        print(f"Its scores are zero: train it with --set model.weights={options.output}.")


def convolutionalize_command(options: argparse.Namespace) -> None:
    """Turns a classifier into a fully convolutional net, and proves that it is one."""
    if options.output.suffix != ".keras":
        raise RunError(f"--output {options.output}: expected a name that ends in .keras.")
    if options.output.exists():
        raise RunError(f"{options.output}: is there already. Choose another name with --output.")
    if options.heatmap is not None and not isinstance(options.prove, Path):
        raise RunError("--heatmap: expected a photograph to lay the map over. Name it: --prove IMAGE.")
    _start()
    from fcn.data.image_io import encode_jpeg, read_image
    from fcn.models.surgery import convolutionalize
    from fcn.proof.heatmap import heatmap_image
    from fcn.proof.text import render
    from fcn.proof.windows import prove
    from fcn.runs.model_file import load_keras, save_model
    from fcn.system.files import write_bytes

    image = read_image(options.prove) if isinstance(options.prove, Path) else None
    model = load_keras(options.model)
    prepare = _preprocessing(options.preprocess)
    if prepare is not None and model.input_shape[-1] != 3:
        raise RunError(
            f"--preprocess {options.preprocess}: is for color images, and {options.model} takes others."
        )
    try:
        converted = convolutionalize(model)
        proof = prove(model, converted, image, prepare) if options.prove else None
        picture = None
        if options.heatmap is not None and image is not None:
            picture = heatmap_image(converted, image, options.heatmap, preprocess=prepare)
    except ValueError as error:
        raise RunError(f"{options.model}: {error}") from error
    save_model(converted, options.output)
    written = [options.output]
    if picture is not None:
        written.append(options.output.with_suffix(f".class{options.heatmap}.jpg"))
        write_bytes(written[-1], encode_jpeg(picture))
    if options.json:
        _print_json({"written": [str(path) for path in written], "proof": proof and render(proof)})
        return
    if proof:
        print(render(proof) + "\n")
    print(
        f"Wrote {' and '.join(str(path) for path in written)}. "
        "The net takes images of the classifier's size and any larger one."
    )
    if proof and not proof.vanishes:
        raise PartialError(
            f"{options.model}: the difference does not vanish where nothing pads; the reason stands above. "
            "On images of the classifier's own size the net says what the classifier says."
        )


def _preprocessing(mode: str) -> Any:
    """Returns what a net of keras.applications expects its pixels to go through; None for "none"."""
    if mode == "none":
        return None
    import keras

    return partial(keras.applications.imagenet_utils.preprocess_input, mode=mode)
