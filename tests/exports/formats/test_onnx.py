"""Tests of a net in ONNX's form, with ONNX Runtime and with the reference that the format has itself."""

import sys
from pathlib import Path

import numpy as np
import pytest
from net_kinds import NET_KINDS, Answer, check_equal, odd_images, random_net
from photographs import write_image

from fcn.data.image_io import Pixels
from fcn.errors import BackendError, OutputError
from fcn.exports.export import export
from fcn.exports.formats.onnx import write_onnx
from fcn.inference.engines.exported import onnx_file

onnx = pytest.importorskip("onnx")
reference = pytest.importorskip("onnx.reference")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("kind", NET_KINDS)
def test_labels_and_logits_are_those_of_the_net(kind: str, tmp_path: Path) -> None:
    net = random_net(kind)
    path = write_onnx(net, tmp_path)
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path)

    def answer(images: Pixels) -> Answer:
        label, logits = session.run(["label", "logits"], {"images": images})
        return label, logits

    check_equal(net, answer)


@pytest.mark.parametrize("kind", ["fcn8s_reference", "half"])
def test_the_formats_own_reference_reads_the_same_net(kind: str, tmp_path: Path) -> None:
    net = random_net(kind)
    program = reference.ReferenceEvaluator(str(write_onnx(net, tmp_path)))
    images = next(odd_images())[:, :21, :26]
    label, logits = program.run(["label", "logits"], {"images": images})
    expected = np.asarray(net(images.astype(np.float32), training=False))
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_array_equal(label, logits.argmax(-1))


def test_what_it_takes_and_answers(tmp_path: Path) -> None:
    session = onnxruntime.InferenceSession(write_onnx(random_net("fcn32s"), tmp_path))
    declared = {
        value.name: (value.type, value.shape) for value in session.get_inputs() + session.get_outputs()
    }
    size = ["batch", "height", "width"]
    assert declared == {
        "images": ("tensor(uint8)", [*size, 3]),
        "label": ("tensor(uint8)", size),
        "logits": ("tensor(float)", [*size, 5]),
    }


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    onnx_file(tmp_path).mkdir(parents=True)
    with pytest.raises(OutputError, match=r"model\.onnx: cannot be written"):
        write_onnx(random_net("fcn32s"), tmp_path)


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = random_net("fcn32s")
    for package in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BackendError, match=r"package onnx is not installed.*pip install 'keras-fcn\[onnx\]'"):
        export(net, tmp_path / "out", ["onnx"])
    monkeypatch.setitem(sys.modules, "onnx", onnx)
    with pytest.raises(BackendError, match="package onnxruntime is not"):
        export(net, tmp_path / "out", ["onnx"], photographs=write_image(tmp_path / "a.png"))
    assert not (tmp_path / "out").exists()
