"""The score by which the best checkpoint is chosen.

It is the mean IoU over the classes that are in the labels of both splits. A class without validation labels
has the IoU 0 as soon as one pixel is predicted as it, and none before, so it would only disturb the choice;
one without training labels is never learned. Where every class is in both splits it is the mean IoU itself.
"""

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fcn.system.json_files import read_json_file


def choice_score(class_iou: npt.NDArray[np.float64], in_both: npt.NDArray[np.bool_]) -> float:
    """Returns the mean IoU over the classes that are in both splits; 0 if there is nothing to score.

    Args:
        class_iou: `float64[C]`, NaN for a class in no label and no prediction.
        in_both: `bool[C]`, which classes are in the labels of both splits; if none is, all count.

    Example:
        >>> choice_score(np.array([0.5, 0.75, 0.0]), np.array([True, True, False]))
        0.625
    """
    counted = class_iou[in_both] if in_both.any() else class_iou
    known = counted[~np.isnan(counted)]
    return float(known.mean()) if known.size else 0.0


def kept_choice(
    scores: Path, names: Sequence[str], in_both: npt.NDArray[np.bool_], scored_steps: Collection[int]
) -> float | None:
    """Returns the score of the best checkpoint that an earlier session chose.

    Args:
        scores: Its `scores.json`.
        names: The names of the classes.
        in_both: As in `choice_score`.
        scored_steps: Steps with scores in the log.

    Returns:
        None if the file is missing, damaged or of a step that is not in the log.
    """
    try:
        document: dict[str, Any] = read_json_file(scores)
        class_iou = [document["class_iou"][name] for name in names]
        step = document["step"]
        array = np.array([math.nan if one is None else float(one) for one in class_iou])
        is_logged = step in scored_steps
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return choice_score(array, in_both) if is_logged else None
