"""Packed numbers, against the library of Protocol Buffers."""

import numpy as np
import pytest
from grpc_server import message
from tensorflow.core.framework.tensor_pb2 import TensorProto

from fcn.server.grpc.numbers import read_uint8, write_uint8
from fcn.server.interface import ServerError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(0, np.uint8),
        np.array([127, 128, 0, 255, 1], np.uint8),
        np.arange(256, dtype=np.uint8),
        RNG.integers(0, 128, 1000).astype(np.uint8),
        RNG.integers(0, 256, 2**20 + 3).astype(np.uint8),
    ],
)
def test_numbers_are_those_of_the_library(values):
    official = TensorProto(int_val=values.tolist())
    ours = message("tensorflow.TensorProto", int_val=[write_uint8(values)] if len(values) else [])
    assert ours.SerializeToString() == official.SerializeToString()
    read = message("tensorflow.TensorProto")
    read.ParseFromString(official.SerializeToString())
    assert np.array_equal(read_uint8(read.int_val, "int_val"), values)


def test_parts_follow_each_other_even_within_a_number():
    written = write_uint8(np.array([5, 200, 7], np.uint8))
    assert read_uint8([written[:2], written[2:]], "x").tolist() == [5, 200, 7]


@pytest.mark.parametrize("value", [256, 300, 2**14, 2**31 - 1, -1])
@pytest.mark.parametrize("after", [[], [3]])
def test_other_numbers_are_refused(value, after):
    packed = TensorProto(int_val=[1, value, *after]).SerializeToString()[2:]
    with pytest.raises(ServerError, match="Expected integers 0 to 255 in `x`"):
        read_uint8([packed], "x")


@pytest.mark.parametrize("packed", [b"\x80", b"\x01\xff", b"\xff\xff\x01", b"\x81\x02"])
def test_damaged_lists_are_refused(packed):
    with pytest.raises(ServerError, match="Expected integers 0 to 255"):
        read_uint8([packed], "x")
