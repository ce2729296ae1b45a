"""Searches a split of a run's data set for labels that are doubted, from the request to the ranking."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from fcn.classes import Classes
from fcn.config.file import Config
from fcn.data.voc import Example, read_classes, read_split
from fcn.errors import DataError, RunError
from fcn.inference.engines.choose import open_engine
from fcn.inference.predictor import MEMORY_GIGABYTES
from fcn.inference.tiling.tiles import TiledEngine, tiled
from fcn.runs.folder import RunFolder, model_file
from fcn.runs.lineage import find_run, trained_before, training_of
from fcn.runs.lineage_warnings import describe_earlier
from fcn.runs.splits import find_lists, is_divided
from fcn.suspects.folds import fold_nets
from fcn.suspects.ranking import Net, Ranking, SuspectImage, SuspectRegion, compare_examples
from fcn.system.progress import track
from fcn.training.checkpoint import saved_class_names


class Request(NamedTuple):
    """The arguments of a search.

    Attributes:
        run: Folder of the run.
        split: The split to search: that which the run was trained on, or that which it was scored on.
        folds: How many nets to train, each on all but its part of the training split; None to ask the net of
            the run.
        limit: How many images and regions to rank.
        data: The data set; None for that of the run.
        trust: Whether to load also a model with parts that could run code.
    """

    run: Path
    split: Literal["train", "val"] = "train"
    folds: int | None = None
    limit: int = 50
    data: Path | None = None
    trust: bool = False


class Suspects(NamedTuple):
    """What nets doubt.

    Attributes:
        run: Folder of the run.
        root: The data set.
        split: Name of the split.
        classes: Of the data set.
        folds: How many nets were trained; None if that of the run was asked.
        num_images: Number of images of the split.
        num_void: Number of those that have no labeled pixel.
        images: The images, the most doubted first.
        regions: The regions, the most doubted first.
        notes: What to know about the ranking, a sentence each.
    """

    run: Path
    root: Path
    split: str
    classes: Classes
    folds: int | None
    num_images: int
    num_void: int
    images: list[SuspectImage]
    regions: list[SuspectRegion]
    notes: tuple[str, ...]


class Task(NamedTuple):
    """A search that can begin.

    Attributes:
        request: Its arguments.
        run: The run.
        config: Its configuration, with the data set of the request.
        split: Name of the split.
        classes: Of the data set.
        examples: The split.
    """

    request: Request
    run: RunFolder
    config: Config
    split: str
    classes: Classes
    examples: list[Example]


def prepare(request: Request) -> Task:
    """Checks a request as far as possible without opening a net.

    Raises:
        ConfigError: If the configuration of the run cannot be read.
        DataError: If the data set cannot be used, or folds are asked for of the validation split.
        RunError: If there is no run, or it has no checkpoint.
    """
    run = find_run(request.run) if request.run.is_dir() else None
    if run is None:
        raise RunError(
            f"{request.run}: is not the folder of a run. Expected one that a training wrote: it holds the "
            "configuration, the checkpoints and the name of the data set."
        )
    if request.folds is None:
        model_file(run.path)
    elif request.split == "val":
        raise DataError(
            "--folds: trains nets that have not seen what they are asked about, and the net of the run has "
            "not seen its validation split. Leave out --folds or --split val."
        )
    config = run.load_config()
    if request.data is not None:
        config = config.with_values("data", root=request.data)
    data = config.data
    if not data.root.is_dir():
        raise DataError(
            f"{data.root}: {run.path} was trained on this data set, which is not there. If it was moved, "
            "give its folder: --data ROOT."
        )
    split = data.train_split if request.split == "train" else data.val_split
    listed = data.train_split if is_divided(data) else split
    classes = read_classes(data.root, (listed,), data.classes, saved_class_names(run))
    lists = find_lists(run, data)
    examples = read_split(data.root, split, data.label_orientation, data.used_bits, lists)
    return Task(request, run, config, split, classes, examples)


@contextmanager
def asked_nets(task: Task) -> Iterator[Sequence[Net]]:
    """Yields the nets that are asked, each with its part of the split; folds are trained first.

    Raises:
        FcnError: As `fold_nets` does.
    """
    if task.request.folds is None:
        yield [Net(task.run.path, task.examples)]
        return
    with fold_nets(
        task.run, task.config, task.classes, task.examples, task.request.folds, task.request.trust
    ) as nets:
        yield nets


def rank_suspects(task: Task, nets: Sequence[Net]) -> Suspects:
    """Asks nets about the labels of a split.

    One image is in memory at a time, and what is ranked.

    Raises:
        DataError: If an image or label cannot be used, or a net has other classes than the data set.
        RunError: If a net cannot be loaded, or an image is too large for the memory.
        TrustError: If a net has parts that could run code.
    """
    request = task.request
    ranking = Ranking(request.limit)
    digests = []
    for index, net in enumerate(nets):
        engine = open_net(net, task.classes, request.trust)
        compared = compare_examples(engine, net.examples)
        for example, _, comparison, digest in track(compared, "searching", len(net.examples), lines=True):
            ranking.add(example, index, comparison)
            digests.append(digest.image)
    asked = [example for net in nets for example in net.examples]
    return Suspects(
        request.run,
        task.config.data.root,
        task.split,
        task.classes,
        request.folds,
        ranking.num_images,
        ranking.num_void,
        ranking.images(),
        ranking.regions(),
        tuple(_notes(task, asked, digests)),
    )


def open_net(net: Net, classes: Classes, trust: bool) -> TiledEngine:
    """Opens a net.

    Args:
        net: The net.
        classes: Of the data set.
        trust: Whether to load also a model with parts that could run code.

    Raises:
        DataError: If it has other classes.
        RunError: If it cannot be loaded.
        TrustError: If it has parts that could run code.
    """
    engine = tiled(open_engine(net.path, "auto", "auto", trust), MEMORY_GIGABYTES, net.path)
    if engine.classes.names != classes.names:
        raise DataError(
            f"{net.path}: expected a net with the classes of the data set: {', '.join(classes.names)}. "
            f"Received: {', '.join(engine.classes.names)}. Correct labels.txt, or choose another data set."
        )
    return engine


def _notes(task: Task, examples: Sequence[Example], digests: Sequence[bytes]) -> Iterator[str]:
    """Yields what to know about what the nets have seen."""
    run, num_images = task.run.path, len(examples)
    if task.request.folds is not None:
        earlier = trained_before(task.config.model.weights, examples, digests)
        if warning := describe_earlier(earlier, num_images):
            yield f"Wrong labels may be doubted less: {warning}"
        if task.config.train.teacher is not None:
            yield (
                f"The nets learned from labels alone: {task.config.train.teacher} (train.teacher) may have "
                "seen the labels that they doubt."
            )
        return
    training = training_of(run, examples, digests)
    seen = None if training is None else training.num_scored
    if seen is None:
        yield f"Whether {run} was trained on these {num_images} images could not be checked."
    elif seen:
        yield (
            f"{run} was trained on {seen} of these {num_images} images, so it has learned their labels, also "
            "wrong ones, and doubts them less. --folds 3 asks nets that have not seen them."
        )
    if task.request.split == "train" and seen is not None and seen < num_images:
        yield (
            f"{num_images - seen} of these {num_images} images are not those that {run} was trained on: "
            f"{task.split} has changed since."
        )
