"""Commands that take the name of a net, from an empty folder of weights and a folder as the mirror."""

import http.client
import io
import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from caffe_net import build_fcn, write_caffemodel
from PIL import Image

from fcn.classes import VOC_CLASS_NAMES
from fcn.cli.main import main
from fcn.data.image_io import encode_png
from fcn.inference.predictor import Predictor
from fcn.runs.model_file import load_model
from fcn.weights.catalog import NETS

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[2]
NAME = "fcn8s-at-once-voc"  # its file has no public checksum: any net will do


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of weights, with a thin net in the mirror."""
    (tmp_path / "mirror").mkdir()
    layers = build_fcn(8, at_once=True, width=1 / 32, fc_channels=8)
    write_caffemodel(tmp_path / "mirror" / NETS[NAME].file.name, layers)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FCN_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("FCN_WEIGHTS_MIRROR", str(tmp_path / "mirror"))
    return tmp_path / "weights"


def test_a_name_is_served(folder: Path, python: Path, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    process = subprocess.Popen(
        [python, "-m", "fcn", "serve", NAME, "--port", "0", "--json", "--engine", "tensorflow"],
        env=os.environ | {"PYTHONPATH": str(HERE)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = json.loads(process.stdout.readline())
        connection = http.client.HTTPConnection(address["host"], address["port"], timeout=60)
        connection.request("POST", f"/v1/models/{address['name']}:segment", encode_png(image))
        answer = connection.getresponse()
        status, body = answer.status, answer.read()
        connection.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert status == 200, body
    with Image.open(io.BytesIO(body)) as label:
        np.testing.assert_array_equal(np.asarray(label), Predictor(NAME).predict(image).label)


def test_a_name_is_compared(folder: Path, tmp_path: Path, make_dataset, capsys) -> None:
    make_dataset(tmp_path / "data", {"train": ["a"], "val": ["x", "y"]}, class_names=VOC_CLASS_NAMES)
    with pytest.raises(SystemExit) as stopped:
        main(["compare", NAME, "--data", "data", "--output", "compared", "--images", "1", "--json"])
    captured = capsys.readouterr()
    assert not stopped.value.code, captured.err
    document = json.loads(captured.out)
    (net,) = document["nets"]
    assert (net["name"], document["num_images"]) == (NAME, 2)
    assert net["parameters"] == load_model(NAME).count_params()
    assert Path("compared/comparison.json").exists()
