"""Tests of what tells one model from another."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from fcn.exports.export import export
from fcn.jobs.settings import model_setting
from fcn.models.fcn import FCN

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("formats", [(), pytest.param(("openvino",), marks=pytest.mark.exhaustive)])
def test_exported_models_are_told_apart_by_their_weights(
    formats: tuple[str, ...], net: FCN, tmp_path: Path
) -> None:
    other = FCN.from_config(net.get_config())
    *weights, last = net.get_weights()
    last = last.copy()
    last.flat[0] = np.nextafter(last.flat[0], np.float32(np.inf))  # one bit
    other.set_weights([*weights, last])
    export(net, tmp_path / "one", formats)
    export(other, tmp_path / "other", formats)
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    version = tmp_path / "copy" / "1"
    with (version / "model_card.md").open("a") as card:
        card.write("Ask Ada about it.\n")
    (version / "onnx").mkdir()  # another program's
    (version / "onnx" / "model.onnx").write_bytes(b"net")
    one, copy, another = (model_setting(tmp_path / name).value for name in ("one", "copy", "other"))
    assert one == copy != another
