"""Tells where the lists of a run's splits are: in its data set, or in the run if that has divided it."""

from pathlib import Path

from fcn.config.sections import DataConfig
from fcn.data.split_list import SPLITS
from fcn.data.voc import has_split
from fcn.runs.folder import RunFolder


def is_divided(data: DataConfig) -> bool:
    """Returns whether a training divides its images itself: by a share, where there is no list to score on.

    Args:
        data: The data set.
    """
    return data.val_share is not None and not has_split(data.root, data.val_split)


def find_lists(run: RunFolder, data: DataConfig) -> Path:
    """Returns the folder with the lists of a run's splits.

    Args:
        run: The run.
        data: Its data set, where that is now.
    """
    return run.splits if is_divided(data) else data.root / SPLITS


def divided_lists(run: RunFolder, data: DataConfig, root: Path, split: str) -> Path | None:
    """Returns the folder with the list of a split, if a run chose it from the images of a data set.

    Args:
        run: The run.
        data: The data set that it was trained on, where that was.
        root: A data set: that of the run, where it was or, if it is no longer there, where it is now.
        split: Name of the split.

    Returns:
        None if the split is one of the data set itself, or the run was trained on another one.
    """
    if data.root.is_dir() and data.root.resolve() != root.resolve():
        return None
    data = data.model_copy(update={"root": root})
    return run.splits if split in (data.train_split, data.val_split) and is_divided(data) else None
