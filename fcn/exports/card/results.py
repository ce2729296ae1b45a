"""Sections of the model card about the files of an exported version.

A section names what is not known.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fcn.config.file import Config, load_saved_config
from fcn.errors import ConfigError
from fcn.exports.card.markdown import code, plain, table
from fcn.exports.verification import read_verification
from fcn.inference.engines.exported import CALIBRATION, exported_classes, openvino_file
from fcn.inference.engines.table import read_table
from fcn.pages.percent import percent
from fcn.runs.licenses import read_licenses
from fcn.system.json_files import read_json_file

_SCORES = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou", "mean_boundary_iou")
_EXPECTED_ERROR, _LIKELIHOOD = "expected_calibration_error", "negative_log_likelihood"


def training(version: Path) -> str:
    """Returns how the net was trained, as a table."""
    path = version / "config.yaml"
    if not path.exists():
        return "The training data are not known: the net did not come from a run folder."
    try:
        config = load_saved_config(path)
    except ConfigError as error:
        # The path is that of a folder which gets another name when all of it is written.
        reason = plain(str(error).replace(str(path), path.name))
        return f"The training data are not known: the configuration cannot be read ({reason})."
    return "\n\n".join([table(["setting", "value"], _recipe(config)), "`config.yaml` has the whole recipe."])


def _recipe(config: Config) -> list[tuple[str, str]]:
    data, train, loss = config.data, config.train, config.loss
    crop = config.augmentation.crop_size
    return [
        ("data", code(data.root)),
        ("training split", code(data.train_split)),
        ("validation split", code(data.val_split)),
        ("initial weights", code(config.model.weights)),
        *_teaching(config),
        ("steps", f"{train.steps:,}"),
        ("images per step", str(train.batch_size)),
        ("input of a step", "whole images" if crop is None else f"crops of {crop[0]} x {crop[1]} pixels"),
        ("loss", ", ".join(f"{weight:g} x {name}" for name, weight in loss.terms.items())),
        ("optimizer", f"{train.optimizer}, learning rate {train.learning_rate:g}, {train.schedule}"),
        ("precision", train.precision),
    ]


def _teaching(config: Config) -> list[tuple[str, str]]:
    """Returns what a net has learned from besides labels; no row for most nets."""
    if config.train.teacher is None:
        return []
    weight, temperature = config.loss.distillation, config.loss.distillation_temperature
    rows: list[tuple[str, str]] = [
        ("teacher", code(config.train.teacher)),
        ("learning from it", f"{weight:g} x distillation at temperature {temperature:g}"),
    ]
    if config.data.unlabeled is not None:
        rows += [
            ("images without labels", code(config.data.unlabeled)),
            ("share of them", f"{config.data.unlabeled_share:.0%} of the training examples"),
        ]
    return rows


def scores(version: Path) -> str:
    """Returns the scores of the net, and of each class, as tables."""
    try:
        document: dict[str, Any] = read_json_file(version / "scores.json")
        overall = [
            [name.replace("_", " ").replace("iou", "IoU"), _percent(document[name])]
            for name in _SCORES
            if name in document
        ]
        classes = [[name, _percent(iou)] for name, iou in document["class_iou"].items()]
        split, data = code(document["split"]), code(document["data"])
        scored = f"On {plain(document['num_images'])} images of split {split} of {data}. {_overlap(document)}"
    except FileNotFoundError:
        return "Not known: no `scores.json` came with it."
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"Not known: `scores.json` cannot be read ({plain(error)})."
    return "\n\n".join([scored, table(["score", "value"], overall), table(["class", "IoU"], classes)])


def calibration(temperatures: Sequence[float], version: Path) -> str:
    """Returns the temperatures of a calibrated net and what they change, as text and tables.

    Args:
        temperatures: One, or one for each class.
        version: Folder of the version.
    """
    parts = [
        "The net is calibrated: confidence and probabilities are the softmax of the scores divided by a "
        "temperature (Guo et al., ICML 2017). Labels are those of the scores themselves, and "
        "`predict_logits` returns these."
    ]
    if len(temperatures) == 1:
        parts.append(f"The temperature is {temperatures[0]:.4g}.")
    else:
        names = exported_classes(version).names
        rows = [[name, f"{value:.4g}"] for name, value in zip(names, temperatures, strict=True)]
        parts += [
            "The class of a pixel's label chooses its temperature.",
            table(["class", "temperature"], rows),
        ]
    try:
        document: dict[str, Any] = read_json_file(version / CALIBRATION)
        before, after = document["before"], document["after"]
        split, data = code(document["split"]), code(document["data"])
        fitted, measured = plain(document["fitted_images"]), plain(document["measured_images"])
        rows = [
            ["expected calibration error", *(_percent(one[_EXPECTED_ERROR]) for one in (before, after))],
            ["negative log-likelihood", *(f"{one[_LIKELIHOOD]:.4f}" for one in (before, after))],
        ]
        told = f"Fitted on {fitted} images of split {split} of {data}; on {measured} others of it:"
        parts += [told, table(["score", "before", "after"], rows)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        parts.append("What it was fitted on is not known.")
    return "\n\n".join(parts)


def _overlap(document: dict[str, Any]) -> str:
    """Returns a sentence about whether the net was trained on images that it is scored on."""
    trainings = document.get("training") or {"num_scored": None}
    seen = [one["num_scored"] for one in (trainings, *trainings.get("earlier", ()))]
    if any(seen):
        return f"It was trained on {plain(max(filter(None, seen)))} of them, so these scores are too good."
    return (
        "Whether it was trained on any of them is not known." if None in seen else "It was trained on none."
    )


def _percent(share: float | None) -> str:
    return percent(math.nan if share is None else share)


def agreement(version: Path) -> str:
    """Returns how well each format agrees with the net, as a table.

    Raises:
        RunError: If that cannot be read.
    """
    verification = read_verification(version)
    if verification is None:
        return "Not measured: the model was exported without `--verify`."
    rows = [
        [one.name, percent(one.agreement, 4), percent(one.worst_agreement, 4), code(one.worst_image)]
        for one in verification.comparisons
    ]
    return "\n\n".join(
        [
            f"How many of the {verification.num_pixels:,} pixels of {verification.num_images} images each "
            "format labels as the trained net in float32 does.",
            table(["format", "agreement", "agreement on the worst image", "worst image"], rows),
        ]
    )


def engines(version: Path) -> str:
    """Returns the table of engines.

    Raises:
        RunError: If it cannot be read.
    """
    choices = read_table(version)
    if not choices:
        return "There is no table of engines: `fcn` runs the net with TensorFlow in float32."
    rows = [
        [
            choice.engine,
            choice.precision,
            choice.device,
            "not measured" if choice.agreement is None else percent(choice.agreement),
            "not measured" if choice.mean_iou is None else percent(choice.mean_iou),
        ]
        for choice in choices
    ]
    columns = ["engine", "precision", "device", "agreement with float32", "mean IoU"]
    return "Best first; `fcn` takes the first that the machine supports.\n\n" + table(columns, rows)


def license_terms(version: Path) -> str:
    """Returns the licenses of the published weights that the net has or was started from, as a table."""
    unknown = "Under which license {} may be used is not known here."
    licenses = read_licenses(version)
    if not licenses:
        return unknown.format("its weights and the data it was trained on")
    rows = [[code(one.weights), one.license, one.commercial_use, one.url] for one in licenses]
    columns = ["published weights", "license", "commercial use", "stated at"]
    others = "the data that it was trained on, and what a training added,"
    return "\n\n".join([table(columns, rows), unknown.format(others)])


def files(version: Path) -> str:
    """Returns the files of the version and the purpose of each, as a table."""
    described = {
        "saved_model.pb": "TensorFlow's SavedModel, with variables/ and assets/",
        openvino_file(version, "float32").relative_to(version).as_posix(): "for OpenVINO, in float32",
        openvino_file(version, "int8").relative_to(version).as_posix(): "for OpenVINO, with layers in int8",
        "onnx/model.onnx": "for ONNX Runtime",
        "litert/model.tflite": "for LiteRT",
        "assets/classes.json": "names and colors of the classes",
        "config.yaml": "the configuration it was trained with",
        "licenses.json": "licenses of the published weights that it has or was started from",
        "scores.json": "its scores",
        CALIBRATION: "what its temperature was fitted on",
        "digests.json": "digests of the images it was trained on, with which fcn evaluate compares its data",
        "verification.json": "how well the formats agree",
    }
    rows = [[code(name), what] for name, what in described.items() if (version / name).exists()]
    return table(["file", "content"], rows)
