"""Finds what a net, and the nets it started from, were trained on: whether they saw the scored images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fcn.config.sections import DataConfig
from fcn.data.voc import Example, read_split, shared_images
from fcn.errors import ConfigError, DataError
from fcn.runs.folder import RunFolder, is_exported

# Runs that start from runs: three stages are usual. The limit also ends a circle.
_MAX_EARLIER = 10


class EarlierTraining(NamedTuple):
    """The training of a net that another training started from.

    Attributes:
        run: Folder of the earlier run.
        split: Name of its training split.
        num_scored: Number of its images that are scored now; None where its data or configuration no longer
            exist.
    """

    run: str
    split: str | None
    num_scored: int | None


class TrainingSplit(NamedTuple):
    """The split that a net was trained on, compared to the split it is scored on.

    Attributes:
        split: Name of the training split.
        num_images: Number of its images; None where its data no longer exist.
        num_scored: Number of its images that are in the scored split too, so that the scores are too good.
        earlier: The trainings of the weights it started from.
    """

    split: str
    num_images: int | None
    num_scored: int | None
    earlier: tuple[EarlierTraining, ...] = ()


def find_run(model: Path) -> RunFolder | None:
    """Returns the run of a run folder or of a file in its `checkpoints`; None without one."""
    path = model.absolute()
    run = RunFolder(
        path.parents[1] if path.suffix == ".keras" and path.parent.name == "checkpoints" else model
    )
    # A version of an export holds a copy of its run's configuration.
    return run if run.exists() and not is_exported(model) else None


def split_of(data: DataConfig, scored: Sequence[Example]) -> TrainingSplit:
    """Returns what a net was trained on, without what it started from.

    Args:
        data: Data configuration of its training.
        scored: The examples it is scored on.
    """
    try:
        train = read_split(data.root, data.train_split)
        shared = shared_images(train, scored)
    except DataError:  # the data of a run may have been removed
        return TrainingSplit(data.train_split, None, None)
    return TrainingSplit(data.train_split, len(train), len(shared))


def trained_before(weights: str, scored: Sequence[Example]) -> tuple[EarlierTraining, ...]:
    """Returns the trainings of the weights that a training starts from, and of their own start in turn.

    Args:
        weights: `model.weights` of the training.
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
        training = split_of(config.data, scored)
        found.append(EarlierTraining(str(run.path), training.split, training.num_scored))
        weights = config.model.weights
    return tuple(found)


def describe_earlier(earlier: Sequence[EarlierTraining], num_images: int) -> str | None:
    """Returns a warning if earlier trainings saw scored images, or may have; None if they did not.

    Args:
        earlier: Result of `trained_before`.
        num_images: Number of scored images.
    """
    seen = [
        f"{one.run} was trained on {one.num_scored} of the {num_images} scored images"
        for one in earlier
        if one.num_scored
    ]
    unknown = [one.run for one in earlier if one.num_scored is None]
    if unknown:
        seen.append(
            f"whether {' and '.join(unknown)} saw any cannot be checked, since their data no longer exist"
        )
    return f"the weights it starts from may make scores too good: {'; '.join(seen)}." if seen else None


def describe_training(model: Path | None, training: TrainingSplit | None, num_images: int) -> list[str]:
    """Returns warnings if a net or one that it started from saw scored images; none if they did not.

    Args:
        model: Path the net was read from.
        training: Result of `find_training`.
        num_images: Number of scored images.
    """
    if training is None:
        return []
    found = [describe_earlier(training.earlier, num_images)]
    if training.num_scored:
        found.append(
            f"{model} was trained on {training.num_scored} of the {num_images} scored images, so these "
            "scores are too good."
        )
    return [warning for warning in found if warning]


def training_document(training: TrainingSplit) -> dict[str, Any]:
    """Returns the entry of `scores.json` about the training of a net."""
    document = training._asdict()
    earlier = [one._asdict() for one in document.pop("earlier")]
    return document | ({"earlier": earlier} if earlier else {})
