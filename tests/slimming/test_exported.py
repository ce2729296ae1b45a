"""Tests of exports of slim nets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from net_kinds import random_net

from fcn.exports.export import export
from fcn.exports.formats.openvino import Calibration
from fcn.inference.engines.exported import exported_net
from fcn.inference.engines.table import read_table
from fcn.inference.predictor import Predictor
from fcn.models.fields import NetDescription
from fcn.models.net import SegmentationNet
from fcn.slimming.channels import keep_channels
from fcn.slimming.connections import count_channels


def slim_half(net: SegmentationNet) -> SegmentationNet:
    counts = count_channels(net)
    return keep_channels(net, {name: np.arange(count)[::2] for name, count in counts.items()})


@pytest.mark.slow
def test_a_slim_net_labels_the_same_in_all_precisions(
    thin_net: Callable[..., SegmentationNet],
    smooth_photographs: Path,
    make_dataset: Callable[..., Path],
    tmp_path: Path,
) -> None:
    small = slim_half(thin_net(8, width=1 / 16, class_names=("ground", "cat", "dog")))
    root = make_dataset(tmp_path / "data", {"val": ["a"]})
    calibration = Calibration(smooth_photographs, root, accuracy_drop=100)  # random weights lose much
    # What it labels otherwise than the net, as a SavedModel or with OpenVINO, is an error.
    version = export(small, tmp_path / "export", ["openvino"], calibration, photographs=smooth_photographs)
    assert exported_net(version) == NetDescription.from_config(small.get_config())
    agreement = {row.precision: row.agreement for row in read_table(version) if row.engine == "openvino"}
    assert agreement["int8"] > 0.8


KINDS = ("normalized", "fcn8s_reference", "largefov", "context", "context_reference")


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_slim_net_is_exported(kind: str, smooth_photographs: Path, tmp_path: Path) -> None:
    small = slim_half(random_net(kind))
    version = export(small, tmp_path / "export", photographs=smooth_photographs)
    path = min(smooth_photographs.iterdir())
    alike = Predictor(version).predict(path).label == Predictor(small).predict(path).label
    assert alike.mean() > 0.999
