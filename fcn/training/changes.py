"""Changes of the configuration with which a training can be resumed, and their effect on its weights."""

import re
from typing import Any, NamedTuple

from fcn.config.file import Config, changed_keys
from fcn.config.overrides import format_override
from fcn.errors import RunError
from fcn.runs.folder import RunFolder
from fcn.system.files import write_json
from fcn.system.json_files import read_json_file
from fcn.system.remedies import resume_run, run_from
from fcn.system.text import print_notice
from fcn.training.schedule import build_schedule

_NOT_LEARNED = (
    *("train.log_steps", "train.checkpoint_steps", "train.checkpoint_minutes", "train.keep_checkpoints"),
    *("train.evaluate_steps", "train.patience", "train.log", "data.root", "model.weights"),
    "data.unpack_megapixels",
    "data.classes",  # the classes of a checkpoint are compared with those of the data set
)
"""Keys that change when and from where something is read or written, and nothing that is learned."""

_MOVABLE = ("train.teacher", "data.unlabeled")
"""Keys of what may have been moved, but neither be added nor removed; digests of it are compared."""

_LEARNED = ("train.steps", "train.batch_size", "train.accumulate", "train.devices")
"""Keys that may change too, from a step on."""

_PARTS = (
    "Each part of a batch has its own dropout, batch normalization and loss, so the weights differ from here "
    "on from those without this change."
)


class Change(NamedTuple):
    """A value of the configuration that differs from the one that a run had before.

    Attributes:
        key: "section.key".
        text: "section.key: before -> after".
    """

    key: str
    text: str


def changed_learning(saved: Config, wanted: Config) -> list[str]:
    """Returns "section.key: saved -> wanted" for each difference that changes what is learned.

    The places of the data, of the weights to start from, of a teacher and of unlabeled images do not count:
    they may have been moved.
    """
    keys = (*_NOT_LEARNED, "train.devices")
    return [
        change.text
        for change in _changes(saved, wanted)
        if change.key not in keys and not _is_moved(change, saved, wanted)
    ]


def refused_changes(saved: Config, wanted: Config) -> list[str]:
    """Returns "section.key: saved -> wanted" for each change with which a training cannot be resumed."""
    return [change.text for change in _changes(saved, wanted) if not _is_allowed(change, saved, wanted)]


def changed_settings(saved: Config, wanted: Config) -> list[str]:
    """Returns "section.key=wanted" for what another run needs in place of a resumed one that is refused.

    These are the changes that are refused, another place of the data, and another number of steps.
    """
    has_steps = wanted.train.hours is None and wanted.train.epochs is None
    besides = ("data.root", "train.steps") if has_steps else ("data.root",)
    changes = [
        change
        for change in _changes(saved, wanted)
        if change.key in besides or not _is_allowed(change, saved, wanted)
    ]
    values = wanted.model_dump(mode="json")
    places = [change.key.split(".") for change in changes]
    return [format_override(f"{section}.{key}", values[section][key]) for section, key in places]


def from_net(run: RunFolder, wanted: Config, *settings: str) -> str:
    """Returns how to start another run from the net of one that cannot be resumed as it is asked for.

    Args:
        run: The folder of the run.
        wanted: The configuration to resume it with.
        settings: "section.key=value" each, which the other run has besides what `wanted` changes.
    """
    return run_from(run.config, net_of(run), *_changed(run, wanted), *settings)


def with_changes(run: RunFolder, wanted: Config) -> str:
    """Returns how to start another run with the changes of one that cannot be resumed, not from its net."""
    return run_from(run.config, *_changed(run, wanted))


def net_of(run: RunFolder) -> str:
    """Returns the setting with which another run starts from the net of a run."""
    return format_override("model.weights", str(run.path))


def _changed(run: RunFolder, wanted: Config) -> list[str]:
    return changed_settings(run.load_config(), wanted) if run.config.exists() else []


