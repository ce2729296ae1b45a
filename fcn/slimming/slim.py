"""Makes a trained net smaller, and writes it as a run folder that every command takes."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fcn.config.file import Config
from fcn.data.balance import class_weights
from fcn.data.stream import open_training_stream
from fcn.data.voc import Example
from fcn.errors import RunError
from fcn.evaluation.evaluate import evaluate_examples
from fcn.inference.predictor import Predictor
from fcn.models.net import SegmentationNet
from fcn.runs.digests import DataRecord, SplitDigests, write_record
from fcn.runs.folder import RunFolder, is_exported
from fcn.runs.licenses import licenses_of_model, write_licenses
from fcn.runs.lineage import earlier_images, find_run
from fcn.runs.model_file import load_model, save_model
from fcn.slimming.channels import Indices, keep_channels
from fcn.slimming.connections import LAYERS, count_channels
from fcn.slimming.cost import measure_cost
from fcn.slimming.importance import Examples, Importance, measure_importance
from fcn.slimming.moments import Moments, measure_moments
from fcn.slimming.options import CHANNELS_BY, IMAGES, SCORED_IMAGES, SIZE, Criterion, check_options
from fcn.slimming.result import SLIM_FILE, BeforeAfter, Slimming
from fcn.slimming.target import Target, choose_counts
from fcn.system.atomic_folder import atomic_folder
from fcn.system.files import check_new_folder, write_json, write_text
from fcn.system.progress import track
from fcn.training.checked_data import CheckedData, read_checked
from fcn.training.loss import build_loss


def slim(
    run: Path | str,
    output: Path | str,
    *,
    width: float | None = None,
    gflop: float | None = None,
    speedup: float | None = None,
    fc_channels: int | None = None,
    channels_by: Criterion = CHANNELS_BY,
    images: int = IMAGES,
    size: tuple[int, int] = SIZE,
    scored_images: int = SCORED_IMAGES,
    trust: bool = False,
) -> Slimming:
    """Makes a trained net smaller: keeps the channels of each layer that matter.

    The small net starts a training as any other: `fcn train OUTPUT/config.yaml --run RUN`.

    Args:
        run: A run folder, whose configuration names the data.
        output: A new folder.
        width: Share of the channels that each layer keeps; 0.5 if nothing else is given.
        gflop: Or billions of operations for an image, which layers share as is best for the net.
        speedup: Or how many times fewer operations, shared so too.
        fc_channels: Channels of fc6 and fc7; None: as those of other layers.
        channels_by: "reconstruction", "taylor", "activation" or "norm"
            (`fcn.slimming.importance.measure_importance`).
        images: Training examples to measure on; 0, with "norm" alone, reads no data.
        size: (height, width) of the image that operations are counted for.
        scored_images: Images of the validation split to score both nets on; 0: none.
        trust: Whether to load also a model with parts that could run code.

    Raises:
        DataError: If the data of the run cannot be used.
        OutputError: If the folder holds something, cannot be written to, or the disk is full.
        RunError: If there is no run with a configuration, or the net cannot become so small.
        TrustError: If the model could run code.
    """
    target = Target(width, gflop, speedup, fc_channels).check()
    check_options(channels_by, images, size, scored_images)
    source, output = Path(run), Path(output)
    found, config = open_run(source)
    check_new_folder(output)
    net = load_model(source, trust)
    data = read_checked(config.data, net.class_names) if images or scored_images else None
    examples = [] if data is None else draw_examples(config, data, images)
    small = slim_net(net, config, target, channels_by, examples, size, data)
    kept = _pairs(count_channels(net), count_channels(small))
    scored = [] if data is None else data.val_examples[:scored_images]
    cost = measure_cost(net, size)
    slimming = Slimming(
        RunFolder(output),
        kept,
        BeforeAfter(cost.gflop(count_channels(net)), cost.gflop(count_channels(small))),
        (int(net.count_params()), int(small.count_params())),
        BeforeAfter(score(net, scored), score(small, scored)) if scored else None,
        len(scored),
        size,
        channels_by,
        source,
    )
    write_slim_run(slimming, small, config, found)
    return slimming


def open_run(path: Path) -> tuple[RunFolder, Config]:
    """Returns the run of a folder, and its configuration.

    Raises:
        RunError: If there is none.
    """
    found = None if is_exported(path) else find_run(path)
    if found is None:
        raise RunError(
            f"{path}: expected a run folder that a training wrote, with its config.yaml, which names the "
            "data that channels are measured on."
        )
    return found, found.load_config()


def draw_examples(config: Config, data: CheckedData, count: int) -> Examples:
    """Returns the first examples of a training, of those with labels."""
    stream = open_training_stream(config, data.train_examples, len(data.classes.names), data.train_pixels)
    return [stream[index] for index in range(count)]


def slim_net(
    net: SegmentationNet,
    config: Config,
    target: Target,
    channels_by: Criterion,
    examples: Examples,
    size: Sequence[int],
    data: CheckedData | None,
) -> SegmentationNet:
    """Returns a net with the channels of another one that matter.

    Args:
        net: A trained net, which is not changed.
        config: How it was trained.
        target: How small it is to become.
        channels_by: How the importance of channels is measured.
        examples: Of the training; none: the layers that read removed channels are not adapted.
        size: (height, width) of the image that operations are counted for.
        data: The data of the training, for weights of classes in its loss; not needed without examples.

    Raises:
        RunError: If the net cannot become so small, or computes values that are not finite.
    """
    weights = None if data is None else class_weights(config.loss, data.train_pixels)
    loss = None if data is None else build_loss(config.loss, weights)
    moments = _measure_channels(net, examples) if channels_by == "reconstruction" else None
    importance = measure_importance(net, channels_by, examples, loss, moments)
    counts = choose_counts(net, importance, target, channels_by, size)
    if moments is None and examples and counts != count_channels(net):
        moments = _measure_channels(net, examples)
    return keep_channels(net, choose_channels(importance, counts), moments)


def _measure_channels(net: SegmentationNet, examples: Examples) -> dict[str, Moments]:
    shown = track([image for image, _ in examples], "measuring channels", len(examples), lines=True)
    with np.errstate(invalid="ignore", over="ignore"):  # refused below
        moments = measure_moments(net, shown)
    if broken := [name for name, one in moments.items() if not np.isfinite(one.covariance).all()]:
        raise RunError(
            f"Expected a net that computes numbers. {broken[0]} reads values that are not finite on training "
            "images. Choose another net: the training of this one went wrong."
        )
    return moments


def choose_channels(importance: Importance, counts: dict[str, int]) -> dict[str, Indices]:
    """Returns the indices of the most important channels of each layer, ascending.

    Args:
        importance: Of each channel.
        counts: How many of each layer.

    Example:
        >>> choose_channels({"fc6": np.array([3.0, 0.0, 5.0, 4.0])}, {"fc6": 2})
        {'fc6': array([2, 3])}
    """
    return {
        name: np.sort(np.argsort(-values, kind="stable")[: counts[name]])
        for name, values in importance.items()
    }


def score(net: SegmentationNet, examples: Sequence[Example]) -> float:
    """Returns the mean IoU of a net on some examples."""
    return float(evaluate_examples(Predictor(net), examples).scores.mean_iou)


def write_slim_run(slimming: Slimming, net: SegmentationNet, config: Config, source: RunFolder) -> None:
    """Writes a net as a run folder: its weights and configuration, and what its source knows of the data.

    Raises:
        OutputError: If the folder holds something, cannot be written to, or the disk is full.
    """
    channels = None if net.channels is None else dict(net.channels)
    own = config.with_values("model", channels=channels, weights=str(slimming.run.path))  # it trains on
    with atomic_folder(slimming.run.path) as temporary:
        written = RunFolder(temporary)
        save_model(net, written.best)
        write_text(written.config, own.to_yaml())
        write_licenses(temporary, licenses_of_model(source.path))
        if source.digests.exists():
            shutil.copyfile(source.digests, written.digests)
        else:  # an older version wrote the run
            own_images, *earlier = earlier_images(str(source.path), {})
            write_record(
                written.digests, DataRecord(own_images, config.data.val_split, SplitDigests(), tuple(earlier))
            )
        if source.splits.exists():
            shutil.copytree(source.splits, written.splits)
        write_json(temporary / SLIM_FILE, slimming.document())


def _pairs(before: dict[str, int], after: dict[str, int]) -> dict[str, tuple[int, int]]:
    return {name: (before[name], after[name]) for name in LAYERS}
