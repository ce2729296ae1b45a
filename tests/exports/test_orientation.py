"""Tests of EXIF orientation in a graph: it is what Pillow reads outside."""

import struct
import time
import zlib
from io import BytesIO

import numpy as np
import pytest
import tensorflow as tf
from exif_files import damaged_exif, exif_block, jpeg_with, png_with, segment
from PIL import Image

from fcn.data.orientation import exif_orientation
from fcn.exports.orientation import read_orientation
from fcn.inference.engines.saved_model_check import OPERATIONS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation%s/></x:xmpmeta>'
XMP_START = b"http://ns.adobe.com/xap/1.0/\0"
PLAIN = jpeg_with()


@pytest.fixture(scope="module")
def read():
    function = tf.function(read_orientation, input_signature=[tf.TensorSpec([], tf.string)])
    return lambda data: int(function(data))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*, before: bytes = b"", after: bytes = b"", pieces: int = 1) -> bytes:
    """Returns a PNG with chunks before and after its pixels, which are in some pieces."""
    buffer = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    plain = buffer.getvalue()
    start = plain.index(b"IDAT") - 4
    packed = plain[start + 8 : start + 8 + int.from_bytes(plain[start : start + 4])]
    size = -(-len(packed) // pieces)
    idat = b"".join(chunk(b"IDAT", packed[at : at + size]) for at in range(0, len(packed), size))
    return plain[:33] + before + idat + after + plain[-12:]


def jpeg(*segments: bytes) -> bytes:
    return PLAIN[:2] + b"".join(segments) + PLAIN[2:]


def exif_segment(block: bytes) -> bytes:
    return segment(0xE1, b"Exif\0\0" + block)


def check(read, data: bytes, expected: int | None = None) -> None:
    outside = exif_orientation(data)
    assert read(data) == outside, data[:200]
    assert expected is None or outside == expected


@pytest.mark.parametrize("make", [jpeg_with, png_with])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_orientation_is_read_in_both_orders_of_bytes(read, order: str, make) -> None:
    for value in range(10):
        check(read, make(exif_block(value, order)), value if 1 <= value <= 8 else 1)
    for kind in "BHLbhl":
        for count in (1, 2, 3):
            check(read, make(exif_block(6, order, kind, count=count)), 1 if kind == "B" else 6)


def test_damaged_and_hostile_exif_is_read_as_outside(read) -> None:
    for block in damaged_exif(40):
        check(read, jpeg_with(block))
        check(read, png_with(block))


@pytest.mark.exhaustive
def test_very_many_damaged_blocks_are_read_as_outside(read) -> None:
    for block in damaged_exif(3000):
        check(read, jpeg_with(block))
        check(read, png_with(block))


def test_files_without_an_orientation_are_upright(read) -> None:
    for data in (PLAIN, png(), b"", b"BM", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe1\xff"):
        check(read, data, 1)


def test_exif_may_be_in_several_segments(read) -> None:
    block = exif_block(6, ">", before=5)
    for place in (1, 4, 9, 20, 70, len(block) - 1):
        parts = [exif_segment(block[:place]), exif_segment(block[place:])]
        check(read, jpeg(*parts), 6)
        check(read, jpeg(parts[0], segment(0xFE, b"a comment"), parts[1]), 6)
        check(read, jpeg(*parts[::-1]))
    check(read, jpeg(exif_segment(exif_block(6)), exif_segment(exif_block(3))), 6)
    check(read, jpeg(exif_segment(b""), exif_segment(exif_block(3))), 3)
    check(read, jpeg(exif_segment(b"Exif\0\0" + block)), 6)
    check(read, jpeg(segment(0xE1, b"Exif")), 1)


def test_tags_that_come_twice_or_are_too_long_count_as_outside(read) -> None:
    def block(*entries: tuple[int, int, int, int], tail: bytes = b"") -> bytes:
        body = b"".join(struct.pack("<HHLL", *entry) for entry in entries)
        return struct.pack("<4sLH", b"II*\0", 8, len(entries)) + body + bytes(4) + tail

    six, three = (274, 3, 1, 6), (274, 3, 1, 3)
    for entries in (
        (six, three),
        ((274, 99, 1, 3), six),  # of an unknown type
        ((274, 3, 0, 3), six),  # without a value
        ((271, 2, 400, 8), six),  # longer than the block
        ((271, 2, 20, 60), six),  # ends after the block
        (six, (271, 2, 20, 60)),
        ((271, 2, 20, 8), (271, 2, 20, 60), six),  # again, which is not looked at
        ((271, 2, 30, 8), (272, 2, 30, 8), (273, 2, 30, 99), six),  # too long together, then not looked at
        ((274, 3, 50, 8), six),
        ((274, 3, 3, 8), six),
        ((274, 2, 4, 6), six),  # a text
        ((274, 16, 1, 24), (0, 1, 1, 0)),
        ((274, 13, 1, 6),),
        ((274, 5, 1, 8),),
    ):
        for tail in (b"", bytes(40), struct.pack("<Q", 5) * 4):
            check(read, jpeg(exif_segment(block(*entries, tail=tail))))


def test_xmp_counts_where_exif_has_no_orientation(read) -> None:
    eight = segment(0xE1, XMP_START + XMP % b'="8"')
    check(read, jpeg(eight), 8)
    check(read, jpeg(segment(0xE1, XMP_START + XMP % b">7<")), 7)
    check(read, jpeg(segment(0xE1, XMP_START + XMP % b"='7'")), 1)
    check(read, jpeg(segment(0xE1, XMP_START + XMP % b'="0"')), 1)
    check(read, jpeg(segment(0xE1, XMP_START + b"tiff:Orientation")), 1)
    check(read, jpeg(segment(0xE1, XMP_START)), 1)
    check(read, jpeg(segment(0xE1, XMP_START + b'tiff:Orientation="x tiff:Orientation="5')), 5)
    check(read, jpeg(eight, segment(0xE1, XMP_START + XMP % b'="5"')), 5)
    check(read, jpeg(exif_segment(exif_block(3)), eight), 3)
    check(read, jpeg(eight, exif_segment(exif_block(9))), 1)
    without = bytearray(exif_block(3, before=0))
    without[10] = 1  # another tag
    check(read, jpeg(eight, exif_segment(bytes(without))), 8)
    check(read, jpeg(eight, exif_segment(b"")), 8)
    check(read, jpeg(eight, exif_segment(b"not a TIFF")), 1)


def test_padding_and_other_markers_are_passed_over(read) -> None:
    six = exif_segment(exif_block(6))
    for before in (
        b"\xff" * 7,
        b"\xff" * 70_000,
        b"junk between segments",
        bytes(70_000),
        b"\xff\0\xff\0",
        b"\xff\xd0\xff\x01"[:2],
        segment(0xFE, b""),
        segment(0xE2, b"x" * 65_533),
        segment(0xE1, b"http://ns.adobe.com/xap/1.1/\0"),
        b"\xff\xfe\0\0",
    ):
        check(read, jpeg(segment(0xFE, b"a comment"), before, six), 6)
    scan = PLAIN.index(b"\xff\xda")
    check(read, PLAIN[:scan] + six + PLAIN[scan:], 6)
    check(read, PLAIN + six, 1)  # after the image


def test_a_png_may_have_its_exif_anywhere(read) -> None:
    three, six = (chunk(b"eXIf", exif_block(value, ">")) for value in (3, 6))
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP % b'="8"')
    for pieces in (1, 2, 7, 60):
        check(read, png(before=six, pieces=pieces), 6)
        check(read, png(after=six, pieces=pieces), 6)
        check(read, png(before=three, after=six, pieces=pieces), 3)
        check(read, png(after=three + chunk(b"tEXt", b"Title\0eXIf") + six, pieces=pieces), 6)
        check(read, png(before=text, pieces=pieces), 8)
        check(read, png(after=text, pieces=pieces), 8)
        check(read, png(before=text, after=six, pieces=pieces), 6)
    check(read, png(before=chunk(b"eXIf", b"")), 1)
    check(read, png(before=chunk(b"tEXt", b"Comment\0eXIf")), 1)
    check(read, png() + six, 1)


def test_files_of_very_many_segments_end_in_time(read) -> None:
    begin = time.monotonic()
    for data in (
        jpeg(segment(0xFE, b"") * 300_000),
        jpeg(b"\xff" * 3_000_000),
        jpeg(b"\xff\0" * 1_000_000),
        jpeg(exif_segment(exif_block(6)) * 3000),
        jpeg(segment(0xE1, XMP_START) * 3000),
        png(before=chunk(b"tEXt", b"") * 200_000),
        png(after=chunk(b"IDAT", b"") * 200_000),
        jpeg(exif_segment(struct.pack("<4sLH", b"II*\0", 8, 65_535) + bytes(65_000))),
    ):
        assert read(data) in (1, 6)
    assert time.monotonic() - begin < 60


def test_all_operations_may_be_in_an_export() -> None:
    graph = tf.function(read_orientation, input_signature=[tf.TensorSpec([], tf.string)])
    definition = graph.get_concrete_function().graph.as_graph_def()
    found = {node.op for function in definition.library.function for node in function.node_def}
    assert found <= OPERATIONS
