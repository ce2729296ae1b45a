"""Recognizes trainings that go wrong: each warning names the cause and the key to change.

The functions take numbers and return a sentence, or None where nothing is wrong; `HealthCheck` gives them the
numbers of a training, and prints each warning once. A loss or weight that is not finite ends the training
(`callbacks.not_finite`), and classes that are missing from a split are found by the check of the data
(`fcn.labels.checking.judgment`).
"""

import math
from collections import deque
from collections.abc import Sequence
from statistics import fmean, median

import keras
import numpy as np
import numpy.typing as npt

from fcn.config.file import Config
from fcn.config.sections import SKIP_NETS
from fcn.evaluation.evaluation import Evaluation
from fcn.evaluation.metrics import Matrix
from fcn.models.net import SegmentationNet
from fcn.pages.percent import percent
from fcn.runs.log import read_log
from fcn.system.json_files import read_json_file
from fcn.system.text import counted, print_notice
from fcn.training.callbacks import DataWait
from fcn.training.session import Session
from fcn.training.step_callback import StepCallback

FIRST_STEPS = 20
"""Number of steps with the first value of the loss as their mean.

Of a net whose scores begin at zero, the first step alone is taken: a mean loss is then the same for all
images, and with a learning rate that is far too high it is large from the second step on.
"""

HIGH_STEPS = 100
"""Number of steps over which a high loss is no accident."""

# Of all steps: before that, a net may still label everything alike, or not know rare classes.
_EARLY = 0.2
_HALF = 0.5
# Before the last step, a class may be missing from fewer validations than these.
_LEAST_VALIDATIONS = 3

LEAST_WAIT_SECONDS = 30
"""Time of steps after which it is known how long they wait for data."""

_MOST_WAIT = 0.3


def describe_high_loss(first: float, losses: Sequence[float], config: Config) -> str | None:
    """Returns a warning if the loss is above twice its first value for long.

    Args:
        first: The first value.
        losses: Of the last steps, up to `HIGH_STEPS`.
        config: How to learn.
    """
    if len(losses) < HIGH_STEPS or not 0 < 2 * first < median(losses):
        return None
    model, train = config.model, config.train
    text = (
        f"most losses of the last {len(losses)} steps are above twice the first value ({first:.3g}); their "
        f"mean is {fmean(losses):.3g}."
    )
    unscaled = model.net in SKIP_NETS and model.net != "fcn8s_at_once" and model.skip_scales is None
    if unscaled and train.optimizer == "adamw":
        return (
            f"{text} The score layers on pool3 and pool4 see features that are hundreds large. Start a new "
            "run with model.skip_scales=[0.01,0.002]."
        )
    rise = "" if train.warmup_steps else ", or with train.warmup_steps=500"
    return (
        f"{text} The learning rate is too high. Start a new run with "
        f"train.learning_rate={train.learning_rate / 10:.3g}{rise}."
    )


def describe_one_class(matrix: Matrix, names: Sequence[str], config: Config) -> str | None:
    """Returns a warning if every pixel was labeled as one class although the labels have more.

    Args:
        matrix: `int64[C, C]`, the confusion matrix of a validation; rows are true classes.
        names: The names of the classes.
        config: How to learn.
    """
    predicted = np.flatnonzero(matrix.sum(axis=0))
    if len(predicted) != 1 or np.count_nonzero(matrix.sum(axis=1)) < 2:
        return None
    rate = config.train.learning_rate
    return (
        f"every pixel of the validation images was labeled {names[int(predicted[0])]}. Most likely the "
        f"learning rate ({rate:.3g}) is far too high or too low, or one class covers almost everything. Try "
        f"train.learning_rate={rate / 10:.3g} and {rate * 10:.3g}; if neither helps, "
        f"{_ways_to_rare_classes(config)}."
    )


def describe_never_predicted(
    predicted: npt.NDArray[np.bool_],
    trained: npt.NDArray[np.bool_],
    matrix: Matrix,
    names: Sequence[str],
    config: Config,
) -> str | None:
    """Returns a warning if classes of the labels were predicted at no pixel in any validation.

    Args:
        predicted: `bool[C]`, which classes were predicted in an earlier validation.
        trained: `bool[C]`, which classes are in the training labels; of the others nothing is expected.
        matrix: `int64[C, C]`, the confusion matrix of the last validation; rows are true classes.
        names: The names of the classes.
        config: How to learn.
    """
    missing = trained & (matrix.sum(axis=1) > 0) & (matrix.sum(axis=0) == 0) & ~predicted
    indices = np.flatnonzero(missing).tolist()
    if not indices:
        return None
    shown = ", ".join(names[index] for index in indices)
    return (
        f"{counted(len(indices), 'class has', 'classes have')} never been predicted: {shown}. Rare "
        f"classes need more steps, or more weight. Start a new run with {_ways_to_rare_classes(config)}."
    )


def _ways_to_rare_classes(config: Config) -> str:
    """Returns the keys that help to learn rare classes and are not set yet."""
    ways = ["data.sampling=balanced"] if config.data.sampling == "uniform" else []
    weighted = {"cross_entropy", "ohem", "focal"} & config.loss.terms.keys()
    if weighted and config.loss.class_weights == "none":
        ways.append("loss.class_weights=median_frequency")
    longer = f"train.steps={2 * config.train.steps}"
    return f"{', '.join(ways)} or {longer}" if ways else longer


