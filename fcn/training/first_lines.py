"""The lines that a training prints before its first step."""

import math
from collections.abc import Sequence

from fcn.config.sections import TrainConfig
from fcn.models.net import SegmentationNet
from fcn.runs.folder import RunFolder
from fcn.system.text import counted
from fcn.training import devices
from fcn.training.loggers.external import TENSORBOARD
from fcn.training.session import Session

_MEASURED = ("moving_mean", "moving_variance")


def first_lines(session: Session) -> list[str]:
    """Returns lines about the device, the net, the steps to take, and where to watch them.

    Args:
        session: The training, before its first step.
    """
    config, train = session.config, session.config.train
    num_train, num_val = len(session.stream.examples), len(session.val_examples)
    return [
        f"Device: {devices.name_device(train.devices)}; precision: {session.precision}.",
        describe_parameters(config.model.net, session.model),
        *([] if session.teacher is None else [session.teacher.describe(config)]),
        describe_steps(train, session.position.step, num_train, config.data.labeled_share),
        f"Scores: on {counted(num_val, 'validation image')}, every {train.evaluate_steps:,} steps and after "
        "the last.",
        describe_places(session.run, train.log),
    ]


def describe_parameters(name: str, model: SegmentationNet) -> str:
    """Returns a line about how many parameters of a net are trained and how many are frozen.

    The statistics of batch normalization are neither: they are measured.

    Args:
        name: Name of the net.
        model: The net, with its frozen layers marked.
    """
    trained = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    frozen = [layer for layer in model.layers if layer.weights and not layer.trainable]
    count = sum(
        math.prod(variable.shape)
        for layer in frozen
        for variable in layer.weights
        if variable.name not in _MEASURED
    )
    layers = f" in {counted(len(frozen), 'layer')}" if frozen else ""
    return f"Net: {name}, {counted(trained, 'parameter')} trained, {count:,} frozen{layers}."


def describe_steps(train: TrainConfig, step: int, num_examples: int, labeled_share: float = 1.0) -> str:
    """Returns a line about the steps of a training.

    Args:
        train: How to learn.
        step: Steps taken already.
        num_examples: Size of the training split.
        labeled_share: Share of the examples that are of it.

    Example:
        >>> describe_steps(TrainConfig(steps=1500, batch_size=8), 0, 1464)
        'Steps: 1,500 of 8 images each, 8.2 epochs of the 1,464 training images.'
        >>> describe_steps(TrainConfig(steps=3), 2, 1)
        'Steps: 3 of 1 image each, 3.0 epochs of the 1 training image; 2 are done.'
    """
    epochs = train.steps * train.batch_size * labeled_share / num_examples
    done = f"; {counted(step, 'is', 'are')} done" if step else ""
    return (
        f"Steps: {train.steps:,} of {counted(train.batch_size, 'image')} each, {epochs:.1f} epochs of the "
        f"{counted(num_examples, 'training image')}{done}."
    )


def describe_places(run: RunFolder, loggers: Sequence[str]) -> str:
    """Returns a line about where a training can be watched; other loggers say it when they have started.

    Args:
        run: Its folder.
        loggers: Names of its loggers.
    """
    events = f"; or tensorboard --logdir {run.events}" if TENSORBOARD in loggers else ""
    return (
        f"Watch: {run.report} in a browser, which reloads it{events}. "
        "The first step takes longer than the others."
    )
