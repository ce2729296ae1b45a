"""What a run keeps of its data, so that it is known which images its net has seen."""

from pathlib import Path

from fcn.config.file import Config
from fcn.runs.digests import DataRecord, TrainingImages, read_record
from fcn.runs.folder import RunFolder
from fcn.runs.lineage import TrainingSplit, compare_earlier, earlier_images
from fcn.runs.lineage_warnings import describe_training, describe_unchecked
from fcn.system.text import print_notice
from fcn.training.checked_data import CheckedData
from fcn.training.checkpoint import DataDigests


def record_of(
    run: RunFolder, config: Config, data: CheckedData, saved: DataDigests | None, has_scores: bool
) -> DataRecord:
    """Returns the record of a run's data: the one that it has, or on its first start a new one.

    Args:
        run: The folder.
        config: How to learn.
        data: Its data, which were checked against `saved`.
        saved: The digests in the checkpoint that the training resumes from; None where it starts.
        has_scores: Whether it starts from a net that was trained on labels.
    """
    images, unlabeled = tuple(digest.image for digest in data.train_digests), tuple(data.unlabeled.digests)
    kept = None if saved is None else read_record(run.digests)
    if kept is not None and (kept.train.images, kept.train.unlabeled) == (images, unlabeled):
        return kept
    complete = saved is None or saved.train.images != ""
    known = _digests_by_path(data)
    earlier = [*earlier_images(config.model.weights, known)] if has_scores else []
    if config.train.teacher is not None:
        earlier += earlier_images(config.train.teacher, known)
    return DataRecord(
        TrainingImages(str(run.path), config.data.train_split, images, complete, unlabeled),
        config.data.val_split,
        data.digests.val,
        tuple(dict.fromkeys(earlier)),  # a net may start from its teacher
    )


def _digests_by_path(data: CheckedData) -> dict[Path, bytes]:
    """Returns the digest of each image that was checked, by its resolved path."""
    examples = [*data.train_examples, *data.val_examples]
    digests = [*data.train_digests, *data.val_digests]
    paths = (example.image_path.resolve() for example in examples)
    return {path: digest.image for path, digest in zip(paths, digests, strict=True)}


def trained_on(config: Config, data: CheckedData, record: DataRecord | None) -> TrainingSplit:
    """Returns what a net is trained on.

    Args:
        config: How to learn.
        data: Its data, which hold no image in both splits.
        record: The record of the run; None in a process that leaves the earlier trainings to another.
    """
    earlier = () if record is None else record.earlier
    seen = compare_earlier(earlier, [digest.image for digest in data.val_digests])
    return TrainingSplit(config.data.train_split, len(data.train_examples), 0, seen)


def warn(run: RunFolder, training: TrainingSplit, num_images: int) -> tuple[str, ...]:
    """Prints and returns warnings if the weights that a training starts from saw scored images, or may have.

    Args:
        run: The folder.
        training: What the net is trained on.
        num_images: Number of scored images.
    """
    warnings = describe_training(run.path, training, num_images)
    notes = describe_unchecked(run.path, training, num_images)
    for text in (*(f"Warning: {warning}" for warning in warnings), *notes):
        print_notice(text)
    return (*warnings, *notes)