def describe_waiting(share: float, seconds: float) -> str | None:
    """Returns a warning if steps wait long for their examples.

    Args:
        share: Of the time of the steps that they waited, from 0 to 1.
        seconds: Time of the steps.
    """
    if seconds < LEAST_WAIT_SECONDS or not share > _MOST_WAIT:
        return None
    return (
        f"steps spend {percent(share, 0)} of their time waiting for data: reading and augmenting images "
        "takes longer than learning from them. Keep the images on a local disk, store them smaller if "
        "augmentation.crop_size is far smaller than they are, or set augmentation.color_jitter=0."
    )


def describe_batch_of_one(config: Config, model: SegmentationNet, devices: int) -> str | None:
    """Returns a warning if batch normalization sees one image at a time.

    Args:
        config: How to learn.
        model: The net, with its frozen layers marked.
        devices: Number of devices that each normalize their own part of a batch.
    """
    normalizes = any(
        isinstance(layer, keras.layers.BatchNormalization) and layer.trainable for layer in model.layers
    )
    train = config.train
    if not normalizes or train.batch_size // train.accumulate // devices > 1:
        return None
    text = (
        "batch normalization sees one image at a time, so its mean and variance are those of single images."
    )
    if config.augmentation.crop_size is None:  # whole images come one at a time
        return f"{text} Set model.batch_normalization=false, or augmentation.crop_size and train.batch_size."
    size = 8 * train.accumulate * devices
    return f"{text} Set train.batch_size={size}, or model.batch_normalization=false."


def _predicted_before(session: Session) -> npt.NDArray[np.bool_]:
    """Returns which classes the best checkpoint of earlier sessions has predicted rightly somewhere.

    Where that is not known, all are taken as predicted: it is no reason to warn.
    """
    names = session.predictor.classes.names
    try:
        class_iou = read_json_file(session.run.scores)["class_iou"]
        return np.array([class_iou[name] is not None and class_iou[name] > 0 for name in names])
    except (OSError, ValueError, TypeError, KeyError):
        return np.ones(len(names), bool)


class HealthCheck(StepCallback):
    """Prints each warning once; `CheckpointCallback` calls `check_scores`.

    Args:
        session: The training.
        wait: Measures how long steps wait for data.

    Attributes:
        first_loss: The first value of the loss, for the sessions after this one; None before it is known.
        warnings: Those of this session, each with the step, for the report.
    """

    def __init__(self, session: Session, wait: DataWait) -> None:
        self.session = session
        self.wait = wait
        self.first_loss: float | None = session.position.first_loss
        self._first_losses: list[float] = []
        self._first_steps = FIRST_STEPS
        self._losses: deque[float] = deque(maxlen=HIGH_STEPS)
        self._predicted = np.zeros(len(session.train_pixels), bool)
        self._validations = 0
        self._was_one_class = False
        self._warned: set[str] = set()
        self.warnings: list[str] = []

    def begin(self, step: int) -> None:
        """Checks the configuration, and reads the first loss of a training that is resumed."""
        session = self.session
        train = session.config.train
        if step:  # rows hold means over `train.log_steps` steps
            rows = [row for row in read_log(session.run.log) if row["loss"]]
            first = [row for row in rows if int(row["step"]) <= FIRST_STEPS] or rows[:1]
            self._first_losses = [float(row["loss"]) for row in first]
            self._predicted |= _predicted_before(session)
        elif session.config.loss.reduction == "mean" and not session.model.has_trained_scores():
            self._first_steps = 1
        own_parts = keras.backend.backend() == "tensorflow" and train.devices != "all"
        devices = int(train.devices) if own_parts else 1
        if step < train.steps:
            at = f"Before step {step + 1:,}"
            self._warn("batch of one", describe_batch_of_one(session.config, session.model, devices), at)

    def on_step(self, step: int, loss: float) -> None:
        """Checks the loss and the time that steps wait."""
        if step <= self._first_steps:
            self._first_losses.append(loss)
        first = self.first_loss
        if first is None:
            first = fmean(self._first_losses) if self._first_losses else math.inf
            if step == self._first_steps:
                self.first_loss = first
        self._losses.append(loss)
        at = f"At step {step:,}"
        self._warn("high loss", describe_high_loss(first, [*self._losses], self.session.config), at)
        self._warn("waiting", describe_waiting(self.wait.share, self.wait.seconds), at)

    def check_scores(self, step: int, evaluation: Evaluation) -> None:
        """Checks the predictions of a validation.

        Args:
            step: Updates of the weights so far.
            evaluation: Their scores.
        """
        config, names = self.session.config, self.session.predictor.classes.names
        steps = config.train.steps
        at, matrix = f"At step {step:,}", evaluation.matrix
        one_class = describe_one_class(matrix, names, config)
        # A net that has learned nothing yet may do so once; one that has labeled more classes has collapsed.
        lasts = self._was_one_class and step >= _EARLY * steps
        if lasts or np.count_nonzero(self._predicted) > 1 or step == steps:
            self._warn("one class", one_class, at)
        self._was_one_class = one_class is not None
        self._validations += 1
        is_late = step >= _HALF * steps and self._validations >= _LEAST_VALIDATIONS
        if (is_late or step == steps) and not one_class:
            trained = self.session.train_pixels > 0
            text = describe_never_predicted(self._predicted, trained, matrix, names, config)
            self._warn("never predicted", text, at)
        self._predicted |= matrix.sum(axis=0) > 0

    def _warn(self, kind: str, text: str | None, at: str) -> None:
        if text is not None and kind not in self._warned:
            self._warned.add(kind)
            self.warnings.append(f"{at}: {text}")
            print_notice(f"Warning: {at}: {text}")
