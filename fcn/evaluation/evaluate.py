"""Scoring a net on whole images, at their own size."""

import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fcn.classes import VOID
from fcn.config.sections import LabelOrientation
from fcn.data.examination import check_masks
from fcn.data.image_io import Pixels, read_image
from fcn.data.label_orientation import count_turned, describe_unclear
from fcn.data.leaks import ExampleDigest, digest_example
from fcn.data.voc import Example, read_example
from fcn.evaluation.bootstrap import ImageCounts
from fcn.evaluation.boundary import boundary_counts
from fcn.evaluation.calibration import CalibrationSums
from fcn.evaluation.evaluation import Evaluation, ImageScore
from fcn.evaluation.fitted_images import describe_fitted
from fcn.evaluation.metrics import BoundaryScores, Scores, confusion_matrix
from fcn.evaluation.mistakes import largest_mistake
from fcn.evaluation.scored_split import check_classes, read_scored
from fcn.inference.predictor import Predictor
from fcn.outputs.prediction import Prediction
from fcn.outputs.probabilities import bands, softmax
from fcn.runs.lineage import TrainingSplit, training_of
from fcn.runs.lineage_warnings import describe_training, describe_unchecked
from fcn.system.parallel import map_ahead
from fcn.system.progress import track
from fcn.system.text import printable

Loss = Callable[[Any, Any], Any]
"""A loss: from a label `uint8[1, H, W]` and logits `float32[1, H, W, C]` to a number."""

_LOGIT_BYTES = 1 << 28


class CheckedEvaluation(NamedTuple):
    """Scores of a net on a split, with warnings if they cannot be trusted.

    Attributes:
        evaluation: The scores.
        training: What the net was trained on; None if that is not known.
        warnings: Why the scores may be too good, a sentence each; none if no scored image was trained on.
        notes: What could not be checked, a sentence each: nothing is known of a net outside of a run, or
            whether labels are upright; and whether temperatures were fitted to half of the images.
    """

    evaluation: Evaluation
    training: TrainingSplit | None
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()


def evaluate_examples(
    predictor: Predictor,
    examples: Sequence[Example],
    boundary: bool = False,
    loss: Loss | None = None,
    calibration: bool = False,
) -> Evaluation:
    """Labels every example at its own size and compares; void pixels are left out.

    Args:
        predictor: The net to score.
        examples: What to score it on.
        boundary: Whether to compute boundary IoU too.
        loss: A loss to compute too, on images with a labeled pixel and with logits of at most 256 MiB, which
            is 3.2 megapixels for 21 classes.
        calibration: Whether to compute calibration too.

    Raises:
        DataError: If an image or label cannot be used.
        ImageTooLargeError: If the scores of all classes at all pixels of an image, which calibration needs,
            exceed the memory that is allowed.
    """
    num_classes = len(predictor.classes.names)
    total = np.zeros((num_classes, num_classes), np.int64)
    counts = np.zeros((2, num_classes), np.int64)
    class_images = np.zeros(num_classes, np.int64)
    images: list[ImageScore] = []
    losses: list[float] = []
    sums, tempered = CalibrationSums(num_classes), CalibrationSums(num_classes)

    def read(example: Example) -> tuple[Pixels, Pixels, ExampleDigest]:
        image, label = read_example(example._replace(bits=predictor.bits), num_classes)
        return image, label, digest_example(image, label)

    found = track(map_ahead(read, examples), "scoring", len(examples), lines=True)
    for example, (image, label, digest) in zip(examples, found, strict=True):
        prediction, own_loss = _predict(predictor, image, label, loss, calibration)
        losses += [] if math.isnan(own_loss) else [own_loss]
        if calibration and prediction.logits is not None:
            for band in bands(prediction.logits):
                sums.add(softmax(prediction.logits[band]), label[band])
                if predictor.temperatures is not None:
                    tempered.add(softmax(prediction.logits[band], predictor.temperatures), label[band])
        matrix = confusion_matrix(label, prediction.label, num_classes)
        total += matrix
        class_images += matrix.sum(axis=1) > 0
        if boundary:
            counts += boundary_counts(label, prediction.label, num_classes)
        own = Scores.from_matrix(matrix)
        kept = ImageCounts.of(matrix), largest_mistake(label, prediction.label, matrix)
        images.append(ImageScore(example, own.mean_iou, own.pixel_accuracy, digest, *kept))
    return Evaluation(
        Scores.from_matrix(total),
        total,
        tuple(images),
        predictor.views,
        BoundaryScores.from_counts(counts) if boundary else None,
        sum(losses) / len(losses) if losses else math.nan,
        class_images,
        sums.calibration() if calibration else None,
        tempered.calibration() if calibration and predictor.temperatures is not None else None,
    )


def _predict(
    predictor: Predictor, image: Pixels, label: Pixels, loss: Loss | None, with_logits: bool
) -> tuple[Prediction, float]:
    """Returns the prediction of a net for an image, and the loss; NaN if that is not computed."""
    if loss is None or 4 * label.size * len(predictor.classes.names) > _LOGIT_BYTES:
        return predictor.predict(image, with_logits=with_logits), math.nan
    prediction = predictor.predict(image, with_logits=True)
    if prediction.logits is None or (label == VOID).all():
        return prediction, math.nan
    return prediction, float(loss(label[np.newaxis], prediction.logits[np.newaxis]))


