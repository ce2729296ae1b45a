"""Files that the package safetensors writes."""

import numpy as np
import pytest

from fcn.errors import RunError
from fcn.weights.formats.safetensors import read_safetensors

numpy_files = pytest.importorskip("safetensors.numpy")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_what_the_package_writes_comes_back(dtype, tmp_path, rng):
    tensors = {
        "features.0.bias": np.ones(4, dtype),
        "features.0.weight": rng.standard_normal((4, 3, 3, 3)).astype(dtype),
        "head.fc.weight": rng.standard_normal((2, 4)).astype(dtype),
        "num_batches": np.array(3),
    }
    path = tmp_path / "model.safetensors"
    numpy_files.save_file(tensors, path, {"format": "pt"})
    layers = {layer.name: layer.blobs for layer in read_safetensors(path)}
    assert layers.keys() == {"features.0", "head.fc"}
    for found, name in zip(
        (*layers["features.0"], *layers["head.fc"]),
        ("features.0.weight", "features.0.bias", "head.fc.weight"),
        strict=True,
    ):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, tensors[name].astype(np.float32))


def test_bfloat16_is_read_exactly(tmp_path, rng):
    values = rng.standard_normal((3, 5)).astype(pytest.importorskip("ml_dtypes").bfloat16)
    path = tmp_path / "model.safetensors"
    numpy_files.save_file({"a.weight": values}, path)
    (layer,) = read_safetensors(path)
    np.testing.assert_array_equal(layer.blobs[0], values.astype(np.float32))


def test_a_file_that_is_cut_is_refused(tmp_path, rng):
    path = tmp_path / "model.safetensors"
    numpy_files.save_file({"a.weight": rng.standard_normal(100).astype(np.float32)}, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RunError, match="does not lie in it"):
        list(read_safetensors(path))
