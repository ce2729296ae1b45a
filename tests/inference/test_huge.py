"""A photograph of 108 megapixels, a full net, and less than 4 GB: the command as a user starts it."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from fcn.data.image_io import read_label
from fcn.exports.export import export
from fcn.models.fcn import FCN

ROOT = Path(__file__).parents[2]
SIZE = (9_000, 12_000)


def full_net() -> FCN:
    net = FCN(21)
    rng = np.random.default_rng(0)
    for layer in net.layers:  # scores start at zero, and every pixel would be of class 0
        if layer.name.startswith("score_") and layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([rng.normal(0, 0.01, kernel.shape), bias])
    return net


@pytest.mark.exhaustive
@pytest.mark.parametrize(("engine", "precision"), [("openvino", "bfloat16"), ("tensorflow", "bfloat16")])
def test_a_photograph_of_any_size_is_labeled_in_4_gigabytes(
    engine: str, precision: str, tmp_path: Path
) -> None:
    export(full_net(), tmp_path / "net", ["openvino"])
    coarse = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "huge.jpg"), cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC))
    options = ["--output", tmp_path / "out", "--overlay", "--engine", engine, "--precision", precision]
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "tests" / "measured_command.py",
            "infer",
            tmp_path / "net",
            tmp_path / "huge.jpg",
            *options,
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kilobytes = int(done.stderr.split("VmHWM:")[1].split()[0])
    print(f"{kilobytes * 1024 / 1e9:.2f} GB")
    assert kilobytes * 1024 < 4e9
    label = read_label(tmp_path / "out" / "huge.png")
    assert label.shape == SIZE
    assert len(np.unique(label)) > 1
