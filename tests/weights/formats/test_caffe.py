import math
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from fcn.errors import RunError
from fcn.weights.formats.caffe import Wire, read_caffemodel
from fcn.weights.reader import read_layers

PROTOTXT = """
name: "net"
input: "data"
input_shape { dim: 1 dim: 2 dim: 8 dim: 9 }
layer { name: "conv1_1" type: "Convolution" bottom: "data" top: "conv1_1"
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "upscore" type: "Deconvolution" bottom: "conv1_1" top: "upscore"
        convolution_param { num_output: 3 kernel_h: 2 kernel_w: 5 stride: 2 bias_term: false } }
layer { name: "fc6" type: "InnerProduct" bottom: "conv1_1" top: "fc6"
        inner_product_param { num_output: 5 } }
"""
KINDS = {"conv1_1": "Convolution", "upscore": "Deconvolution", "fc6": "InnerProduct"}


@pytest.fixture(scope="module")
def net_weights():
    rng = np.random.default_rng(0)
    shapes = {"conv1_1": [(4, 2, 3, 3), (4,)], "upscore": [(4, 3, 2, 5)], "fc6": [(5, 168), (5,)]}
    return {
        name: [rng.standard_normal(shape).astype(np.float32) for shape in arrays]
        for name, arrays in shapes.items()
    }


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("four", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_equals_the_reader_of_opencv(old, four, packed, net_weights, writers, place):
    content = writers.caffemodel(net_weights, old=old, kinds=KINDS, four=four, packed=packed)
    layers = {layer.name: layer for layer in read_caffemodel(place(content))}
    net = cv2.dnn.readNetFromCaffe(*(np.frombuffer(part, np.uint8) for part in (PROTOTXT.encode(), content)))
    assert list(layers) == list(KINDS)
    for name, layer in layers.items():
        for index, array in enumerate(net_weights[name]):
            peer = net.getParam(net.getLayerId(name), index)
            np.testing.assert_array_equal(layer.blobs[index].ravel(), peer.ravel())
            np.testing.assert_array_equal(layer.blobs[index].ravel(), array.ravel())
            assert layer.blobs[index].shape == (
                (1,) * (4 - array.ndim) + array.shape if four else array.shape
            )


@pytest.mark.parametrize("packed", [False, True])
def test_doubles_give_the_values_of_floats(packed, net_weights, writers, place):
    # OpenCV does not read them.
    content = writers.caffemodel(net_weights, kinds=KINDS, double=True, packed=packed)
    for layer in read_caffemodel(place(content)):
        for found, expected in zip(layer.blobs, net_weights[layer.name], strict=True):
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("old", "kind"), [(False, "Deconvolution"), (True, "DECONVOLUTION")])
def test_the_kind_is_the_formats_own_word(old, kind, net_weights, writers, place):
    content = writers.caffemodel({"upscore": net_weights["upscore"]}, old=old, kinds=KINDS)
    (layer,) = read_caffemodel(place(content))
    assert layer.kind == kind


def test_gradients_and_unknown_fields_are_stepped_over(writers, place):
    field = writers.field
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    blob = (
        field(6, np.full(6, 9, "<f4").tobytes())
        + writers.blob(values)
        + field(9, np.full(6, 9, "<f8").tobytes())
        + field(99, b"8 bytes.", 1)
        + field(98, b"four", 5)
    )
    net = (
        field(77, 5) + field(100, field(7, blob) + field(6, b"param") + field(1, b"ip")) + field(200, b"more")
    )
    (layer,) = read_caffemodel(place(net))
    assert layer.name == "ip"
    np.testing.assert_array_equal(layer.blobs[0], values)


def test_old_and_new_layers_may_stand_in_one_file(net_weights, writers, place):
    first, second = {"conv1_1": net_weights["conv1_1"]}, {"fc6": net_weights["fc6"]}
    content = writers.caffemodel(first) + writers.caffemodel(second, old=True)
    assert [layer.name for layer in read_caffemodel(place(content))] == ["conv1_1", "fc6"]


def test_values_written_in_several_rows_are_joined(writers, place):
    field = writers.field
    values = np.arange(6, dtype="<f4")
    plain = b"".join(field(5, value.tobytes(), 5) for value in values[2:5])
    data = field(5, values[:2].tobytes()) + plain + field(1, 1) + field(5, values[5].tobytes(), 5)
    net = field(100, field(1, b"ip") + field(7, field(7, field(1, b"\6")) + data))
    (layer,) = read_caffemodel(place(net))
    np.testing.assert_array_equal(layer.blobs[0], values)


def test_a_double_that_no_float_holds_becomes_infinite(writers, place):
    content = writers.caffemodel({"ip": [np.array([1e300, 0.1])]}, double=True)
    (layer,) = read_caffemodel(place(content))
    np.testing.assert_array_equal(layer.blobs[0], np.array([np.inf, 0.1], np.float32))


