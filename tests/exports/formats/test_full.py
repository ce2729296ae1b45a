"""A net of the published size in other forms: what writing them takes, and whether they label alike."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fcn.data.image_io import read_image
from fcn.exports.verification import format_labeler
from fcn.inference.engines.exported import litert_file, onnx_file
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN
from fcn.runs.model_file import save_model

MEASURED = Path(__file__).parents[2] / "measured_command.py"
WEIGHTS = 538e6
FILES = {"onnx": onnx_file, "litert": litert_file}
# In kB: the SavedModel alone takes 3.6 million, 2.2 of them the net that was read.
HIGHEST = {"onnx": 4.2e6, "litert": 6.5e6}


@pytest.fixture(scope="module")
def full_net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net = FCN()
    rng = np.random.default_rng(0)
    for layer in net.layers:
        if layer.name.startswith("score_"):
            kernel, bias = layer.get_weights()
            layer.set_weights([rng.normal(0, 0.05, kernel.shape), bias])
    path = tmp_path_factory.mktemp("full") / "net.keras"
    save_model(net, path)
    return path


@pytest.mark.exhaustive
@pytest.mark.parametrize("form", FILES)
def test_a_full_net_is_written_in_little_memory(
    form: str, full_net: Path, voc_root: Path, tmp_path: Path
) -> None:
    command = [sys.executable, MEASURED, "export", full_net, tmp_path, "--format", form]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(done.stderr.split()[-2]) < HIGHEST[form]
    version = tmp_path / "1"
    assert WEIGHTS / 1.01 < FILES[form](version).stat().st_size < WEIGHTS * 1.01
    label, predictor = format_labeler(version, form), Predictor(full_net)
    agreeing = pixels = 0
    for path in sorted((voc_root / "JPEGImages").iterdir())[:400:200]:
        image = read_image(path)
        found, expected = label(image), predictor.predict(image).label
        assert len(np.unique(expected)) > 3
        agreeing += np.count_nonzero(found == expected)
        pixels += expected.size
    assert agreeing >= 0.9999 * pixels
