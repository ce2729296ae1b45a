"""The validation split of a data set that has no list of one: a share of its training images."""

from collections.abc import Sequence
from pathlib import Path

from fcn.classes import VOID
from fcn.config.sections import DataConfig
from fcn.data.examination import Examination, examine_examples
from fcn.data.split_list import LABELS
from fcn.data.voc import Example, read_names, read_split
from fcn.errors import DataError
from fcn.labels.importing.splitting import VAL, Division, divide
from fcn.runs.folder import RunFolder
from fcn.runs.splits import is_divided
from fcn.system.files import unwritable, write_text
from fcn.system.remedies import resume_run
from fcn.system.text import counted, print_notice


def lists_of(config: DataConfig) -> tuple[str, ...]:
    """Returns the lists that a training reads; a share may replace that of the validation split.

    Args:
        config: The data set.
    """
    return (config.train_split,) if is_divided(config) else (config.train_split, config.val_split)


def check_lists(config: DataConfig, run: RunFolder) -> None:
    """Refuses a data set that is not there, or lacks a list that a training reads; no image is read.

    Args:
        config: The data set.
        run: The folder of the training; if it is a run already, the data set may have been moved since.

    Raises:
        DataError: If the data set is refused.
    """
    if run.exists() and not config.root.is_dir():
        raise DataError(
            f"{config.root}: no such folder. {run.path} learns from it; a relative path starts where you run "
            f"this. If it was moved: {resume_run(run.path, 'data.root=FOLDER')}"
        )
    for split in lists_of(config):
        read_names(config.root, split)


def divide_examples(root: Path, found: Examination, share: float) -> tuple[Examination, int]:
    """Chooses the validation split, as an import of labels does: by chance, rare classes first.

    The same images and labels are always divided alike, so that a training is resumed with its own division.

    Args:
        root: The data set.
        found: All its examples, and the facts of each.
        share: Share of the validation split.

    Returns:
        The same, the training examples first, and how many these are.

    Raises:
        DataError: If there are fewer than two images.
    """
    names = [example.name for example in found.examples]
    classes = [frozenset(one.pixels if one else ()) - {VOID} for one in found.facts]
    try:
        splits = divide(names, classes, Division(share))
    except DataError as error:
        raise DataError(f"{root}: {error}") from error
    order = sorted(range(len(names)), key=lambda index: splits[index] == VAL)
    divided = found._replace(
        examples=[found.examples[index] for index in order], facts=[found.facts[index] for index in order]
    )
    return divided, len(names) - splits.count(VAL)


def read_divided(config: DataConfig, num_classes: int) -> tuple[list[Example], list[Example]]:
    """Returns the training and the validation examples of a data set that a training divides itself.

    Args:
        config: The data set.
        num_classes: Number of its classes.

    Raises:
        DataError: If an image or label cannot be used, or there are fewer than two.
        ValueError: If there is no share.
    """
    if config.val_share is None:
        raise ValueError("Expected data.val_share. Received: None.")
    examples = read_split(config.root, config.train_split, config.label_orientation, config.used_bits)
    found = examine_examples(examples, num_classes)
    found.usable_facts()
    divided, count = divide_examples(config.root, found, config.val_share)
    return [*divided.examples[:count]], [*divided.examples[count:]]


def count_training_images(config: DataConfig) -> int:
    """Returns how many images a training learns from; about how many where a share of them is left out.

    Raises:
        DataError: If the training split cannot be read.
    """
    count = len(read_names(config.root, config.train_split))
    if config.val_share is None or not is_divided(config):
        return count
    return max(1, count - max(1, round(config.val_share * count)))


def record_division(
    run: RunFolder, config: DataConfig, train: Sequence[Example], val: Sequence[Example]
) -> None:
    """Writes the lists of both splits to a run, and says how the images were divided.

    A run that is resumed keeps its lists: its data may have changed, which refuses it only later.

    Args:
        run: The folder.
        config: The data set.
        train: The training examples.
        val: The validation examples.

    Raises:
        OutputError: If the run cannot be written to.
    """
    try:
        run.splits.mkdir(exist_ok=True)
        for name, examples in ((config.train_split, train), (config.val_split, val)):
            path = run.splits / f"{name}.txt"
            if not (run.exists() and path.exists()):
                write_text(path, "".join(f"{_line(example)}\n" for example in examples))
    except OSError as error:
        raise unwritable(run.splits, error) from error
    count = len(train) + len(val)
    print_notice(
        f"data.val_share={config.val_share:g}: {config.root} has no list {config.val_split!r}, so "
        f"{counted(len(val), 'image')} of {count:,} are scored and not learned from, chosen by chance (seed "
        f"{Division(0).seed}), with each class in both where that can be. The lists are in {run.splits}."
    )


def _line(example: Example) -> str:
    labels = example.label_path.parent.name
    return example.name if labels == LABELS else f"{example.name}\t{labels}"
