"""The net that a training learns from besides labels."""

import hashlib
import json
from typing import NamedTuple

import keras
import numpy as np

from fcn.classes import UNLABELED, Classes
from fcn.config.file import Config
from fcn.config.overrides import format_override
from fcn.errors import RunError
from fcn.models.net import SegmentationNet
from fcn.runs.folder import RunFolder
from fcn.runs.progress import has_ended_at
from fcn.system.remedies import other_run, set_keys
from fcn.system.text import counted, print_notice
from fcn.training import devices
from fcn.training.changes import from_net
from fcn.training.checkpoint import Position
from fcn.training.precision import teaching
from fcn.training.start import load_start


class Teacher(NamedTuple):
    """A net that another one learns from.

    Attributes:
        name: `train.teacher` of the configuration.
        net: The net, which is not trained.
        digest: Digest of what it computes.
    """

    name: str
    net: SegmentationNet
    digest: str

    def describe(self, config: Config) -> str:
        """Returns a line about the teacher, and about its part in the loss.

        Args:
            config: How to learn.
        """
        in_bfloat16 = self.net.get_layer("block1_conv1").compute_dtype == "bfloat16"
        precision = " in bfloat16" if in_bfloat16 else ""
        count = counted(sum(int(np.prod(weight.shape)) for weight in self.net.weights), "parameter")
        return (
            f"Teacher: {self.name}, {self.net.name}, {count}, at each step on the same crops{precision}; "
            f"loss.distillation={config.loss.distillation:g} at temperature "
            f"{config.loss.distillation_temperature:g}."
        )


def open_teacher(
    run: RunFolder, config: Config, classes: Classes, position: Position, trust: bool = False
) -> Teacher | None:
    """Loads the teacher of a training, and checks that it is that of the steps before; None without one.

    A training that has ended, after all its steps or by `train.patience`, needs none.

    Args:
        run: The folder of the training.
        config: How to learn.
        classes: The classes of the data set.
        position: The steps taken already.
        trust: Whether to load also a `.keras` file with parts that could run code.

    Raises:
        RunError: If it is another than before, or `load_teacher` refuses it.
        TrustError: If it has parts that could run code.
    """
    name = config.train.teacher
    if name is None or (position.step and has_ended_at(run, config, position.step)):
        return None
    teacher = load_teacher(name, config, classes, trust)
    if position.step and teacher.digest != position.teacher:
        way = from_net(run, config, format_override("train.teacher", name))
        raise RunError(
            f"{run.path}: was started with another teacher than train.teacher={name} is now. Give the net "
            f"that it had, or start another run from its weights: {way}"
        )
    return teacher


def keep_teacher(config: Config, saved: Config, teacher: Teacher | None) -> Config:
    """Returns a configuration with the teacher that a finished training had, and says if another is given.

    What nobody learns from is not checked, so it must not get into the configuration of the run.

    Args:
        config: How to learn.
        saved: The configuration of the run until now.
        teacher: The teacher that is learned from; None where the training has ended.
    """
    given, kept = config.train.teacher, saved.train.teacher
    if teacher is not None or given == kept or None in (given, kept):
        return config
    if devices.is_main_process():
        print_notice(f"train.teacher stays {kept}, from which all steps were learned, and is not {given}.")
    return config.with_values("train", teacher=kept)


def load_teacher(name: str, config: Config, classes: Classes, trust: bool = False) -> Teacher:
    """Loads the teacher of a training, on the devices of the training, in bfloat16 where that is faster.

    Args:
        name: `train.teacher`.
        config: How to learn.
        classes: The classes of the data set.
        trust: Whether to load also a `.keras` file with parts that could run code.

    Raises:
        RunError: If it cannot be read, or answers another question than the net that learns.
        TrustError: If it has parts that could run code.
    """
    with teaching(None if config.train.xla else config.augmentation.crop_size):
        net, has_scores, missing = load_start(name, trust)
    if not has_scores or missing:
        raise RunError(
            f"train.teacher={name}: its score layers are not trained, so there is nothing to learn from it. "
            f"Give a net that labels pixels, or start from its layers: {set_keys(f'model.weights={name}')}."
        )
    if net.class_names != classes.names:
        raise RunError(
            f"train.teacher={name}: labels the classes {', '.join(net.class_names)}; the data set has "
            f"{', '.join(classes.names)}. Expected the same classes in the same order. Train a teacher on "
            f"this data set first: {other_run(f'model.weights={name}', 'train.teacher=null')}."
        )
    if len(classes.names) > UNLABELED:
        raise RunError(
            f"train.teacher={name}: expected at most {UNLABELED} classes with a teacher. Received: "
            f"{len(classes.names)}. Train without it: {set_keys('train.teacher=null')}."
        )
    if net.bits != config.data.used_bits:
        raise RunError(
            f"train.teacher={name}: was trained on images of {net.bits} bits. Received: data.bits="
            f"{config.data.bits}. Set it to {net.bits}, so that both nets see the same pixels."
        )
    net.trainable = False
    return Teacher(name, net, _digest(net))


def _digest(net: keras.Model) -> str:
    """Returns a digest of all that the scores of a net follow from, without names of files."""
    others = ("name", "trainable", "temperatures")  # a calibration changes confidence alone
    arguments = {key: value for key, value in net.get_config().items() if key not in others}
    digest = hashlib.blake2b(json.dumps(arguments, sort_keys=True).encode(), digest_size=16)
    for weight in net.weights:
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(weight)).data)
    return digest.hexdigest()
