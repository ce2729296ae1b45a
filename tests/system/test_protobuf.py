"""Tests of written fields, read by the library of Protocol Buffers."""

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from fcn.system.protobuf import field, field_head

NAME = FileDescriptorProto.NAME_FIELD_NUMBER


# Lengths are written in seven bits a byte: lengths below and from 2**7 and 2**14 on.
@pytest.mark.parametrize("length", [0, 1, 127, 128, 300, 2**14 - 1, 2**14, 70_000])
def test_a_field_is_the_one_the_library_writes(length: int) -> None:
    text = "a" * length
    written = field(NAME, text.encode())
    assert written == FileDescriptorProto(name=text).SerializeToString()
    assert written == field_head(NAME, length) + text.encode()


@pytest.mark.parametrize("number", [15, 16, 2047, 2048, 2**29 - 1])
def test_every_number_of_a_field_is_read(number: int) -> None:
    before = FileDescriptorProto(name="net").SerializeToString()
    content = before + field(number, b"unknown")
    message = FileDescriptorProto.FromString(content)
    assert message.name == "net"
    assert message.SerializeToString() == content  # unknown fields are kept


def test_a_length_of_gigabytes_needs_no_content() -> None:
    assert field_head(1, 2**31 - 1) == b"\x0a\xff\xff\xff\xff\x07"
