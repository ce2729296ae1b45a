"""What a net was trained on, and those it started from: whether it saw what it is scored on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fcn.config.sections import DataConfig
from fcn.data.voc import Example, read_split, shared_images
from fcn.errors import ConfigError, DataError
from fcn.runs.folder import RunFolder, is_exported

# Runs that start from runs: three stages are usual; a circle ends here.
_MAX_EARLIER = 10


class EarlierTraining(NamedTuple):
    """What the net that a training started from was trained on.

    Attributes:
        run: Folder of the earlier run.
        split: Name of its training split.
        num_scored: How many of its images are scored now; None where its data or configuration are not
            there any more.
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


def find_run(model: Path) -> RunFolder | None:
    """Returns the run that a folder is or that a file of `checkpoints` belongs to; None without one."""
    path = model.absolute()
    run = RunFolder(
        path.parents[1] if path.suffix == ".keras" and path.parent.name == "checkpoints" else model
    )
    # A version of an export holds a copy of its run's configuration.
    return run if run.exists() and not is_exported(model) else None


def split_of(data: DataConfig, scored: Sequence[Example]) -> TrainingSplit:
    """Returns what a net was trained on, without what it started from.

    Args:
        data: Of its training.
        scored: The examples it is scored on.
    """
    try:
        train = read_split(data.root, data.train_split)
        shared = shared_images(train, scored)
    except DataError:  # the data a run was trained on need not be there any more
        return TrainingSplit(data.train_split, None, None)
    return TrainingSplit(data.train_split, len(train), len(shared))


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
        training = split_of(config.data, scored)
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
    unknown = [one.run for one in earlier if one.num_scored is None]
    if unknown:
        seen.append(f"whether {' and '.join(unknown)} saw any cannot be checked, as the data are not there")
    return f"the weights it starts from may make scores too good: {'; '.join(seen)}." if seen else None


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
    if training.num_scored:
        found.append(
            f"{model} was trained on {training.num_scored} of the {num_images} scored images, so these "
            "scores are too good."
        )
    return [warning for warning in found if warning]


def training_document(training: TrainingSplit) -> dict[str, Any]:
    """Returns what `scores.json` says of what a net was trained on."""
    document = training._asdict()
    earlier = [one._asdict() for one in document.pop("earlier")]
    return document | ({"earlier": earlier} if earlier else {})
