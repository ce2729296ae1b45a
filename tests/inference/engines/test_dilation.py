"""Tests of nets as TensorFlow's graphs, in which kernels dilate."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from net_kinds import odd_images, randomize
from tensorflow.core.protobuf import saved_model_pb2

from fcn.exports.export import export
from fcn.inference.engines.choose import open_engine
from fcn.inference.engines.dilation import scoring
from fcn.inference.engines.openvino_graph import convert_exported, convert_net
from fcn.inference.engines.saved_model_check import check_saved_model
from fcn.inference.engines.tensorflow import net_engine
from fcn.models.factory import build_model
from fcn.models.net import SegmentationNet

IMAGES = tf.TensorSpec([None, None, None, 3], tf.float32)
DILATED: list[tuple[str, dict[str, Any]]] = [
    ("context", {}),
    ("context", {"geometry": "reference", "input_scale": 0.5}),
    ("largefov", {"batch_normalization": True}),
    ("fcn8s_largefov", {}),
]


def build(name: str, options: dict[str, Any]) -> SegmentationNet:
    net = build_model(name, num_classes=5, width=1 / 32, fc_channels=8, **options)
    randomize(net)
    return net


def operations(net: SegmentationNet) -> dict[str, set[tuple[int, ...]]]:
    """Returns the operations of a net's graph, each with the dilations that occur."""
    graph = tf.function(scoring(net), input_signature=[IMAGES]).get_concrete_function().graph
    found: dict[str, set[tuple[int, ...]]] = {}
    for operation in graph.get_operations():
        rates = operation.get_attr("dilations") if operation.type == "Conv2D" else ()
        found.setdefault(operation.type, set()).add(tuple(rates))
    return found


@pytest.mark.parametrize(("name", "options"), DILATED)
def test_kernels_dilate_and_logits_are_those_of_keras(name: str, options: dict[str, Any]) -> None:
    net = build(name, options)
    found = operations(net)
    assert not {"SpaceToBatchND", "BatchToSpaceND"} & found.keys()
    rates = {layer.dilation_rate for layer in net.layers if hasattr(layer, "dilation_rate")}
    assert found["Conv2D"] == {(1, *rate, 1) for rate in rates}
    assert len(rates) > 1
    engine = net_engine(net, "float32")
    agreeing = pixels = 0
    for images in odd_images():
        expected = np.asarray(net(images.astype(np.float32), training=False))
        np.testing.assert_allclose(
            engine.logits(images), expected, rtol=0, atol=1e-4 * np.abs(expected).max()
        )
        agreeing += np.count_nonzero(engine.label(images).label == expected.argmax(-1))
        pixels += images[..., 0].size
    assert agreeing >= 0.9999 * pixels


def test_a_net_without_dilation_has_the_same_logits_to_the_bit() -> None:
    net = build("fcn8s", {"batch_normalization": True})
    images = next(odd_images())
    expected = tf.function(lambda images: net(images, training=False), input_signature=[IMAGES])
    found = tf.function(scoring(net), input_signature=[IMAGES])
    as_floats = images.astype(np.float32)
    np.testing.assert_array_equal(found(as_floats).numpy(), expected(as_floats).numpy())


@pytest.mark.slow
def test_with_a_gpu_the_engine_computes_as_keras_does(monkeypatch: pytest.MonkeyPatch) -> None:
    net = build("context", {"input_scale": 0.5})
    images = next(odd_images())
    on_cpu = net_engine(net, "float32").logits(images)
    monkeypatch.setattr(keras.distribution, "list_devices", lambda kind: ["gpu:0"])
    engine = net_engine(net, "float32")
    np.testing.assert_allclose(engine.logits(images), on_cpu, rtol=0, atol=1e-4 * np.abs(on_cpu).max())
    for function in (engine._logits, engine._shrunk_logits):
        kinds = {operation.type for operation in function.get_concrete_function().graph.get_operations()}
        assert {"SpaceToBatchND", "BatchToSpaceND"} <= kinds


def test_weights_that_change_later_count() -> None:
    net = build("largefov", {})
    engine = net_engine(net, "float32")
    images = next(odd_images())
    before = engine.logits(images)
    net.get_layer("fc6").bias.assign_add(np.full(8, 3, np.float32))
    expected = np.asarray(net(images.astype(np.float32), training=False))
    assert np.abs(before - expected).max() > 0.1
    np.testing.assert_allclose(engine.logits(images), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
def test_exports_and_openvino_have_no_parts_either(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    net = build("context", {})
    version = export(net, tmp_path)
    check_saved_model(version)
    document = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    functions = document.meta_graphs[0].graph_def.library.function
    kinds = {node.op for function in functions for node in function.node_def}
    assert "Conv2D" in kinds
    assert not {"SpaceToBatchND", "BatchToSpaceND"} & kinds
    images = next(odd_images())
    expected = np.asarray(net(images.astype(np.float32), training=False))
    for engine in (open_engine(version, "tensorflow"), open_engine(net, "openvino")):
        most = np.abs(expected).max()
        np.testing.assert_allclose(engine.logits(images), expected, rtol=0, atol=1e-4 * most)
        np.testing.assert_array_equal(engine.label(images).label, expected.argmax(-1))
    for model in (convert_net(net), convert_exported(version)):
        operations = {node.get_type_name() for node in model.get_ops()}
        assert "Convolution" in operations
        assert not {"SpaceToBatch", "BatchToSpace"} & operations
