"""Tests of what is timed, in this process."""

from contextlib import ExitStack
from pathlib import Path

import keras
import pytest

from fcn.classes import Classes
from fcn.comparison import timed_process
from fcn.comparison.timed_process import TrainingStep
from fcn.config.file import load_config
from fcn.errors import RunError
from fcn.models.net import SegmentationNet
from fcn.training.distillation import TaughtNet


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


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_step_of_a_taught_net_includes_its_teacher(
    monkeypatch: pytest.MonkeyPatch, write_config, thin_net, tmp_path: Path
) -> None:
    asked = []
    call = TaughtNet.call

    def note(self: TaughtNet, images, training=None):
        asked.append(self.teacher.count_params())
        return call(self, images, training=training)

    monkeypatch.setattr(TaughtNet, "call", note)
    teacher = thin_net(8, fc_channels=24)
    teacher.save(tmp_path / "large.keras")
    classes = Classes.named(teacher.class_names)
    config = load_config(write_config()).with_values("train", teacher=str(tmp_path / "large.keras"))
    with ExitStack() as lasting:
        monkeypatch.setattr(timed_process, "_UNTIL_EXIT", lasting)
        step = TrainingStep(config, (64, 64), classes).begin()
        asked.clear()
        step()
        assert {*asked} == {teacher.count_params()}
        gone = config.with_values("train", teacher=str(tmp_path / "gone"))
        with pytest.raises(RunError, match="gone: no such model"):
            TrainingStep(gone, (64, 64), classes).begin()