def describe_changes(saved: Config, wanted: Config, step: int) -> list[str]:
    """Returns a line for each allowed change: what changes, and what that means for the weights.

    Args:
        saved: The configuration of the run.
        wanted: The one to resume it with.
        step: Steps taken already.
    """
    return [
        _describe(change, saved, wanted, step)
        for change in _changes(saved, wanted)
        if _is_allowed(change, saved, wanted)
    ]


def check_steps(run: RunFolder, config: Config, step: int) -> None:
    """Refuses to end a training before a step that it has taken already.

    Args:
        run: The folder.
        config: How to learn.
        step: Steps taken already.

    Raises:
        RunError: If the training would have fewer steps.
    """
    if config.train.steps < step:
        raise RunError(
            f"{run.path}: has taken {step} steps already. Received: train.steps={config.train.steps}. To end "
            f"it here: {resume_run(run.path, f'train.steps={step}')}"
        )


def record_changes(run: RunFolder, saved: Config, wanted: Config, step: int) -> None:
    """Prints what changes when a run is resumed, and adds it to the run's `changes.json`.

    Args:
        run: The folder.
        saved: The configuration of the run until now.
        wanted: The one from now on.
        step: Steps taken already.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    lines = describe_changes(saved, wanted, step)
    if not lines:
        return
    for line in lines:
        print_notice(line)
    write_json(run.changes, [*_recorded(run), {"step": step, "changes": lines}])


def lengths_before(run: RunFolder) -> list[int]:
    """Returns how many steps a run was to have before each change of that, in order.

    The same change is there twice if a training was killed after it was recorded and before it was made.
    """
    lines = [str(line) for entry in _recorded(run) for line in entry["changes"]]
    found = [re.search(r"\btrain\.steps: (\d+) -> ", line) for line in lines]
    return [int(match[1]) for match in found if match]


def _recorded(run: RunFolder) -> list[dict[str, Any]]:
    """Returns what `record_changes` has written; empty if there is none, or it is damaged."""
    try:
        recorded = read_json_file(run.changes)
    except (OSError, ValueError):
        return []
    if not isinstance(recorded, list):
        return []
    return [entry for entry in recorded if isinstance(entry, dict) and isinstance(entry.get("changes"), list)]


def _changes(saved: Config, wanted: Config) -> list[Change]:
    return [Change(text.partition(":")[0], text) for text in changed_keys(saved, wanted)]


def _is_allowed(change: Change, saved: Config, wanted: Config) -> bool:
    return change.key in (*_NOT_LEARNED, *_LEARNED) or _is_moved(change, saved, wanted)


def _is_moved(change: Change, saved: Config, wanted: Config) -> bool:
    if change.key not in _MOVABLE:
        return False
    section, key = change.key.split(".")
    return None not in (getattr(getattr(config, section), key) for config in (saved, wanted))


def _describe(change: Change, saved: Config, wanted: Config, step: int) -> str:
    if change.key not in _LEARNED or (change.key == "train.steps" and wanted.train.steps == step):
        return f"Changed: {change.text}."
    if change.key == "train.batch_size":
        meaning = f"The next images are those that were next, {wanted.train.batch_size} a step."
        if wanted.loss.reduction == "sum":
            ratio = wanted.train.batch_size / saved.train.batch_size
            meaning += f" The loss is a sum, so that a step is {ratio:g} times as large."
    elif change.key == "train.steps":
        meaning = _describe_rates(saved, wanted, step)
    else:
        meaning = _PARTS
    return f"Changed from step {step + 1} on: {change.text}. {meaning}"


def _describe_rates(saved: Config, wanted: Config, step: int) -> str:
    """Returns how the learning rate continues in a training of another length."""
    if wanted.train.schedule == "constant":
        return "The learning rate is constant, so that this is as if it had been set from the start."
    after = float(build_schedule(wanted.train)(step))
    text = f"The learning rate continues as in a training of {wanted.train.steps} steps: {after:.3g}"
    if step == 0:
        return f"{text}."
    return f"{text}, after {float(build_schedule(saved.train)(step - 1)):.3g} in the last step."
