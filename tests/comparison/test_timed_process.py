"""Tests of what is timed, in this process."""

from contextlib import ExitStack
from pathlib import Path

import keras

from fcn.classes import Classes
from fcn.comparison import timed_process
from fcn.comparison.timed_process import TrainingStep
from fcn.config.file import load_config
from fcn.models.net import SegmentationNet


def test_a_training_step_has_the_classes_and_the_precision_of_its_training(
    monkeypatch, write_config, tmp_path: Path
) -> None:
    stepped = []

    def note(net: SegmentationNet, images, labels) -> None:
        stepped.append((net.class_names, images.shape, int(labels.max()), keras.config.dtype_policy().name))

    monkeypatch.setattr(SegmentationNet, "train_on_batch", note)
    # Data that were moved, and in them the names of the classes.
    config = load_config(write_config(root=tmp_path / "gone"))
    before = keras.config.dtype_policy()
    with ExitStack() as stack:
        stack.callback(keras.config.set_dtype_policy, before)
        keras.config.set_dtype_policy("mixed_bfloat16")
        lasting = stack.enter_context(ExitStack())
        monkeypatch.setattr(timed_process, "_UNTIL_EXIT", lasting)
        TrainingStep(config, (64, 64), Classes.named(("sea", "sky"))).begin()()
    assert stepped == [(("sea", "sky"), (2, 24, 24, 3), 1, "float32")]
