"""Tests of a net in LiteRT's form, with its own interpreter; its engine is in `tests/inference/engines`."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from net_kinds import NET_KINDS, Answer, check_equal, odd_images, random_net
from photographs import write_image

from fcn.data.image_io import Pixels
from fcn.errors import BackendError, OutputError
from fcn.exports.export import export
from fcn.exports.formats.litert import write_litert
from fcn.inference.engines.exported import litert_file
from fcn.inference.engines.litert import SHRUNK_SIGNATURE, SIGNATURE
from fcn.models.net import SegmentationNet

pytestmark = pytest.mark.slow

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
Interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter


def check(net: SegmentationNet, version: Path) -> Any:
    """Checks a net against the file it is written to; returns the file's interpreter."""
    interpreter = Interpreter(str(write_litert(net, version)))
    predict = interpreter.get_signature_runner(SIGNATURE)

    def answer(images: Pixels) -> Answer:
        answers = [predict(images=image[np.newaxis]) for image in images]
        label, logits = (np.concatenate([found[name] for found in answers]) for name in ("label", "logits"))
        return label, logits

    check_equal(net, answer)
    return interpreter


# Converting takes seconds; ONNX has all kinds in every run.
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=() if kind in ("fcn8s", "shrunk_reference") else pytest.mark.exhaustive)
        for kind in NET_KINDS
    ],
)
def test_labels_and_logits_are_those_of_the_net(kind: str, tmp_path: Path) -> None:
    net = random_net(kind)
    interpreter = check(net, tmp_path)
    signatures = {SIGNATURE: {"inputs": ["images"], "outputs": ["label", "logits"]}}
    if net.input_scale != 1:
        signatures[SHRUNK_SIGNATURE] = {"inputs": ["images"], "outputs": ["logits"]}
    assert interpreter.get_signature_list() == signatures
    # Both signatures use the same weights, and other constants are few.
    model = schema.ModelT.InitFromPackedBuf(litert_file(tmp_path).read_bytes(), 0)
    constants = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    assert constants < 4 * net.count_params() + 1000
    (taken,) = interpreter.get_input_details()
    assert (taken["dtype"], taken["shape_signature"].tolist()) == (np.uint8, [1, -1, -1, 3])


def test_it_is_used_without_the_signature_too(tmp_path: Path) -> None:
    net = random_net("fcn32s")
    interpreter = Interpreter(str(write_litert(net, tmp_path)))
    taken = interpreter.get_input_details()[0]["index"]
    for images in odd_images(((9, 40), (31, 8))):
        interpreter.resize_tensor_input(taken, images[:1].shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(taken, images[:1])
        interpreter.invoke()
        answers = [interpreter.get_tensor(found["index"]) for found in interpreter.get_output_details()]
        expected = np.asarray(net(images[:1].astype(np.float32), training=False)).argmax(-1)
        (label,) = (found for found in answers if found.ndim == 3)
        np.testing.assert_array_equal(label, expected)


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    litert_file(tmp_path).mkdir(parents=True)
    with pytest.raises(OutputError, match=r"model\.tflite: cannot be written"):
        write_litert(random_net("fcn32s"), tmp_path)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    photograph = write_image(tmp_path / "a.png")
    named = r"ai-edge-litert is not installed.*pip install 'keras-fcn\[litert\]'"
    with pytest.raises(BackendError, match=named):
        export(random_net("fcn32s"), tmp_path / "out", ["litert"], photographs=photograph)
    assert not (tmp_path / "out").exists()
