import io
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from fcn.errors import RunError
from fcn.weights.formats.torch import read_torch

LEGACY = pytest.mark.parametrize("legacy", [False, True])


@LEGACY
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("rebuild", ["_rebuild_tensor_v2", "_rebuild_tensor", "_rebuild_parameter"])
def test_a_state_dict_comes_back(legacy, protocol, rebuild, weights, writers, place):
    tensors = writers.state_dict(weights)
    for tensor in tensors.values():
        tensor.rebuild = rebuild
    layers = list(read_torch(place(writers.torch(tensors, legacy, protocol))))
    assert [layer.name for layer in layers] == list(weights)
    for layer in layers:
        for found, expected in zip(layer.blobs, weights[layer.name], strict=True):
            np.testing.assert_array_equal(found, expected)


@LEGACY
def test_weight_and_bias_come_first_whatever_the_order_of_the_file(legacy, writers, place):
    names = ["bn.running_mean", "bn.bias", "bn.num_batches_tracked", "bn.weight", "alone", "conv.bias"]
    tensors = {
        name: writers.Tensor(np.array([index], np.int64 if "num" in name else np.float32))
        for index, name in enumerate(names)
    }
    layers = list(read_torch(place(writers.torch(tensors, legacy))))
    found = {layer.name: [float(blob[0]) for blob in layer.blobs] for layer in layers}
    # Counts are not weights.
    assert found == {"bn": [3, 1, 0], "": [4], "conv": [5]}


@LEGACY
@pytest.mark.parametrize("dtype", ["<f8", "<f2"])
def test_other_floats_become_single(legacy, dtype, writers, place):
    values = np.array([0.1, -2, 3], dtype)
    (layer,) = read_torch(place(writers.torch({"a.weight": writers.Tensor(values)}, legacy)))
    assert layer.blobs[0].dtype == np.float32
    np.testing.assert_array_equal(layer.blobs[0], values.astype(np.float32))


@LEGACY
def test_a_tensor_may_be_a_part_or_a_transposition_of_its_storage(legacy, writers, place, rng):
    values = rng.standard_normal(40).astype(np.float32)
    part, turned = writers.Tensor(values, "s"), writers.Tensor(values, "s")
    part.offset, part.shape, part.strides = 7, (5,), (1,)
    turned.offset, turned.shape, turned.strides = 3, (4, 6), (1, 6)
    content = {"a.weight": part, "b.weight": turned}
    first, second = read_torch(place(writers.torch(content, legacy)))
    np.testing.assert_array_equal(first.blobs[0], values[7:12])
    expected = [[values[3 + row + 6 * column] for column in range(6)] for row in range(4)]
    np.testing.assert_array_equal(second.blobs[0], expected)


@LEGACY
@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (11,), (1,)),
        (1, (10,), (1,)),
        (0, (10**12,), (1,)),
        (0, (10**12,), (0,)),
        (0, (2, 2), (9, 1)),
        (-1, (2,), (1,)),
        (0, (-2,), (1,)),
        (0, (2,), (-1,)),
        (0, (2,), (1, 1)),
        (0, [2], (1,)),
        (0, (2.0,), (1,)),
    ],
)
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(legacy, offset, shape, strides, writers, place):
    tensor = writers.Tensor(np.zeros(10, np.float32))
    tensor.offset, tensor.shape, tensor.strides = offset, shape, strides
    with pytest.raises(RunError, match="does not fit its storage"):
        list(read_torch(place(writers.torch({"a.weight": tensor}, legacy))))


@LEGACY
@pytest.mark.parametrize("content", [[1, 2], "text", None])
def test_anything_but_a_dictionary_is_refused(legacy, content, writers, place):
    with pytest.raises(RunError, match="dictionary of tensors"):
        list(read_torch(place(writers.torch(content, legacy))))


@LEGACY
def test_one_storage_named_again_and_again_is_refused(legacy, writers, place):
    values = np.zeros(100_000, np.float32)
    tensors = {f"{index}.weight": writers.Tensor(values, "s") for index in range(100)}
    with pytest.raises(RunError, match="are not in it"):
        list(read_torch(place(writers.torch(tensors, legacy))))


def test_a_changed_value_is_noticed_by_the_archives_checksum(writers, place):
    values = np.arange(50, dtype=np.float32)
    content = writers.torch({"a.weight": writers.Tensor(values)})
    at = content.index(values.tobytes()) + 80
    with pytest.raises(RunError, match="checksum"):
        list(read_torch(place(content[:at] + b"\x7f" + content[at + 1 :])))


def test_a_compressed_archive_is_refused(writers, place):
    content = writers.torch(
        {"a.weight": writers.Tensor(np.zeros(1000, np.float32))}, compression=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(RunError, match="compressed"):
        list(read_torch(place(content)))


def test_big_endian_archives_are_refused(writers, place):
    old = writers.torch({"a.weight": writers.Tensor(np.zeros(3, np.float32))})
    output = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(old)) as source, zipfile.ZipFile(output, "w") as target:
        for name in source.namelist():
            target.writestr(name, "big" if name.endswith("byteorder") else source.read(name))
    with pytest.raises(RunError, match="big-endian"):
        list(read_torch(place(output.getvalue())))


def test_an_archive_with_a_huge_directory_is_refused(place):
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for index in range(300):
            archive.writestr(f"{index}".ljust(60_000, "x"), b"")
    with pytest.raises(RunError, match="directory is too large"):
        list(read_torch(place(output.getvalue())))


def test_the_dictionary_of_python_2_gave_its_items_at_once(writers, place, monkeypatch):
    class Items(OrderedDict):
        def __reduce__(self):
            return OrderedDict, ([[key, value] for key, value in self.items()],)

    tensors = Items({"a.weight": writers.Tensor(np.arange(3, dtype=np.float32))})
    (layer,) = read_torch(place(writers.torch(tensors, legacy=True)))
    np.testing.assert_array_equal(layer.blobs[0], [0, 1, 2])


@pytest.mark.parametrize("legacy", [False, True])
def test_a_checkpoint_of_a_training_holds_a_state_dict(legacy, writers, place):
    tensors = {"a.weight": writers.Tensor(np.arange(3, dtype=np.float32))}
    state = {"state": {0: {"momentum": writers.Tensor(np.ones(3, np.float32))}}, "param_groups": []}
    kept = {"epoch": 3, "optim_state_dict": state, "model_state_dict": tensors}
    (layer,) = read_torch(place(writers.torch(kept, legacy)))
    assert layer.name == "a"
    np.testing.assert_array_equal(layer.blobs[0], [0, 1, 2])
    # Of two, nothing says which is meant.
    assert list(read_torch(place(writers.torch(kept | {"average": tensors}, legacy)))) == []
