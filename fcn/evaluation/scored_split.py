"""The split that a net is scored on: a list of a data set, or of the run that divided it."""

from pathlib import Path

from fcn.classes import Classes
from fcn.config.file import Config
from fcn.config.sections import LabelOrientation
from fcn.data.class_list import whole_lines_hint
from fcn.data.voc import Example, read_classes, read_split
from fcn.errors import ConfigError, DataError
from fcn.runs.lineage import find_run
from fcn.runs.splits import divided_lists


def read_scored(
    model: Path | None, root: Path, split: str, label_orientation: LabelOrientation = "upright"
) -> list[Example]:
    """Returns the examples of a split.

    If the net's run divided the data set itself (`data.val_share`), its splits are those of the run.

    Args:
        model: Where the net was read from; None for a net that was never a file.
        root: A data set in VOC layout.
        split: Name of the split.
        label_orientation: What the labels are of, as in `read_split`.

    Raises:
        DataError: If the split cannot be used.
    """
    return read_split(root, split, label_orientation, lists=find_divided(model, root, split))


def check_classes(model: Path | None, classes: Classes, root: Path, split: str | None = None) -> None:
    """Refuses a data set with other classes than a net has.

    Args:
        model: Where the net was read from; its run knows the classes of a data set without a class list.
        classes: Those of the net.
        root: A data set in VOC layout.
        split: Name of the split with the images; None for all lists of the data set.

    Raises:
        DataError: If the classes are others, or not known.
    """
    splits = () if split is None or find_divided(model, root, split) else (split,)
    config = _config_of(model)
    if config is None:
        found = read_classes(root, splits)
    else:
        own = config.data.root.resolve() == root.resolve()
        found = read_classes(root, splits, config.data.classes, classes.names if own else None)
    if found.names != classes.names:
        raise DataError(
            f"{root}: expected the classes the model was trained on: {', '.join(classes.names)}. "
            f"Received: {', '.join(found.names)}. Correct labels.txt, or choose another data set."
            f"{whole_lines_hint(classes.names, found.names)}"
        )


def find_divided(model: Path | None, root: Path, split: str) -> Path | None:
    """Returns the folder with the list of a split, if the run of a net chose it from images of a data set.

    Args:
        model: Where the net was read from; None for a net that was never a file.
        root: The data set.
        split: Name of the split.

    Returns:
        None if the list is one of the data set.
    """
    run, config = model and find_run(model), _config_of(model)
    return divided_lists(run, config.data, root, split) if run and config else None


def describe_divided(model: Path, root: Path, split: str) -> str | None:
    """Returns where the images of a split come from, a sentence; None if a list of the data set names them.

    Args:
        model: Where the net was read from.
        root: The data set.
        split: Name of the split.
    """
    lists = find_divided(model, root, split)
    if lists is None:
        return None
    return (
        f"{split}: the images that the training chose from {root} (data.val_share), listed in "
        f"{lists / f'{split}.txt'}."
    )


def recorded_orientation(model: Path | None, root: Path) -> LabelOrientation:
    """Returns what the labels of a data set are of, by the run of a net that was trained on it.

    Args:
        model: Where the net was read from; None for a net that was never a file.
        root: The data set; labels of another one than that of the run are taken as upright.
    """
    config = _config_of(model)
    if config is None or config.data.root.resolve() != root.resolve():
        return "upright"
    return config.data.label_orientation


def _config_of(model: Path | None) -> Config | None:
    run = model and find_run(model)
    if not run:
        return None
    try:
        return run.load_config()
    except ConfigError:
        return None
