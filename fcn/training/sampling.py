"""The examples of a training, drawn as its configuration asks."""

from collections.abc import Callable
from functools import partial

from fcn.classes import Classes
from fcn.config.file import Config
from fcn.data.class_shares import ClassShares, measure_class_shares
from fcn.data.stream import TrainingStream, open_training_stream
from fcn.data.taught_stream import TaughtStream
from fcn.system.text import print_notice
from fcn.training.checked_data import CheckedData
from fcn.training.checkpoint import Position


def open_stream(
    config: Config, data: CheckedData, position: Position, batch_size: int | None = None
) -> TrainingStream:
    """Returns the stream of a training's examples.

    Its items are counted as if all steps had had the size of today's.

    Args:
        config: How to learn.
        data: Its data.
        position: The steps taken already, and the examples in them.
        batch_size: Examples of each of these steps, where an older version did not write their number; None:
            as many as now.
    """
    counted = position.step * config.train.batch_size
    taken = position.step * (batch_size or config.train.batch_size)
    skipped = (taken if position.examples is None else position.examples) - counted
    num_classes = len(data.classes.names)
    kind: Callable[..., TrainingStream] = TrainingStream
    if config.train.teacher is not None:
        share = config.data.unlabeled_share
        kind = partial(TaughtStream, unlabeled=data.unlabeled.examples, unlabeled_share=share)
    return open_training_stream(config, data.train_examples, num_classes, data.train_pixels, skipped, kind)


def measure_shares(config: Config, stream: TrainingStream, classes: Classes) -> ClassShares | None:
    """Measures and prints how sampling changes the shares of the classes; None if it is uniform.

    Args:
        config: How to learn.
        stream: Its examples.
        classes: Their classes.

    Raises:
        DataError: If a label can no longer be read.
    """
    if stream.sampler is None:
        return None
    num_drawn = config.train.steps * config.train.batch_size
    shares = measure_class_shares(stream, stream.sampler, classes, num_drawn)
    print_notice(shares.describe())
    return shares
