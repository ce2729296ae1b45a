"""Tests of the file that a graph is written to."""

from pathlib import Path

import numpy as np
import pytest

from fcn.errors import BackendError
from fcn.exports.formats.onnx_graph import OnnxGraph

onnx = pytest.importorskip("onnx")


# Lengths are written in seven bits a byte: bytes below and from 2**7 and 2**14 on.
@pytest.mark.parametrize("length", [1, 20, 29, 30, 31, 32, 33, 4050, 4095, 4096, 5000, 600_000])
def test_the_file_is_what_its_own_package_would_write(length: int, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    numbers = {
        "reals": np.random.default_rng(0).normal(size=length).astype(np.float32),
        "table": np.arange(6, dtype=np.int64).reshape(2, 3),
        "one": np.array(0.5, np.float32),
    }
    graph = OnnxGraph("sum")
    graph.add_input("x", "float32", ["length"])
    graph.add_output("y", "float32", ["length"])
    for name, values in numbers.items():
        assert graph.constant(values, name) == name
    assert graph.add("Add", ["x", graph.real(0.25)], "y") == "y"
    graph.write(path)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    read = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for name, values in numbers.items():
        assert read[name].dtype == values.dtype
        np.testing.assert_array_equal(read[name], values)
    assert model.ByteSize() == path.stat().st_size


def test_a_transposed_weight_is_written_as_it_looks(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    graph = OnnxGraph("weights")
    graph.weights((4, 2, 3), "float32", lambda: values.transpose(2, 0, 1), "w")
    graph.write(tmp_path / "model.onnx")
    (tensor,) = onnx.load(tmp_path / "model.onnx").graph.initializer
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor), values.transpose(2, 0, 1))


def test_more_than_a_file_holds_is_refused_before_it_is_read(tmp_path: Path) -> None:
    graph = OnnxGraph("large")
    graph.weights((2**29,), "float32", lambda: pytest.fail("was read"))
    path = tmp_path / "model.onnx"
    with pytest.raises(BackendError, match=r"take 2\.1 GB\. Expected at most 2\.1, .*Leave this format out"):
        graph.write(path)
    assert not path.exists()
