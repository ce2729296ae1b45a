"""Warnings and notes where a net, or one that it started from, may have seen the images it is scored on."""

from collections.abc import Sequence
from pathlib import Path

from fcn.runs.lineage import EarlierTraining, TrainingSplit


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
    unknown = [one.run for one in earlier if one.num_scored is None and _is_run(one)]
    if unknown:
        seen.append(
            f"whether {' and '.join(unknown)} saw any could not be checked, since neither the training "
            "images nor digests of them were found"
        )
    return f"nets it starts or learns from may make scores too good: {'; '.join(seen)}." if seen else None


def describe_training(model: Path | None, training: TrainingSplit | None, num_images: int) -> list[str]:
    """Returns warnings if a net or one that it started from saw scored images; none if they did not.

    A run of which that is not known is warned of too.

    Args:
        model: Path the net was read from.
        training: Result of `training_of`.
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
    elif training.num_scored is None:
        found.append(
            f"whether {model} was trained on any of the {num_images} scored images could not be checked, "
            + (
                "since neither its training images nor digests of them to compare were found."
                if training.num_images is None
                else "since an older version started it and kept no digests of the images of its first steps."
            )
        )
    return [warning for warning in found if warning]


def describe_unchecked(model: Path | None, training: TrainingSplit | None, num_images: int) -> list[str]:
    """Returns notes on nets outside of runs: nothing is known of their trainings, so nothing was checked.

    Args:
        model: Path the net was read from; None for a net in memory.
        training: Result of `training_of`.
        num_images: Number of scored images.
    """
    if training is None:
        return [] if model is None else [_could_not_check(str(model), num_images)]
    files = [one.run for one in training.earlier if one.num_scored is None and not _is_run(one)]
    return [
        _could_not_check(f"{name}, from which the training started or learned,", num_images) for name in files
    ]


def _could_not_check(net: str, num_images: int) -> str:
    return (
        f"Whether {net} was trained on any of the {num_images} scored images could not be checked: nothing "
        "was found that says what it was trained on."
    )


def _is_run(earlier: EarlierTraining) -> bool:
    """Returns whether an earlier training was a run, though its folder may be gone."""
    path = Path(earlier.run)
    in_run = path.parent.name == "checkpoints" or path.suffix == "" or path.is_dir()
    return in_run or earlier.split is not None
