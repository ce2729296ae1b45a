"""Checkpoints that a training resumes from as if it had never stopped."""

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import keras

from fcn.classes import Classes, ClassNamesError, check_class_names
from fcn.data.class_list import whole_lines_hint
from fcn.errors import RunError
from fcn.models.net import SegmentationNet
from fcn.runs.digests import SplitDigests
from fcn.runs.model_file import RunFolder, copy_checkpoint, load_average, load_state, save_checkpoint
from fcn.system.files import atomic_path, partial_files, remove, unreadable
from fcn.system.remedies import run_from
from fcn.system.text import print_notice
from fcn.training import devices
from fcn.training.changes import net_of

PIXEL_ORDER = "upright"
"""Pixel order of the images of a training; older versions trained on pixels in stored order."""

# What every version has written; losses, scores, digests, pixel_order and examples came later.
_REQUIRED = {"step", "seeds", "class_names"}


class DataDigests(NamedTuple):
    """The data of a training; "" in place of a digest that an older version did not write.

    Attributes:
        train: The training split.
        val: The validation split.
    """

    train: SplitDigests = SplitDigests()
    val: SplitDigests = SplitDigests()


class Position(NamedTuple):
    """Progress of a training.

    Attributes:
        step: Updates of the weights so far.
        losses: Of the last steps, those that no row of the log has yet.
        scores: Whether the weights are to be scored at this step.
        data: Digests of the data.
        pixel_order: `PIXEL_ORDER`; "" where an older version wrote the checkpoint.
        examples: Examples in all steps so far; None where an older version wrote the checkpoint.
        teacher: Digest of the teacher; "" without one.
        unlabeled: Digest of the images without labels; "" without any.
        first_loss: The first value of the loss; None before it is known, or from an older version.
    """

    step: int
    losses: tuple[float, ...] = ()
    scores: bool = False
    data: DataDigests = DataDigests()
    pixel_order: str = ""
    examples: int | None = None
    teacher: str = ""
    unlabeled: str = ""
    first_loss: float | None = None


def save_training(
    model: SegmentationNet, path: Path, position: Position, average: SegmentationNet | None = None
) -> None:
    """Writes weights, optimizer, position and the state of every random generator as one `.keras` file.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    state = {
        **position._asdict(),
        "data": position.data.train.images,
        "labels": position.data.train.labels,
        "val_images": position.data.val.images,
        "val_labels": position.data.val.labels,
        "accumulate": model.optimizer.accumulate,
        # Keras leaves the state of dropout's generators out of its files.
        "seeds": {name: state.numpy().tolist() for name, state in _seed_states(model).items()},
        "class_names": model.class_names,
    }
    save_checkpoint(model, path, state, average)


def saved_accumulate(path: Path, configured: int) -> int:
    """Returns the number of parts of a batch with which a checkpoint was written.

    Args:
        path: The checkpoint.
        configured: The number in the configuration of the run, for a checkpoint of an older version.

    Raises:
        RunError: If the file is damaged.
    """
    found = load_state(path).get("accumulate")
    return found if isinstance(found, int) and found > 0 else configured


def restore_training(
    model: SegmentationNet, path: Path, classes: Classes, average: SegmentationNet | None = None
) -> Position:
    """Puts a compiled model back to where `save_training` wrote it.

    Args:
        model: A net like the one that was saved.
        path: The checkpoint.
        classes: Of the data set; they must be those of the checkpoint.
        average: The net that holds the average of the weights.

    Raises:
        RunError: If the file is damaged, or from another net.
    """
    state = load_state(path)
    try:
        names = check_class_names(state["class_names"])
    except ClassNamesError as error:
        raise RunError(f"{path}: {error} Delete it to start over.") from error
    if names != classes.names:
        raise RunError(
            f"{path}: was trained on the classes {', '.join(names)}; the data set has "
            f"{', '.join(classes.names)}. Use the data set it was trained on, or start another run from its "
            f"net: {_from_net(path, 'data.root=ROOT')}.{whole_lines_hint(names, classes.names)}"
        )
    model.optimizer.build(model.trainable_variables)
    expected = len(model.optimizer.variables)
    try:
        found = _count_optimizer_variables(path)
        if found == expected:  # Keras would only warn, and start the optimizer over
            model.load_weights(path)
    except Exception as error:  # Keras raises whatever its parsers raise on a damaged file.
        raise RunError(
            f"{path}: does not fit this configuration, or is damaged ({type(error).__name__}: {error}). "
            "Use the configuration it was trained with, or start another run from its net: "
            f"{_from_net(path)}"
        ) from error
    if found != expected:
        raise RunError(
            f"{path}: does not fit this configuration: expected an optimizer with {expected} variables. "
            f"Received: {found}. Use the configuration and the version of fcn that it was trained with, or "
            f"start another run from its net: {_from_net(path)}"
        )
    if average is not None:
        load_average(average, path)
    for name, variable in _seed_states(model).items():
        variable.assign(state["seeds"][name])
    return Position(
        int(state["step"]),
        tuple(state.get("losses", ())),
        bool(state.get("scores", False)),
        DataDigests(
            SplitDigests(str(state.get("data", "")), str(state.get("labels", ""))),
            SplitDigests(str(state.get("val_images", "")), str(state.get("val_labels", ""))),
        ),
        str(state.get("pixel_order", "")),
        None if state.get("examples") is None else int(state["examples"]),
        str(state.get("teacher", "")),
        str(state.get("unlabeled", "")),
        None if state.get("first_loss") is None else float(state["first_loss"]),
    )


def _from_net(path: Path, *settings: str) -> str:
    """Returns how to start another run from the net of a checkpoint's run."""
    run = RunFolder(path.parents[1])
    return run_from(run.config, net_of(run), *settings)