def ip(writers, *parts: bytes) -> bytes:
    return writers.field(100, writers.field(1, b"ip") + writers.field(7, b"".join(parts)))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (lambda field: (field(7, field(1, b"\3")), field(5, bytes(8))), "2 float and 0 double values"),
        (lambda field: (field(1, 1 << 40), field(2, 1 << 40), field(5, bytes(8))), "for the shape"),
        (lambda field: (field(7, field(1, (1 << 64) - 2)), field(5, bytes(8))), "for the shape"),
        (lambda field: (field(7, field(1, b"\1" * 33)), field(5, bytes(4))), "more than 32 axes"),
        (lambda field: (field(7, field(1, b"\2")), field(5, bytes(7))), "end inside one"),
        (lambda field: (field(7, field(1, b"\2")), field(5, bytes(4)), field(8, bytes(8))), "1 float and 1"),
        (lambda field: (field(7, field(1, b"\0")),), "0 float"),
        (lambda field: (field(5, b"", 3),), "unknown wire type 3"),
        (lambda field: (field(5, b"", 4),), "unknown wire type 4"),
        (lambda field: (field(5, b"\xff\xff\xff\xff\x0f", 2),), "its message at"),
        (lambda field: (b"\xff" * 11,), "no whole number"),
        (lambda field: (b"\0\0",), "field 0"),
    ],
)
def test_what_does_not_add_up_is_said(parts, message, writers, place):
    path = place(ip(writers, *parts(writers.field)))
    with pytest.raises(RunError, match=message) as caught:
        list(read_caffemodel(path))
    assert str(path) in str(caught.value)


def test_a_name_that_is_no_text_is_refused(writers, place):
    for name, message in ((b"\xff\xfe", "not UTF-8"), (b"x" * 5000, "a name of 5000 bytes")):
        with pytest.raises(RunError, match=message):
            list(read_caffemodel(place(writers.field(100, writers.field(1, name)))))


def test_a_file_of_nothing_but_tiny_fields_is_given_up(writers, place):
    with pytest.raises(RunError, match="more than 200000 fields"):
        list(read_caffemodel(place(writers.field(1, 1) * 250_000)))


def test_a_layer_of_countless_blobs_is_refused(writers, place):
    blobs = writers.field(7, writers.blob(np.zeros(1))) * 100
    with pytest.raises(RunError, match="more than 64 blobs"):
        list(read_layers(place(writers.field(100, blobs))))


def test_a_short_row_of_numbers_is_read_without_what_follows(writers, place):
    row = writers.field(5, bytes(4), 5)
    for count in (1, 2, 63, 64, 65, 1000):
        path = place(row * count + writers.field(99, bytes(1 << 20)))
        with path.open("rb", buffering=0) as file:
            wire = Wire(file, path)
            assert wire.repeats(wire.field(0, wire.size), wire.size, 4) == count
            # The rows that are read double.
            assert file.tell() <= 5 * (64 + 2 * count)


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_a_file_that_becomes_shorter_while_it_is_read_is_refused(cut, writers, place):
    path = place(writers.field(5, bytes(4), 5) * 1000)
    with path.open("rb", buffering=0) as file:
        wire = Wire(file, path)
        field = wire.field(0, wire.size)
        path.write_bytes(path.read_bytes()[:-cut])
        with pytest.raises(RunError, match="ends inside the numbers"):
            wire.repeats(field, wire.size, 4)


MEASURE = """
import resource, sys
from pathlib import Path
from fcn.weights.reader import read_layers
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(blob.size for layer in read_layers(Path(sys.argv[1])) for blob in layer.blobs)
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_a_net_as_large_as_vgg16_needs_the_memory_of_its_largest_layer(writers, tmp_path):
    path = tmp_path / "vgg16.caffemodel"
    shapes = [(512, 512, 3, 3)] * 6 + [(4096, 25088), (4096, 4096), (1000, 4096)]
    with path.open("wb") as file:
        for shape in shapes:
            # A file with holes: zeros that take no room on the disk.
            size = 4 * math.prod(shape)
            axes = writers.field(7, b"".join(writers.field(1, length) for length in shape))
            data_head = writers.field(5, b"", 2) + writers.field(1, size)[1:]
            blob_size = len(axes) + len(data_head) + size
            blob_head = writers.field(7, b"", 2) + writers.field(1, blob_size)[1:]
            layer_size = len(blob_head) + blob_size
            file.write(writers.field(100, b"", 2) + writers.field(1, layer_size)[1:])
            file.write(blob_head + axes + data_head)
            file.seek(size, 1)
        file.truncate()
    assert path.stat().st_size > 530e6
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    count, kilobytes = map(int, run.stdout.split())
    assert count == sum(map(math.prod, shapes))
    # fc6, 411 MB, and what was read just before it.
    assert kilobytes < 600_000
