"""Finds what a net, and the nets it started from, were trained on: whether they saw the scored images."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fcn.config.file import Config
from fcn.config.sections import DataConfig
from fcn.data.leaks import digest_images, shared_images
from fcn.data.voc import Example, read_split
from fcn.errors import ConfigError, DataError
from fcn.runs.digests import DataRecord, TrainingImages, read_record
from fcn.runs.folder import DIGESTS, RunFolder, exported_version, is_exported
from fcn.runs.splits import find_lists
from fcn.weights.catalog import NETS
from fcn.weights.checksum import published_name

# Runs that start from runs: three stages are usual. The limit also ends a circle.
_MAX_EARLIER = 10
# Weights that saw no labels of pixels.
_UNTRAINED = ("none", "imagenet", *(name for name, net in NETS.items() if net.is_classifier))


class EarlierTraining(NamedTuple):
    """The training of a net that another training started from.

    Attributes:
        run: Folder of the earlier run, or the file of a net that is in no run.
        split: Name of its training split; None if it is not known.
        num_scored: Number of its images that are scored now; None where neither they nor their digests were
            found.
    """

    run: str
    split: str | None
    num_scored: int | None


class TrainingSplit(NamedTuple):
    """The split that a net was trained on, compared to the split it is scored on.

    Attributes:
        split: Name of the training split.
        num_images: Number of its images; None where neither they nor their digests were found.
        num_scored: Number of its images that are in the scored split too, so that the scores are too good;
            None where that could not be checked.
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


def training_of(
    model: Path, scored: Sequence[Example], digests: Sequence[bytes] | None = None
) -> TrainingSplit | None:
    """Returns what a net and those it started from were trained on, and how many of those images are scored.

    Images are compared by the digests that its run or export keeps. A run that an older version wrote has
    none: then the images are looked for where its configuration says.

    Args:
        model: A run folder, a file in its `checkpoints`, an export or any other file.
        scored: The examples it is scored on.
        digests: Digest of each of these images; None to read them where they are needed.

    Returns:
        None if nothing is known of its training.
    """
    run = find_run(model)
    if run is None and not is_exported(model):
        return None
    record = read_record(run.digests if run else exported_version(model) / DIGESTS)
    if record is not None:
        found = digest_images(scored) if digests is None else digests
        train = record.train
        earlier = compare_earlier(record.earlier, found)
        num_images = None if train.images is None else len(train.images)
        return TrainingSplit(str(train.split), num_images, train.count_in(found), earlier)
    if run is None:
        return None
    try:
        config = run.load_config()
    except ConfigError:
        return None
    earlier = trained_before(config.model.weights, scored, digests)
    return split_of(run, config.data, scored, digests)._replace(earlier=earlier)


def compare_earlier(
    earlier: Sequence[TrainingImages], digests: Sequence[bytes]
) -> tuple[EarlierTraining, ...]:
    """Returns how many scored images each of the earlier trainings of a net saw.

    Args:
        earlier: Their images.
        digests: Digest of each scored image.
    """
    return tuple(EarlierTraining(one.run, one.split, one.count_in(digests)) for one in earlier)


def split_of(
    run: RunFolder, data: DataConfig, scored: Sequence[Example], digests: Sequence[bytes] | None = None
) -> TrainingSplit:
    """Returns what a net was trained on, without what it started from, from its data where they are now.

    Args:
        run: Its run.
        data: Data configuration of its training.
        scored: The examples it is scored on.
        digests: Digest of each of these images; None to read them where they are needed.
    """
    try:
        train = _training_examples(run, data)
        shared = shared_images(train, scored, digests)
    except DataError:  # the data of a run may have been removed
        return TrainingSplit(data.train_split, None, None)
    return TrainingSplit(data.train_split, len(train), len(shared))


def trained_before(
    weights: str, scored: Sequence[Example], digests: Sequence[bytes] | None = None
) -> tuple[EarlierTraining, ...]:
    """Returns the trainings of the weights that a training starts from, and of their own start in turn.

    Args:
        weights: `model.weights` of the training.
        scored: The examples it is scored on.
        digests: Digest of each of these images; None to read them where they are needed.

    Returns:
        One for each run, the latest first; none for weights that saw no labels.
    """
    found: list[EarlierTraining] = []
    for name, record, config in _follow(weights):
        if record is not None:
            digests = digest_images(scored) if digests is None else digests
            found += compare_earlier([record.train._replace(run=name), *record.earlier], digests)
        elif config is not None:
            training = split_of(RunFolder(Path(name)), config.data, scored, digests)
            found.append(EarlierTraining(name, training.split, training.num_scored))
        else:
            found.append(EarlierTraining(name, None, None))
    return tuple(found)


def earlier_images(weights: str, known: Mapping[Path, bytes]) -> tuple[TrainingImages, ...]:
    """Returns the images of the trainings of which `trained_before` tells, for the record of a new run.

    Args:
        weights: `model.weights` of the training.
        known: Digests of images by their resolved path, which need not be read again.
    """
    found: list[TrainingImages] = []
    for name, record, config in _follow(weights):
        if record is not None:
            found += [record.train._replace(run=name), *record.earlier]
        elif config is not None:
            images = _digests(RunFolder(Path(name)), config.data, known)
            found.append(TrainingImages(name, config.data.train_split, images))
        else:
            found.append(TrainingImages(name, None, None))
    return tuple(found)


def training_document(training: TrainingSplit) -> dict[str, Any]:
    """Returns the entry of `scores.json` about the training of a net."""
    document = training._asdict()
    earlier = [one._asdict() for one in document.pop("earlier")]
    return document | ({"earlier": earlier} if earlier else {})


def _follow(weights: str) -> Iterator[tuple[str, DataRecord | None, Config | None]]:
    """Yields the trainings of the weights that a training starts from, the latest first.

    For each, its name and what is known of it: its record, which holds the trainings before it too and ends
    this; its configuration, if an older version wrote the run; or nothing.
    """
    for _ in range(_MAX_EARLIER):
        if weights in _UNTRAINED:
            return
        run = find_run(Path(weights))
        if run is None:
            if published_name(Path(weights)) not in _UNTRAINED:
                yield weights, None, None
            return
        record = read_record(run.digests)
        try:
            config = None if record is not None else run.load_config()
        except ConfigError:
            config = None
        yield str(run.path), record, config
        if config is None:
            return
        weights = config.model.weights


def _training_examples(run: RunFolder, data: DataConfig) -> list[Example]:
    """Returns the images that a run was trained on, with the bits that it read them with.

    Raises:
        DataError: If they are gone.
    """
    return read_split(data.root, data.train_split, bits=data.used_bits, lists=find_lists(run, data))


def _digests(run: RunFolder, data: DataConfig, known: Mapping[Path, bytes]) -> tuple[bytes, ...] | None:
    """Returns the digests of the training images of a run that keeps none; None if the images are gone."""
    try:
        train = _training_examples(run, data)
        paths = [example.image_path.resolve() for example in train]
        unread = [number for number, path in enumerate(paths) if path not in known]
        read = dict(zip(unread, digest_images([train[number] for number in unread]), strict=True))
    except DataError:
        return None
    return tuple(read.get(number) or known[path] for number, path in enumerate(paths))
