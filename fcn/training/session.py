"""The parts of one session of a training, in one object that is passed to what needs them."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt

from fcn.config.file import Config
from fcn.data.class_shares import ClassShares
from fcn.data.stream import TrainingStream
from fcn.data.voc import Example
from fcn.inference.predictor import Predictor
from fcn.models.net import SegmentationNet
from fcn.runs.folder import RunFolder
from fcn.runs.lineage import TrainingSplit
from fcn.training.checkpoint import Position
from fcn.training.consensus import StopConsensus
from fcn.training.loggers.external import ExternalLoggers
from fcn.training.teacher import Teacher


@dataclass(frozen=True, kw_only=True)
class Session:
    """One session of a training, from its start or resumption to its end.

    Attributes:
        run: Where to write.
        config: How to learn.
        model: The net that learns, compiled and, on resume, restored.
        teacher: The net that it learns from besides labels; None without one.
        learner: What `fit` is called on: `model`, or that and its teacher as one.
        average: The net that holds the average of the weights; None without an average.
        predictor: Labels with the weights that are scored: the average, or else those of `model`.
        val_examples: The validation split.
        stream: The training examples.
        train_pixels: `int64[C]`, pixels of each class in the labels of the training split.
        val_pixels: The same of the validation split.
        shares: How sampling changes the shares of the classes. Only the first process measures them, and only
            with `data.sampling` "balanced".
        training: What the net is trained on. Only in the first process does it include what the weights that
            the training started from were trained on.
        warnings: Why its scores may be too good, and what could not be checked, a sentence each. Only the
            first process has them.
        precision: The precision of the layers.
        position: How far the training was when the session started.
        consensus: What the processes of the training agree on after each step.
        loggers: Of other projects; none in any process but the first.
    """

    run: RunFolder
    config: Config
    model: SegmentationNet
    teacher: Teacher | None
    learner: keras.Model
    average: SegmentationNet | None
    predictor: Predictor
    val_examples: Sequence[Example]
    stream: TrainingStream
    train_pixels: npt.NDArray[np.int64]
    val_pixels: npt.NDArray[np.int64]
    shares: ClassShares | None
    training: TrainingSplit
    warnings: tuple[str, ...]
    precision: str
    position: Position
    consensus: StopConsensus
    loggers: ExternalLoggers

    @property
    def classes_in_both(self) -> npt.NDArray[np.bool_]:
        """Which classes are in the labels of both splits, `bool[C]`."""
        return (self.train_pixels > 0) & (self.val_pixels > 0)
