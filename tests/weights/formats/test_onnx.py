"""Models that the package onnx writes, in the forms that exporters choose."""

import numpy as np
import pytest

from fcn.errors import RunError
from fcn.weights.formats.onnx import read_onnx

onnx = pytest.importorskip("onnx")


def write(path, nodes, arrays, raw=True):
    """Writes a model of nodes (operation, inputs, output, attributes)."""
    helper = onnx.helper
    initializers = [
        onnx.numpy_helper.from_array(array, name)
        if raw
        else helper.make_tensor(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape, array.ravel()
        )
        for name, array in arrays.items()
    ]
    made = [
        helper.make_node(operation, inputs, [output], **attributes)
        for operation, inputs, output, attributes in nodes
    ]
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("data", "out")]
    graph = helper.make_graph(made, "graph", ends[:1], ends[1:], initializers)
    onnx.save(helper.make_model(graph), path)
    return path


@pytest.fixture
def arrays(rng):
    def random(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    return {"w0": random(4, 3, 3, 3), "b0": random(4), "w1": random(5, 8), "b1": random(5)}


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_layers_come_in_the_order_of_the_graph(raw, dtype, tmp_path, arrays):
    if dtype == np.float16 and not raw:
        pytest.skip("ONNX stores these in numbers of 32 bits only as int32_data")
    arrays = {name: array.astype(dtype) for name, array in reversed(arrays.items())}
    nodes = [
        ("Conv", ["data", "w0", "b0"], "a", {"pads": [1, 1, 1, 1]}),
        ("Relu", ["a"], "b", {}),
        ("Flatten", ["b"], "c", {}),
        ("Gemm", ["c", "w1", "b1"], "out", {"transB": 1}),
    ]
    conv, dense = read_onnx(write(tmp_path / "net.onnx", nodes, arrays, raw))
    assert (conv.name, conv.kind, dense.name, dense.kind) == ("conv_0", "Conv", "dense_0", "Gemm")
    for found, name in zip((*conv.blobs, *dense.blobs), ("w0", "b0", "w1", "b1"), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, arrays[name].astype(np.float32))


@pytest.mark.parametrize("operation", ["Gemm", "MatMul"])
def test_fully_connected_layers_are_outputs_by_inputs(operation, tmp_path, arrays):
    arrays = {"w1": np.ascontiguousarray(arrays["w1"].T), "b1": arrays["b1"]}
    nodes = {
        "Gemm": [("Gemm", ["data", "w1", "b1"], "out", {})],
        "MatMul": [("MatMul", ["data", "w1"], "a", {}), ("Add", ["b1", "a"], "out", {})],
    }[operation]
    (dense,) = read_onnx(write(tmp_path / "net.onnx", nodes, arrays))
    np.testing.assert_array_equal(dense.blobs[0], arrays["w1"].T)
    np.testing.assert_array_equal(dense.blobs[1], arrays["b1"])


def test_an_array_may_have_a_second_name(tmp_path, arrays):
    """As PyTorch's exporter gives it to arrays that are equal."""
    nodes = [
        ("Identity", ["b0"], "same", {}),
        ("Identity", ["same"], "again", {}),
        ("Conv", ["data", "w0", "b0"], "a", {}),
        ("Identity", ["a"], "b", {}),
        ("Conv", ["b", "w0", "again"], "out", {}),
    ]
    for layer in read_onnx(write(tmp_path / "net.onnx", nodes, arrays)):
        np.testing.assert_array_equal(layer.blobs[1], arrays["b0"])


def test_channels_last_are_refused(tmp_path, arrays):
    nodes = [
        ("Transpose", ["data"], "x", {"perm": [0, 3, 1, 2]}),
        ("Conv", ["x", "w0"], "a", {}),
        ("Transpose", ["a"], "b", {"perm": [0, 2, 3, 1]}),
        ("Flatten", ["b"], "c", {}),
        ("Gemm", ["c", "w1"], "out", {"transB": 1}),
    ]
    with pytest.raises(RunError, match="keeps channels last"):
        list(read_onnx(write(tmp_path / "net.onnx", nodes, arrays)))


def test_weights_in_another_file_are_refused(tmp_path, arrays):
    path = write(tmp_path / "net.onnx", [("Conv", ["data", "w0", "b0"], "out", {})], arrays)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    with pytest.raises(RunError, match="keeps weights in another file"):
        list(read_onnx(path))
