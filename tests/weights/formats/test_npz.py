"""Archives of arrays, as Chainer writes them with NumPy."""

import io

import numpy as np
import pytest

from fcn.errors import RunError
from fcn.weights.formats.npz import read_npz


@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<f2", ">f4"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_comes_back(dtype, save, tmp_path, rng):
    arrays = {
        "conv1_1/b": np.ones(5, dtype),
        "conv1_1/W": rng.standard_normal((5, 3, 3, 3)).astype(dtype),
        "fc6/W": np.asfortranarray(rng.standard_normal((4, 6)).astype(dtype)),
        "bn/N": np.array(7),
        "updater/iteration": np.arange(3),
    }
    path = tmp_path / "net.npz"
    save(path, **arrays)
    layers = {layer.name: layer for layer in read_npz(path)}
    assert list(layers) == ["conv1_1", "fc6"]
    kernel, bias = layers["conv1_1"].blobs
    for found, name in ((kernel, "conv1_1/W"), (bias, "conv1_1/b"), (layers["fc6"].blobs[0], "fc6/W")):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, arrays[name].astype(np.float32))


def test_damaged_values_are_found_by_their_checksum(tmp_path, rng):
    output = io.BytesIO()
    np.savez(output, **{"fc6/W": rng.standard_normal(1000).astype(np.float32)})
    content = bytearray(output.getvalue())
    content[2000] ^= 1
    path = tmp_path / "net.npz"
    path.write_bytes(content)
    with pytest.raises(RunError, match="cannot be read"):
        list(read_npz(path))
