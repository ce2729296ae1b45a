"""Checks before a training that its folder can take it, and that its start and its teacher are there."""

from pathlib import Path

from fcn.config.file import Config
from fcn.data.label_orientation import count_turned
from fcn.data.voc import read_split
from fcn.errors import RunError
from fcn.runs.digests import SplitDigests, other_decoder
from fcn.runs.model_file import RunFolder, load_state, model_file
from fcn.runs.named_net import resolve_weights
from fcn.runs.progress import finished_step
from fcn.system.files import partial_files
from fcn.system.remedies import other_run, resume_run, score_run
from fcn.system.text import print_notice
from fcn.training import devices
from fcn.training.changes import from_net, net_of, refused_changes, with_changes
from fcn.training.checkpoint import DataDigests
from fcn.training.start import start_weights

_SHAPES = {"model.width", "model.batch_normalization"}
"""Keys with which layers below fc6 have other weights, so that no other net can be started from."""


def check_place(run: RunFolder) -> None:
    """Refuses a folder that holds other files and no run.

    Raises:
        RunError: If the folder does.
    """
    if not run.exists() and run.path.exists() and (not run.path.is_dir() or not _is_empty(run)):
        raise RunError(f"{run.path}: holds other files, and no run. Choose another folder: {other_run()}.")


def check_run(run: RunFolder, config: Config, resume: bool) -> None:
    """Refuses a run that is there already, or that would be resumed with another configuration.

    Args:
        run: The folder.
        config: How to learn.
        resume: Whether to resume a run that is there.

    Raises:
        RunError: If there is a run and `resume` is false, or its configuration differs in what is learned.
    """
    if not run.exists():
        if resume:
            print_notice(f"No run at {run.path}; starting from step 1.")
        return
    if not resume:
        raise RunError(
            f"{run.path}: already holds a run. Resume it with {resume_run(run.path)}, or delete the "
            f"folder to start over. To start another run: {other_run()}, or from its net: "
            f"{other_run(net_of(run))}."
        )
    if changed := refused_changes(run.load_config(), config):
        fits = not _SHAPES & {text.partition(":")[0] for text in changed}
        way = "from its net" if fits else "(its net does not fit then)"
        command = from_net(run, config) if fits else with_changes(run, config)
        raise RunError(
            f"{run.path}: was started with another configuration ({'; '.join(changed)}). Set these keys "
            f"back to resume it, or start another run {way}: {command}"
        )


def check_weights(run: RunFolder, config: Config) -> None:
    """Downloads the weights that a training starts from and its teacher, or checks that they are there.

    A large data set takes minutes to read; that they are missing is said before. A run with a checkpoint
    does not need the weights, and a finished one no teacher.

    Args:
        run: The folder.
        config: How to learn.

    Raises:
        DownloadError: If a published net cannot be downloaded.
        OutputError: If it cannot be kept.
        RunError: If there is no such net.
    """
    weights = start_weights(config.model)
    if weights != "none" and not Path(weights).exists() and not run.checkpoints():
        _check_net(weights)
    if config.train.teacher is not None and finished_step(run, config) is None:
        _check_net(config.train.teacher)


def _check_net(weights: str) -> None:
    """Refuses what is no net to start or learn from, as `load_start` does, before it is read."""
    path = resolve_weights(weights)
    if path.is_dir() or not path.exists():  # a file may be of published weights, in any form
        model_file(path)


def check_data(run: RunFolder, config: Config, saved: DataDigests, found: DataDigests) -> None:
    """Refuses to resume with other images or labels than those of the run, or in another order.

    With other validation data, later scores could not be compared with those in the log, by which the best
    checkpoint is chosen. Scoring again is no remedy: the other checkpoints of the log are gone.

    Args:
        run: The folder.
        config: How to learn.
        saved: Digests in the checkpoint; what an older version did not write is said.
        found: Digests of the data now.

    Raises:
        RunError: If they differ. It names the cause if the same files are decoded to other pixels now.
    """
    unknown = [
        f"{split} {kind}"
        for split, digests in (("training", saved.train), ("validation", saved.val))
        for kind, digest in digests._asdict().items()
        if not digest
    ]
    if unknown and devices.is_main_process():
        listed = ", ".join(unknown[:-1]) + " or " * (len(unknown) > 1) + unknown[-1]
        print_notice(
            f"{run.path}: whether the {listed} have changed could not be checked, since the checkpoint was "
            "written by an older version."
        )
    data = config.data
    changes = [
        _change("training", data.train_split, saved.train, found.train),
        _change("validation", data.val_split, saved.val, found.val),
    ]
    images_differ = any("images" in change for change in changes)
    if images_differ and other_decoder(run.digests):
        raise RunError(
            f"{run.path}: was started with another version of OpenCV or Pillow, which decodes JPEGs to other "
            f"pixels, so whether the images of {data.root} have changed cannot be checked, and the training "
            "would continue on other pixels. Resume it with the version that started it, or start another "
            f"run from its weights: {from_net(run, config)}"
        )
    if changed := " and ".join(change for change in changes if change):
        way = score_run(run.path, data.root, data.val_split)
        score = f"score its best checkpoint on the other split, {way}, or " if changes[1] else ""
        raise RunError(
            f"{run.path}: was started with {changed} of {data.root} has now. Restore them, or {score}start "
            f"another run from its weights: {from_net(run, config)}"
        )


def check_unlabeled(run: RunFolder, config: Config, saved: str, found: str) -> None:
    """Refuses to resume with other images without labels than those of the run, or in another order.

    Args:
        run: The folder.
        config: How to learn.
        saved: Their digest in the checkpoint; "" without any.
        found: Their digest now.

    Raises:
        RunError: If they differ.
    """
    if saved != found:
        raise RunError(
            f"{run.path}: was started with other unlabeled images, or in another order, than "
            f"data.unlabeled={config.data.unlabeled} has now. Restore them, or start another run from its "
            f"weights: {from_net(run, config)}"
        )


def _change(kind: str, split: str, saved: SplitDigests, found: SplitDigests) -> str:
    """Returns which part of a split has changed; "" if nothing has, as far as it is known."""
    if saved.images not in ("", found.images):
        return f"other {kind} images, or in another order, than {split}"
    return f"other {kind} labels than {split}" if saved.labels not in ("", found.labels) else ""


def check_orientation(run: RunFolder, config: Config) -> None:
    """Refuses to resume a run that an older version started on images that would be turned now.

    Raises:
        DataError: If the training split of such a run, or the header of an image in it, cannot be read.
        RunError: If it was trained on the stored pixels of images with an EXIF orientation.
    """
    if _pixel_order(run) != "":
        return
    examples = read_split(config.data.root, config.data.train_split)
    turned = count_turned([example.image_path for example in examples]).images
    if turned:
        raise RunError(
            f"{run.path}: was started by an older version, which did not apply EXIF orientation. {turned} of "
            f"its {len(examples)} training images have one, so they would be turned in the middle of the "
            f"training. Start another run from its weights: {from_net(run, config)}"
        )


def _pixel_order(run: RunFolder) -> str | None:
    """Returns the pixel order in the last whole checkpoint, "" if it is older; None without a checkpoint."""
    for path in run.checkpoints():
        try:
            return str(load_state(path).get("pixel_order", ""))
        except RunError:
            continue
    return None


def _is_empty(run: RunFolder) -> bool:
    """Returns whether a folder holds nothing, or only what a training writes first."""
    return set(run.path.iterdir()) <= {
        *(run.digests, run.environment, run.length, run.splits, run.lock),
        *partial_files(run.path),
    }
