"""How far the training of a run is, from its log."""

from pathlib import Path

from fcn.config.file import Config
from fcn.runs.folder import RunFolder
from fcn.runs.log import read_log, scored_steps


def finished_step(run: RunFolder, config: Config) -> int | None:
    """Returns the step at which the training of a run has ended; None if it has not.

    Args:
        run: The folder; it need not exist.
        config: How to learn.

    Raises:
        DataError: If its log is there but cannot be read.
    """
    scored = scored_steps(run.log)
    if not scored or not run.best.exists():
        return None
    if is_stalled(run, config):
        return max(scored)
    return config.train.steps if config.train.steps in scored else None


def is_stalled(run: RunFolder, config: Config, step: int | None = None) -> bool:
    """Returns whether the score of a run has not risen for `train.patience` validations.

    Args:
        run: The folder.
        config: How to learn.
        step: The last step that counts; None for all.

    Raises:
        DataError: If its log is there but cannot be read.
    """
    patience = config.train.patience
    return patience is not None and validations_without_rise(run.log, step) >= patience


def has_ended_at(run: RunFolder, config: Config, step: int) -> bool:
    """Returns whether a training whose checkpoint is of a step takes no further one.

    The log may have later rows, which a session that resumes at this step removes.

    Args:
        run: The folder.
        config: How to learn.
        step: That of the checkpoint.

    Raises:
        DataError: If its log is there but cannot be read.
    """
    if step >= config.train.steps:
        return True
    return run.best.exists() and step in scored_steps(run.log) and is_stalled(run, config, step)


def longer(run: RunFolder, config: Config) -> str:
    """Returns the setting with which a finished run trains on, as "section.key=value".

    Args:
        run: The folder.
        config: How it has learned.

    Raises:
        DataError: If its log cannot be read.
    """
    return "train.patience=null" if is_stalled(run, config) else f"train.steps={2 * config.train.steps}"


def validations_without_rise(log_path: Path, step: int | None = None) -> int:
    """Returns how many of the last validations of a run were not better than the best before them.

    Args:
        log_path: The log of the run; it need not exist.
        step: The last step that counts; None for all.

    Raises:
        DataError: If it is there but cannot be read.
    """
    rows = [row for row in read_log(log_path) if step is None or int(row["step"]) <= step]
    scores = [float(row["mean_iou"] or 0) for row in rows if row["pixel_accuracy"]]
    return len(scores) - 1 - scores.index(max(scores)) if scores else 0
