"""The clients of docs/exporting.md for LiteRT and ONNX, copied from the page."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import ThinNet

from fcn.exports.export import export
from fcn.inference.predictor import Predictor

pytestmark = pytest.mark.slow

TEXT = (Path(__file__).parents[2] / "docs" / "exporting.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("library", ["ai_edge_litert", "onnxruntime"])
def test_the_client_labels_as_the_net(
    library: str, thin_net: ThinNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(library)
    (client,) = [block for block in BLOCKS if library in block]
    monkeypatch.chdir(tmp_path)
    net = thin_net()
    export(net, "exported/voc", ["litert" if library == "ai_edge_litert" else "onnx"])
    image = np.random.default_rng(0).integers(0, 256, (45, 61, 3), np.uint8)
    cv2.imwrite("image.jpg", image)
    found: dict[str, np.ndarray] = {}
    exec(client, found)
    assert found["label"].dtype == np.uint8
    expected = Predictor(net).predict("image.jpg").label
    assert np.mean(found["label"] == expected) > 0.999  # ties alone


def test_the_converter_of_the_page_halves_the_file(
    thin_net: ThinNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    (converter,) = [block for block in BLOCKS if "TFLiteConverter" in block]
    monkeypatch.chdir(tmp_path)
    net = thin_net(width=1 / 8)
    export(net, "exported/voc")
    exec(converter, {})
    half = Path("half.tflite")
    assert half.stat().st_size < 2 * net.count_params() + 100_000
    image = np.random.default_rng(0).integers(0, 256, (1, 45, 61, 3), np.uint8)
    label = interpreter.Interpreter(str(half)).get_signature_runner("predict_tensor")(images=image)["label"]
    assert np.mean(label[0] == Predictor(net).predict(image[0]).label) > 0.9
