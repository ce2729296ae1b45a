"""What lies beside an exported net, as sections of its page.

What is not known is said to be not known.
"""

import json
from pathlib import Path
from typing import Any

from fcn.config.file import Config, load_saved_config
from fcn.errors import ConfigError
from fcn.exports.card.markdown import code, plain, table
from fcn.exports.verification import read_verification
from fcn.inference.engines.exported import openvino_file
from fcn.inference.engines.table import read_table

_SCORES = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou", "mean_boundary_iou")


def training(version: Path) -> str:
    """Returns what the net was trained on and how."""
    path = version / "config.yaml"
    if not path.exists():
        return "What it was trained on is not known: it did not come from a run folder."
    try:
        config = load_saved_config(path)
    except ConfigError as error:
        # The path is that of a folder which gets another name when all of it is written.
        reason = plain(str(error).replace(str(path), path.name))
        return f"What it was trained on is not known: its configuration cannot be read ({reason})."
    return "\n\n".join(
        [table(["what", "value"], _recipe(config)), "All of the recipe stands in `config.yaml`."]
    )


def _recipe(config: Config) -> list[tuple[str, str]]:
    data, train, loss = config.data, config.train, config.loss
    crop = config.augmentation.crop_size
    return [
        ("data", code(data.root)),
        ("trained on its split", code(data.train_split)),
        ("validated on its split", code(data.val_split)),
        ("started from weights", code(config.model.weights)),
        ("steps", f"{train.steps:,}"),
        ("images a step", str(train.batch_size)),
        ("what a step sees", "whole images" if crop is None else f"crops of {crop[0]} x {crop[1]} pixels"),
        ("loss", ", ".join(f"{weight:g} x {name}" for name, weight in loss.terms.items())),
        ("optimizer", f"{train.optimizer}, learning rate {train.learning_rate:g}, {train.schedule}"),
        ("computed in", train.precision),
    ]


def scores(version: Path) -> str:
    """Returns the scores of the net, and of each class, as tables."""
    try:
        document: dict[str, Any] = json.loads((version / "scores.json").read_bytes())
        overall = [
            [name.replace("_", " ").replace("iou", "IoU"), _percent(document[name])]
            for name in _SCORES
            if name in document
        ]
        classes = [[name, _percent(iou)] for name, iou in document["class_iou"].items()]
        split, data = code(document["split"]), code(document["data"])
        scored = f"On {document['num_images']} images of split {split} of {data}. {_doubt(document)}"
    except FileNotFoundError:
        return "Not known: no `scores.json` came with it."
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"Not known: `scores.json` cannot be read ({plain(error)})."
    return "\n\n".join([scored, table(["score", "%"], overall), table(["class", "IoU, %"], classes)])


def _doubt(document: dict[str, Any]) -> str:
    """Says whether the net was trained on images that it is scored on."""
    trainings = document.get("training") or {"num_scored": None}
    seen = [one["num_scored"] for one in (trainings, *trainings.get("earlier", ()))]
    if any(seen):
        return f"It was trained on {max(filter(None, seen))} of them, so these scores are too good."
    return (
        "Whether it was trained on any of them is not known." if None in seen else "It was trained on none."
    )


def _percent(share: float | None) -> str:
    return "absent" if share is None else f"{100 * share:.2f}"


def agreement(version: Path) -> str:
    """Returns how well each form of the net labels as the net does, as a table.

    Raises:
        RunError: If that cannot be read.
    """
    verification = read_verification(version)
    if verification is None:
        return "Not measured: the export was not asked to (`--verify`)."
    rows = [
        [one.name, f"{100 * one.agreement:.4f}", f"{100 * one.worst_agreement:.4f}", code(one.worst_image)]
        for one in verification.comparisons
    ]
    return "\n\n".join(
        [
            f"Pixels of {verification.num_images} photographs, {verification.num_pixels:,} in all, that are "
            "labeled as by the net in float32.",
            table(["form", "%", "worst photograph, %", "which"], rows),
        ]
    )


def engines(version: Path) -> str:
    """Returns the table of engines.

    Raises:
        RunError: If it cannot be read.
    """
    choices = read_table(version)
    if not choices:
        return "No table of engines came with it: `fcn` computes it with TensorFlow in float32."
    rows = [
        [
            choice.engine,
            choice.precision,
            choice.device,
            "not measured" if choice.agreement is None else _percent(choice.agreement),
            "not measured" if choice.mean_iou is None else _percent(choice.mean_iou),
        ]
        for choice in choices
    ]
    columns = ["engine", "precision", "needs", "labels as float32, %", "mean IoU, %"]
    return "Best first; `fcn` takes the first that the machine can.\n\n" + table(columns, rows)


def files(version: Path) -> str:
    """Returns the files that there are and what each is for, as a table."""
    described = {
        "saved_model.pb": "TensorFlow's SavedModel, with variables/ and assets/",
        openvino_file(version, "float32").relative_to(version).as_posix(): "for OpenVINO, in float32",
        openvino_file(version, "int8").relative_to(version).as_posix(): "for OpenVINO, with layers in int8",
        "onnx/model.onnx": "for ONNX Runtime",
        "litert/model.tflite": "for LiteRT",
        "assets/classes.json": "names and colors of the classes",
        "config.yaml": "the configuration it was trained with",
        "scores.json": "its scores",
        "verification.json": "how well the forms agree",
    }
    rows = [[code(name), what] for name, what in described.items() if (version / name).exists()]
    return table(["file", "what"], rows)
