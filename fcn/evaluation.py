"""Whole images at their own size -> scores."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fcn.boundary import boundary_counts
from fcn.data.image_io import read_image
from fcn.data.voc import Example, read_classes, read_example, read_split, shared_images
from fcn.errors import ConfigError, DataError
from fcn.inference.multi_scale import PLAIN, Views
from fcn.inference.predictor import Predictor
from fcn.metrics import BoundaryScores, Matrix, Scores, confusion_matrix
from fcn.parallel import map_ahead
from fcn.progress import track
from fcn.run import RunFolder, is_exported
from fcn.sections import DataConfig

# Runs that start from runs: three stages are usual; a circle ends here.
_MAX_EARLIER = 10


class ImageScore(NamedTuple):
    """How well one image was labeled.

    Attributes:
        example: The image.
        mean_iou: Mean IoU over the classes that occur in this image; NaN if all of it is void.
        pixel_accuracy: Share of its pixels labeled correctly; NaN if all of it is void.
    """

    example: Example
    mean_iou: float
    pixel_accuracy: float = math.nan


class Evaluation(NamedTuple):
    """How well a net labels a split.

    Attributes:
        scores: Of the whole split, from one confusion matrix.
        matrix: `int64[C, C]`: pixels; rows true, columns predicted.
        images: Each image by itself, in the order of the split.
        views: How the net was shown each image.
        boundary: How well it finds where classes end; None where nobody asked.
    """

    scores: Scores
    matrix: Matrix
    images: tuple[ImageScore, ...]
    views: Views = PLAIN
    boundary: BoundaryScores | None = None


class EarlierTraining(NamedTuple):
    """What the net that a training started from was trained on.

    Attributes:
        run: Folder of the earlier run.
        split: Name of its training split.
        num_scored: How many of its images are scored now; None where nobody can tell any more.
    """

    run: str
    split: str | None
    num_scored: int | None


class TrainingSplit(NamedTuple):
    """What a net was trained on, beside the split it is scored on.

    Attributes:
        split: Name of the training split.
        num_images: How many images it has; None where its data are not there any more.
        num_scored: How many of them are in the scored split too, so that the scores are too good.
        earlier: What the weights it started from were trained on.
    """

    split: str
    num_images: int | None
    num_scored: int | None
    earlier: tuple[EarlierTraining, ...] = ()


def evaluate_examples(
    predictor: Predictor, examples: Sequence[Example], boundary: bool = False
) -> Evaluation:
    """Labels every example at its own size and compares; void pixels are left out.

    Args:
        predictor: The net to score.
        examples: What to score it on.
        boundary: Whether to compute boundary IoU too.

    Raises:
        DataError: If an image or label cannot be used.
    """
    num_classes = len(predictor.classes.names)
    total, counts = (np.zeros((rows, num_classes), np.int64) for rows in (num_classes, 2))
    images = []
    pairs = map_ahead(lambda example: read_example(example, num_classes), examples)
    for example, (image, label) in zip(examples, track(pairs, "scoring", total=len(examples)), strict=True):
        prediction = predictor.predict(image).label
        matrix = confusion_matrix(label, prediction, num_classes)
        total += matrix
        if boundary:
            counts += boundary_counts(label, prediction, num_classes)
        scores = Scores.from_matrix(matrix)
        images.append(ImageScore(example, scores.mean_iou, scores.pixel_accuracy))
    boundary_scores = BoundaryScores.from_counts(counts) if boundary else None
    return Evaluation(Scores.from_matrix(total), total, tuple(images), predictor.views, boundary_scores)


def evaluate(model: Any, root: Path | str, split: str = "val", boundary: bool = False) -> Evaluation:
    """Scores a net on a split of a data set.

    Warns (`UserWarning`) if the net, or one it started from, was trained on scored images; what it was
    trained on is known of a run folder and of a file in its `checkpoints`.

    Args:
        model: A net, a `Predictor`, or the path of a run folder, a `.keras` file or an exported folder.
        root: A data set in VOC layout.
        split: Name of one of its lists.
        boundary: Whether to compute boundary IoU too.

    Raises:
        DataError: If the data set cannot be used, or has other classes.
        RunError: If there is no model at the path.
    """
    predictor = model if isinstance(model, Predictor) else Predictor(model)
    evaluation = evaluate_split(predictor, Path(root), split, boundary)
    training = find_training(predictor.path, evaluation)
    for warning in describe_training(predictor.path, training, len(evaluation.images)):
        warnings.warn(warning, stacklevel=2)
    return evaluation


def evaluate_split(predictor: Predictor, root: Path, split: str, boundary: bool = False) -> Evaluation:
    """Scores a net on a split of a data set, without a look at what it was trained on.

    Args:
        predictor: The net to score.
        root: A data set in VOC layout.
        split: Name of one of its lists.
        boundary: Whether to compute boundary IoU too.

    Raises:
        DataError: If the data set cannot be used, or has other classes than the net.
    """
    classes, examples = read_classes(root), read_split(root, split)
    if classes.names != predictor.classes.names:
        raise DataError(
            f"{root}: expected the classes the model was trained on: {', '.join(predictor.classes.names)}. "
            f"Received: {', '.join(classes.names)}. Correct labels.txt, or choose another data set."
        )
    return evaluate_examples(predictor, examples, boundary)


def label_agreement(one: Predictor, other: Predictor, examples: Sequence[Example]) -> float:
    """Returns the share of pixels that two nets label alike, void pixels included.

    Args:
        one: A net.
        other: Another one with the same classes.
        examples: Whose images to label.

    Raises:
        DataError: If an image cannot be read.
    """
    equal = total = 0
    for image in map_ahead(lambda example: read_image(example.image_path), examples):
        alike = one.predict(image).label == other.predict(image).label
        equal, total = equal + int(alike.sum()), total + alike.size
    return equal / max(1, total)


def find_training(model: Path | None, evaluation: Evaluation) -> TrainingSplit | None:
    """Returns what a net and those it started from were trained on, and how many of the images were scored.

    Args:
        model: Where the net was read from; None for a net that was never a file.
        evaluation: Of the net, on any split of any data set.

    Returns:
        None for a net of no run, or of one whose configuration cannot be read.
    """
    run = model and find_run(model)
    if not run:
        return None
    try:
        config = run.load_config()
    except ConfigError:
        return None
    scored = [image.example for image in evaluation.images]
    return _split_of(config.data, scored)._replace(earlier=trained_before(config.model.weights, scored))


def describe_training(model: Path | None, training: TrainingSplit | None, num_images: int) -> list[str]:
    """Returns warnings if a net or one that it started from saw scored images; none if they did not.

    Args:
        model: Where the net was read from.
        training: What `find_training` returned.
        num_images: Number of scored images.
    """
    if training is None:
        return []
    found = [describe_earlier(training.earlier, num_images)]
    if count := training.num_scored:
        seen = f"{model} was trained on {count} of the {num_images} scored images"
        found.append(f"{seen}, so these scores are too good.")
    return [warning for warning in found if warning]


def _split_of(data: DataConfig, scored: Sequence[Example]) -> TrainingSplit:
    try:
        train = read_split(data.root, data.train_split)
        shared = shared_images(train, scored)
    except DataError:  # the data a run was trained on need not be there any more
        return TrainingSplit(data.train_split, None, None)
    return TrainingSplit(data.train_split, len(train), len(shared))


def find_run(model: Path) -> RunFolder | None:
    """Returns the run that a folder is or that a file of `checkpoints` belongs to; None without one."""
    path = model.absolute()
    run = RunFolder(
        path.parents[1] if path.suffix == ".keras" and path.parent.name == "checkpoints" else model
    )
    # A version of an export holds a copy of its run's configuration.
    return run if run.exists() and not is_exported(model) else None


def trained_before(weights: str, scored: Sequence[Example]) -> tuple[EarlierTraining, ...]:
    """Returns what the weights a training starts from were trained on, and those they started from in turn.

    Args:
        weights: What the training's `model.weights` says.
        scored: The examples it is scored on.

    Returns:
        One for each run, the latest first; none for weights of no run.
    """
    found: list[EarlierTraining] = []
    while len(found) < _MAX_EARLIER and (run := find_run(Path(weights))) is not None:
        try:
            config = run.load_config()
        except ConfigError:
            return (*found, EarlierTraining(str(run.path), None, None))
        training = _split_of(config.data, scored)
        found.append(EarlierTraining(str(run.path), training.split, training.num_scored))
        weights = config.model.weights
    return tuple(found)


def describe_earlier(earlier: Sequence[EarlierTraining], num_images: int) -> str | None:
    """Returns a warning if earlier trainings saw scored images, or may have; None if they did not.

    Args:
        earlier: What `trained_before` returned.
        num_images: Number of scored images.
    """
    seen = [
        f"{one.run} was trained on {one.num_scored} of the {num_images} scored images"
        for one in earlier
        if one.num_scored
    ]
    if unknown := [one.run for one in earlier if one.num_scored is None]:
        seen.append(f"whether {' and '.join(unknown)} saw any cannot be checked, as the data are not there")
    return f"the weights it starts from may make scores too good: {'; '.join(seen)}." if seen else None


def scores_document(
    evaluation: Evaluation,
    class_names: Sequence[str],
    root: Path,
    split: str,
    training: TrainingSplit | None = None,
) -> dict[str, Any]:
    """Returns what `scores.json` holds: the scores, what was scored, and what the net was trained on."""
    boundary = evaluation.boundary.as_dict(class_names) if evaluation.boundary else {}
    document = evaluation.scores.as_dict(class_names) | boundary
    document |= {
        "split": split,
        "num_images": len(evaluation.images),
        "data": str(root),
        "training": training and _training_document(training),
    }
    views = evaluation.views
    return document | ({} if views.are_plain else {"testing": views._asdict() | {"scales": [*views.scales]}})


def _training_document(training: TrainingSplit) -> dict[str, Any]:
    document = training._asdict()
    earlier = [one._asdict() for one in document.pop("earlier")]
    return document | ({"earlier": earlier} if earlier else {})
