import re
import resource
import signal
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from fcn.errors import RunError
from fcn.weights.reader import Layer, read_layers, recognize

NAMED = [
    *("caffe", "caffe old", "npy", "npy protocol 2", "torch zip", "torch legacy", "keras"),
    *("npz", "npz stored", "safetensors"),
]
# ONNX has no names of layers.
VARIANTS = [*NAMED, "onnx"]


@contextmanager
def within(seconds: int) -> Iterator[None]:
    def stop(number, frame):
        raise TimeoutError(f"took more than {seconds} s")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def try_to_read(path: Path) -> list[Layer] | None:
    """The layers, or None after the one error that a damaged file may give."""
    try:
        with within(20):
            return list(read_layers(path))
    except RunError as error:
        if str(path) not in str(error):
            raise AssertionError(f"the error does not name the file: {error}") from error
        return None


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "name", ["weights", "weights.h5", "weights.caffemodel", "weights.pth", "weights.npy"]
)
def test_the_content_decides_and_never_the_suffix(variant, name, samples, place):
    expected, content = samples[variant]
    assert recognize(place(content, name)) == expected


@pytest.mark.parametrize("variant", NAMED)
def test_every_format_gives_the_same_layers(variant, samples, weights, place):
    layers = list(read_layers(place(samples[variant][1])))
    assert [layer.name for layer in layers] == list(weights)
    for layer in layers:
        expected = weights[layer.name]
        assert len(layer.blobs) == len(expected)
        for found, wanted in zip(layer.blobs, expected, strict=True):
            assert found.dtype == np.float32
            # Four numbers cannot tell a vector from a map of it.
            assert found.shape in (wanted.shape, (1,) * (4 - wanted.ndim) + wanted.shape)
            np.testing.assert_array_equal(found.reshape(wanted.shape), wanted)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Expected a caffemodel"),
        (b"<!DOCTYPE html><html></html>", "check that the link leads to the file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Expected a caffemodel"),
        (b"\x08\x01\x12\x05graph", "Expected a caffemodel"),
        (b"\x0a\x03net", "Expected a caffemodel"),
        (b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4'}", "Expected a dictionary of layers"),
        (b"PK\x03\x04nothing", "zip directory"),
    ],
)
def test_other_files_are_refused_with_a_remedy(content, message, place):
    path = place(content)
    with pytest.raises(RunError, match=message) as caught:
        list(read_layers(path))
    assert str(path) in str(caught.value)


def test_a_net_without_weights_is_refused(writers, place):
    content = writers.field(1, b"net") + writers.field(100, writers.field(1, b"relu"))
    with pytest.raises(RunError, match="Expected layers with weights"):
        list(read_layers(place(content)))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "missing.h5", tmp_path):
        with pytest.raises(RunError, match=re.escape(str(path))):
            recognize(path)


def test_a_keras_model_is_recognized_for_what_it_is(net, tmp_path):
    path = tmp_path / "weights.pth"
    net.save(tmp_path / "net.keras")
    (tmp_path / "net.keras").rename(path)
    with pytest.raises(RunError, match="whole Keras model"):
        recognize(path)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_truncated_file_is_refused_or_ends_between_two_layers(variant, samples, weights, place):
    content = samples[variant][1]
    rng = np.random.default_rng(0)
    offsets = {0, 1, len(content) - 1, *rng.integers(0, len(content), 150)}
    for offset in sorted(offsets):
        layers = try_to_read(place(content[:offset]))
        if layers is None:
            continue
        # A caffemodel does not say how many layers it has; cut inside one, it must not be read.
        assert variant.startswith("caffe"), f"{variant} cut at {offset} of {len(content)} was read"
        assert content[:offset] == content[: _end_of_layers(content, offset)]
        assert all(np.array_equal(a, b.reshape(a.shape)) for a, b in _pairs(layers, weights))


def _end_of_layers(content: bytes, offset: int) -> int:
    """Where the last whole field of a net before `offset` ends, by a second, naive parser."""
    position = 0
    while position < offset:
        start = position
        lengths = []
        for _ in range(2):
            value, shift = 0, 0
            while True:
                byte = content[position]
                value |= (byte & 127) << shift
                position, shift = position + 1, shift + 7
                if byte < 128:
                    break
            lengths.append(value)
        position += lengths[1]
        if position > offset:
            return start
    return position


def _pairs(layers, weights):
    return [pair for layer in layers for pair in zip(weights[layer.name], layer.blobs, strict=True)]


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """One to four random injuries: bytes overwritten, bits flipped, parts cut out, doubled or zeroed."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        # The beginning and the end hold the structure of most formats.
        at = int(
            rng.choice([rng.integers(len(data)), rng.integers(min(len(data), 400)), -rng.integers(1, 300)])
        )
        at %= len(data)
        size = int(rng.integers(1, 9))
        match rng.integers(6):
            case 0:
                data[at] ^= 1 << int(rng.integers(8))
            case 1:
                data[at] = int(rng.integers(256))
            case 2:
                data[at : at + size] = b"\xff" * size
            case 3:
                data[at : at + size] = bytes(size)
            case 4:
                del data[at : at + size]
            case _:
                data[at:at] = rng.bytes(size)
    return bytes(data)


def survive(content: bytes, count: int, place, seed: int) -> None:
    """Reads `count` injured copies: only RunError, no hang, no memory."""
    rng = np.random.default_rng(seed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read = 0
    tracemalloc.start()
    try:
        started = time.monotonic()
        for _ in range(count):
            read += try_to_read(place(mutated(content, rng))) is not None
        assert time.monotonic() - started < 0.1 * count
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    # In kB; what C libraries reserve is not traced.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
    assert read < count, "no injury was noticed"


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_200_mutated_files_do_no_harm(variant, samples, place):
    survive(samples[variant][1], 200, place, seed=0)


@pytest.mark.exhaustive
@pytest.mark.parametrize("variant", VARIANTS)
def test_2000_mutated_files_do_no_harm(variant, samples, place):
    survive(samples[variant][1], 2000, place, seed=1)