def saved_class_names(run: RunFolder) -> tuple[str, ...] | None:
    """Returns the class names of a run from its latest checkpoint that holds them; None without one."""
    for path in run.checkpoints():
        try:
            return check_class_names(load_state(path)["class_names"])
        except (RunError, KeyError, TypeError, ClassNamesError):  # the checkpoint before it is used then
            continue
    return None


def find_common_checkpoint(run: RunFolder) -> Path | None:
    """Returns the checkpoint to resume from, the same in every process; None to start from step 1."""
    if devices.is_main_process():
        remove_partial_files(run)
        checkpoint = find_checkpoint(run)
    devices.barrier("before anything is written")
    if not devices.is_main_process():  # the last checkpoint is whole by now
        checkpoint = find_checkpoint(run)
    return checkpoint


def find_checkpoint(run: RunFolder) -> Path | None:
    """Returns the last checkpoint, replaced by the latest whole one if damaged; None where there is none.

    A damaged last checkpoint stays beside it as `last.damaged`.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
        RunError: If there are checkpoints, and each is damaged, or one cannot be read.
    """
    found = run.checkpoints()
    for path in found:
        problem = damage(path)
        if problem is None:
            if path != run.last:
                if run.last.exists():
                    run.last.replace(run.last.with_suffix(".damaged"))
                copy_checkpoint(path, run.last)
            return run.last
        print_notice(f"Warning: {path}: is damaged ({problem}); trying the checkpoint before it.")
    if found:
        raise RunError(f"{found[0]}: is damaged, and so is every checkpoint before it. Start another run.")
    return None


def damage(path: Path) -> str | None:
    """Returns what is wrong with a checkpoint to resume from; None if it is whole.

    Raises:
        RunError: If it cannot be read, so that nothing is known about its content.
    """
    problem = zip_damage(path)
    if problem is not None:
        return problem
    try:
        state: dict[str, Any] = load_state(path)
    except RunError:
        return "it holds no state of a training"
    return None if state.keys() >= _REQUIRED else "it lacks a part"


def zip_damage(path: Path) -> str | None:
    """Returns what is wrong with a `.keras` file, by the checksums in it; None if it is whole.

    Raises:
        RunError: If it cannot be read, so that nothing is known about its content.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.testzip()
            names = set(archive.namelist())
    except OSError as error:
        raise RunError(
            f"{path}: {unreadable(error)} Nothing was changed; resume it when it can be read."
        ) from error
    except Exception as error:  # a damaged archive can say anything: encrypted, unknown compression, ...
        return str(error) or type(error).__name__
    if member is not None:
        return f"the checksum of {member} differs"
    return None if {"model.weights.h5", "config.json"} <= names else "it holds no weights"


def keep_last(run: RunFolder, step: int, count: int) -> None:
    """Keeps the last checkpoint under the name of its step before a new one replaces it.

    Args:
        run: Where the checkpoints are.
        step: Step of the last checkpoint.
        count: How many checkpoints to keep, the new one included.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    if count > 1 and run.last.exists():
        kept = run.last.with_name(run.earlier.name.replace("*", f"{step:08d}"))
        with atomic_path(kept) as temporary:
            try:
                os.link(run.last, temporary)
            except OSError:  # not every file system has links
                shutil.copyfile(run.last, temporary)
    for path in [path for path in run.checkpoints() if path != run.last][count - 1 :]:
        path.unlink(missing_ok=True)


def remove_partial_files(run: RunFolder) -> None:
    """Removes the partial files that a killed training left in the run."""
    for path in [*partial_files(run.path), *partial_files(run.last.parent)]:
        remove(path)


def _count_optimizer_variables(path: Path) -> int:
    """Returns how many variables the optimizer of a checkpoint has; 0 where it has no optimizer."""
    with (
        zipfile.ZipFile(path) as archive,
        archive.open("model.weights.h5") as member,
        h5py.File(member, "r") as weights,
    ):
        return len(weights.get("optimizer/vars", ()))


def _seed_states(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns the state of each layer's random generator, by layer name."""
    return {
        layer.name: layer.seed_generator.state
        for layer in model.layers
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0
    }