def evaluate(
    model: Any,
    root: Path | str,
    split: str = "val",
    boundary: bool = False,
    trust: bool = False,
    label_orientation: LabelOrientation = "upright",
    calibration: bool = False,
) -> Evaluation:
    """Scores a net on a split of a data set.

    Warns (`UserWarning`) if the net, or one it started from, was trained on scored images, or if that could
    not be checked. This is known of a run folder, of a file in its `checkpoints` and of an export made from
    them, also when a `Predictor` was made from one. Of other nets nothing is known, and there is no warning.

    Args:
        model: A net, a `Predictor`, or the path of a run folder, a `.keras` file or an exported folder.
        root: A data set in VOC layout.
        split: Name of one of its lists.
        boundary: Whether to compute boundary IoU too.
        trust: Whether to load also a model with parts that could run code.
        label_orientation: Whether labels are of upright images, or "stored": of the pixels in the files.
        calibration: Whether to compute calibration too.

    Raises:
        DataError: If the data set cannot be used, or has other classes than the net.
        RunError: If there is no model at the path.
        TrustError: If it has parts that could run code.
    """
    predictor = model if isinstance(model, Predictor) else Predictor(model, trust=trust)
    checked = evaluate_and_check(
        predictor, Path(root), split, boundary, label_orientation, calibration=calibration
    )
    for warning in checked.warnings:
        warnings.warn(printable(warning), stacklevel=2)
    return checked.evaluation


def evaluate_and_check(
    predictor: Predictor,
    root: Path,
    split: str,
    boundary: bool = False,
    label_orientation: LabelOrientation = "upright",
    examples: Sequence[Example] | None = None,
    calibration: bool = False,
) -> CheckedEvaluation:
    """Scores a net on a split of a data set, and checks whether it was trained on scored images.

    Whether the labels of turned images are upright is checked too, as far as sizes show it.

    Args:
        predictor: The net to score.
        root: A data set in VOC layout.
        split: Name of one of its lists.
        boundary: Whether to compute boundary IoU too.
        label_orientation: What the labels are of, as in `read_split`.
        examples: The split, where no list names it; None to read the list.
        calibration: Whether to compute calibration too.

    Raises:
        DataError: If the data set cannot be used, or has other classes than the net.
    """
    evaluation = evaluate_split(predictor, root, split, boundary, label_orientation, examples, calibration)
    training = find_training(predictor.path, evaluation)
    described = predictor.path, training, len(evaluation.images)
    warnings, notes = describe_training(*described), describe_unchecked(*described)
    turned = count_turned([image.example.image_path for image in evaluation.images])
    if unclear := describe_unclear(turned, label_orientation):
        notes.append(unclear)
    if evaluation.tempered is not None and predictor.path is not None:
        fitted = describe_fitted(predictor.path, root, split)
        notes += [] if fitted is None else [fitted]
    return CheckedEvaluation(evaluation, training, tuple(warnings), tuple(notes))


def evaluate_split(
    predictor: Predictor,
    root: Path,
    split: str,
    boundary: bool = False,
    label_orientation: LabelOrientation = "upright",
    examples: Sequence[Example] | None = None,
    calibration: bool = False,
) -> Evaluation:
    """Scores a net on a split of a data set, whatever it was trained on.

    Args:
        predictor: The net to score.
        root: A data set in VOC layout.
        split: Name of one of its lists.
        boundary: Whether to compute boundary IoU too.
        label_orientation: What the labels are of, as in `read_split`.
        examples: The split, where no list names it; None to read the list.
        calibration: Whether to compute calibration too.

    Raises:
        DataError: If the data set cannot be used, or has other classes than the net.
    """
    if examples is None:
        check_classes(predictor.path, predictor.classes, root, split)
        examples = read_scored(predictor.path, root, split, label_orientation)
    else:
        check_classes(predictor.path, predictor.classes, root)
    check_masks(examples)
    return evaluate_examples(predictor, examples, boundary, calibration=calibration)


def label_agreement(one: Predictor, other: Predictor, examples: Sequence[Example]) -> float:
    """Returns the share of pixels that two nets label equally, void pixels included.

    Args:
        one: A net.
        other: Another one with the same classes.
        examples: The images to label.

    Raises:
        DataError: If an image cannot be read.
    """
    equal = total = 0
    for image in map_ahead(lambda example: read_image(example.image_path, example.bits), examples):
        alike = one.predict(image).label == other.predict(image).label
        equal, total = equal + int(alike.sum()), total + alike.size
    return equal / max(1, total)


def find_training(model: Path | None, evaluation: Evaluation) -> TrainingSplit | None:
    """Returns what a net and those it started from were trained on, and how many of those images were scored.

    Args:
        model: Where the net was read from; None for a net that was never a file.
        evaluation: Of the net, on any split of any data set.

    Returns:
        None for a net that is not of a run, or if the run's configuration cannot be read.
    """
    if model is None:
        return None
    digests = [image.digest.image for image in evaluation.images if image.digest is not None]
    scored = [image.example for image in evaluation.images]
    return training_of(model, scored, digests if len(digests) == len(scored) else None)
