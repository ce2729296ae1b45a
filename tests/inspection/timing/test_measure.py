"""Tests of the times of layers, measured on the engines themselves."""

import json
from pathlib import Path

import pytest
from net_kinds import NET_KINDS, random_net

from fcn.errors import BackendError
from fcn.exports.formats.onnx import write_onnx
from fcn.inference.engines.choose import open_engine
from fcn.inference.engines.exported import classes_document
from fcn.inference.engines.onnx import OnnxEngine
from fcn.inspection.document import inspection_document
from fcn.inspection.facts import Inspection, inspect_model
from fcn.inspection.graph import read_graph
from fcn.inspection.timing.measure import check_timed, measure_times
from fcn.inspection.timing.openvino_layers import find_layers
from fcn.models.fcn import FCN
from fcn.models.net import SegmentationNet
from fcn.system.bfloat16 import bfloat16_instructions

SIZE = 64, 80


def check_times(inspection: Inspection) -> None:
    """Checks that every layer that multiplies has a time, and that the parts are not more than the whole."""
    times = inspection.times
    assert times is not None
    assert times.layers.keys() == {layer.name for layer in inspection.layers}
    assert times.peak_gflops > 0
    for layer in inspection.layers:
        time = times.layers[layer.name]
        assert time.seconds >= 0
        if layer.multiply_adds:
            assert time.seconds > 0 or times.layers[time.within].seconds > 0, layer.name
        if time.within is not None:
            assert time.seconds == 0
            assert times.layers[time.within].within is None
        if layer.kind == "ReLU" and f"{layer.name[:-5]}_bn" not in times.layers:
            fused = time.within == layer.name.removesuffix("_relu")
            # TensorFlow computes fc6 as a product of matrices.
            assert fused or layer.name == "fc6_relu", layer.name
    counted = sum(time.gflop or 0 for time in times.layers.values())
    assert counted == pytest.approx(inspection.gflop)
    # Operations may run beside each other, and a busy machine may stop a pass anywhere.
    assert 0 < times.layer_seconds < 5 * times.seconds


def write_exported(net: SegmentationNet, version: Path) -> Path:
    (version / "assets").mkdir(parents=True)
    (version / "assets" / "classes.json").write_text(json.dumps(classes_document(net.classes)))
    (version / "assets" / "model.json").write_text(json.dumps(net.get_config()))
    write_onnx(net, version)
    return version


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["fcn8s_reference", *(pytest.param(kind, marks=pytest.mark.exhaustive) for kind in NET_KINDS)]
)
def test_every_layer_has_a_time_on_openvino(kind: str) -> None:
    pytest.importorskip("openvino")
    net = random_net(kind)
    engine = open_engine(net, "openvino")
    inspection = inspect_model(net, SIZE, engine)
    check_times(inspection)
    assert (inspection.times.engine, inspection.times.precision) == ("openvino", "float32")
    # Whatever OpenVINO fuses, each product of the net is one of its graph.
    found = set(find_layers(engine.model, read_graph(net, SIZE)).values())
    assert found >= {layer.name for layer in inspection.layers if layer.multiply_adds}
    document = json.loads(json.dumps(inspection_document(inspection)))
    timed = [layer for layer in document["layers"] if layer["time"]["share_of_peak"] is not None]
    assert timed
    for layer in timed:
        time = layer["time"]
        assert time["share_of_peak"] == pytest.approx(
            time["gflop_per_second"] / document["timing"]["peak_gflop_per_second"]
        )
    assert document["timing"]["layers_milliseconds"] == pytest.approx(
        sum(layer["time"]["milliseconds"] for layer in document["layers"])
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fcn8s", pytest.param("context", marks=pytest.mark.exhaustive)])
def test_every_layer_has_a_time_on_tensorflow(kind: str) -> None:
    net = random_net(kind)
    precision = "bfloat16" if kind == "fcn8s" and bfloat16_instructions() else "float32"
    inspection = inspect_model(net, SIZE, open_engine(net, "tensorflow", precision))
    check_times(inspection)
    assert (inspection.times.engine, inspection.times.precision) == ("tensorflow", precision)


@pytest.mark.parametrize("kind", ["half", pytest.param("context", marks=pytest.mark.exhaustive)])
def test_every_layer_has_a_time_on_onnx_runtime(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    net = random_net(kind)
    engine = OnnxEngine(write_exported(net, tmp_path / "1"))
    inspection = inspect_model(net, SIZE, engine)
    check_times(inspection)
    assert inspection.times.engine == "onnx"
    assert inspection.times.layers["fc6"].seconds > 0


@pytest.mark.exhaustive
def test_a_layer_that_works_more_takes_longer() -> None:
    """Eight times the channels in block 2 are 64 times the work of its second convolution."""
    pytest.importorskip("openvino")
    shares = []
    for width in (1 / 32, 1 / 4):
        net = FCN(num_classes=3, width=width, fc_channels=8)
        times = measure_times(read_graph(net, (96, 128)), open_engine(net, "openvino"), passes=5)
        shares.append(times.layers["block2_conv2"].seconds)
    assert shares[1] > 4 * shares[0]


def test_engines_without_times_are_refused() -> None:
    for name in ("litert", "jax", "torch"):
        with pytest.raises(BackendError, match=rf"among tensorflow, openvino, onnx.*Received: {name}"):
            check_timed(name)
