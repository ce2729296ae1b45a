"""The split that a net is scored on: a list of a data set, or of the run that divided it."""

from pathlib import Path

from fcn.classes import Classes
from fcn.config.file import Config
from fcn.config.sections import LabelOrientation
from fcn.data.voc import Example, read_classes, read_split
from fcn.errors import ConfigError, DataError
from fcn.inference.predictor import Predictor
from fcn.runs.lineage import find_run
from fcn.runs.splits import divided_lists


def read_scored(
    predictor: Predictor, root: Path, split: str, label_orientation: LabelOrientation = "upright"
) -> tuple[Classes, list[Example]]:
    """Returns the classes of a data set, and the examples of a split.

    If the net's run divided the data set itself (`data.val_share`), its splits are those of the run.

    Args:
        predictor: The net to score.
        root: A data set in VOC layout.
        split: Name of the split.
        label_orientation: What the labels are of, as in `read_split`.

    Raises:
        DataError: If the data set cannot be used.
    """
    lists = find_divided(predictor.path, root, split)
    classes = read_scored_classes(predictor, root, (split,) if lists is None else ())
    return classes, read_split(root, split, label_orientation, lists=lists)


def read_scored_classes(predictor: Predictor, root: Path, splits: tuple[str, ...] = ()) -> Classes:
    """Returns the classes of a data set, by what the net's run knows where there is no class list.

    Args:
        predictor: The net to score.
        root: A data set in VOC layout.
        splits: Names of the lists with the images; none for all lists.

    Raises:
        DataError: If the classes are not known.
    """
    config = _config_of(predictor.path)
    if config is None:
        return read_classes(root, splits)
    own = config.data.root.resolve() == root.resolve()
    return read_classes(root, splits, config.data.classes, predictor.classes.names if own else None)


def check_same_classes(predictor: Predictor, classes: Classes, root: Path) -> None:
    """Refuses a data set with other classes than the net.

    Raises:
        DataError: If it has.
    """
    if classes.names != predictor.classes.names:
        raise DataError(
            f"{root}: expected the classes the model was trained on: {', '.join(predictor.classes.names)}. "
            f"Received: {', '.join(classes.names)}. Correct labels.txt, or choose another data set."
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


def _config_of(model: Path | None) -> Config | None:
    run = model and find_run(model)
    if not run:
        return None
    try:
        return run.load_config()
    except ConfigError:
        return None
