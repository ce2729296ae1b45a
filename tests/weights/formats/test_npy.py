import pickle
import struct

import numpy as np
import pytest

from fcn.errors import RunError
from fcn.weights.formats.npy import read_npy


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<f2", ">f4"])
def test_what_np_save_writes_comes_back(protocol, dtype, tmp_path, rng):
    kernel = rng.standard_normal((3, 3, 4, 5)).astype(dtype)
    arrays = {
        "conv1_1": [kernel, np.ones(5, dtype)],
        "fc6": [np.asfortranarray(kernel[0, 0]), np.ones(5, dtype)],
    }
    path = tmp_path / "vgg16.npy"
    np.save(path, np.array(arrays, object), allow_pickle=True)
    if protocol != pickle.HIGHEST_PROTOCOL:
        # np.save chooses the protocol itself; its header is kept.
        content = path.read_bytes()
        path.write_bytes(content[:128] + pickle.dumps(np.array(arrays, object), protocol))
    layers = list(read_npy(path))
    assert [(layer.name, layer.kind) for layer in layers] == [("conv1_1", ""), ("fc6", "")]
    for layer in layers:
        for found, expected in zip(layer.blobs, arrays[layer.name], strict=True):
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, expected.astype(np.float32))


def python2_pickle(values: np.ndarray, name: bytes) -> bytes:
    """Writes protocol 2 as Python 2 with NumPy 1 did: every text is bytes, and shapes may be `long`."""

    def text(content: bytes) -> bytes:
        return (
            b"U" + bytes([len(content)]) + content
            if len(content) < 256
            else b"T" + struct.pack("<I", len(content)) + content
        )

    def dtype(word: bytes, order: bytes) -> bytes:
        new = b"cnumpy\ndtype\n" + text(word) + b"K\0K\1\x87R"
        return new + b"(K\3" + text(order) + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"

    def array(shape: bytes, kind: bytes, data: bytes) -> bytes:
        new = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85" + text(b"b") + b"\x87R"
        return new + b"(K\1" + shape + kind + b"\x89" + data + b"tb"

    shape = b"(" + b"".join(b"\x8a\x01" + bytes([length]) for length in values.shape) + b"t"
    inner = array(shape, dtype(b"f4", b"<"), text(values.astype("<f4").tobytes()))
    return b"\x80\x02" + array(b")", dtype(b"O8", b"|"), b"]}" + text(name) + b"](" + inner + b"esa") + b"."


@pytest.mark.parametrize("shape", [(2, 3), (3, 3, 4, 5)])
def test_a_file_of_python_2_is_read(shape, writers, place, rng):
    values = rng.standard_normal(shape).astype(np.float32)
    content = python2_pickle(values, b"conv1_1")
    header = writers.npy({})[:128]
    (layer,) = read_npy(place(header + content))
    assert layer.name == "conv1_1"
    np.testing.assert_array_equal(layer.blobs[0], values)


def test_bytes_are_names_too(tmp_path):
    path = tmp_path / "vgg16.npy"
    np.save(path, np.array({b"conv1_1": [np.ones(2, np.float32)]}, object), allow_pickle=True)
    (layer,) = read_npy(path)
    assert layer.name == "conv1_1"


def save(path, content):
    np.save(path, content, allow_pickle=True)
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros(3), "Expected a dictionary of layers"),
        (np.array([{}, {}], object), "Expected a dictionary of layers"),
        (np.array(["a", 1], object).reshape(2), "Expected a dictionary of layers"),
        (np.array({"a": 1}, object), "'a' is not a list of arrays"),
        (np.array({"a": []}, object), "'a' is not a list of arrays"),
        (np.array({"a": [1.5]}, object), "'a' is not a list of arrays"),
        (np.array({"a": [np.zeros(1)] * 65}, object), "'a' is not a list of arrays"),
        (np.array({"a": [np.zeros(2, int)]}, object), "values of the type 'i8'"),
        (np.array({"a": [np.zeros(2, complex)]}, object), "values of the type 'c16'"),
        (np.array({"a": [np.array([1, "x"], object)]}, object), "no numbers"),
        (np.array({"a": {1, 2}}, object), "not one that weights need"),
    ],
)
def test_other_contents_are_refused(content, message, tmp_path):
    with pytest.raises(RunError, match=message):
        list(read_npy(save(tmp_path / "a.npy", content)))


def forged(shape: bytes, data: bytes) -> bytes:
    """An array that says it has another shape than it has."""
    new = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R"
    kind = b"cnumpy\ndtype\nU\2f4K\0K\1\x87R(K\3U\1<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    whole = new + b"(K\1)cnumpy\ndtype\nU\2O8K\0K\1\x87R\x89]}U\1a](" + new
    return b"\x80\x02" + whole + b"(K\1" + shape + kind + b"\x89" + data + b"tbesatb."


def test_the_forger_can_also_tell_the_truth(writers, place):
    (layer,) = read_npy(place(writers.npy({})[:128] + forged(b"K\2\x85", b"U\x08" + bytes(8))))
    np.testing.assert_array_equal(layer.blobs[0], [0, 0])


@pytest.mark.parametrize(
    "shape",
    [
        b"K\1\x85",
        b"\x8a\x06\0\0\0\0\0\1\x85",
        b"J\xff\xff\xff\xffK\2\x86",
        b"U\1a\x85",
        b"K\2",
        b"\x88K\2\x86",
        b"(" + b"K\1" * 40 + b"t",
        b"(" + b"\x8a\x08\0\0\0\0\0\0\0\x7f" * 32 + b"t",
    ],
)
def test_a_shape_that_its_values_do_not_fill_is_refused(shape, writers, place):
    with pytest.raises(RunError):
        list(read_npy(place(writers.npy({})[:128] + forged(shape, b"U\x08" + bytes(8)))))


def test_one_array_named_again_and_again_is_refused(tmp_path):
    array = np.zeros(100_000, np.float32)
    content = {str(index): [array] for index in range(100)}
    with pytest.raises(RunError, match="larger than the file"):
        list(read_npy(save(tmp_path / "a.npy", np.array(content, object))))
