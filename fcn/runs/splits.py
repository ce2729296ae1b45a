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
