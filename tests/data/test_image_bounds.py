"""Files whose few bytes ask for minutes or gigabytes are refused before they are decoded."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fcn.data import image_bounds
from fcn.data.image_bounds import MAX_SIDE, decoding_seconds
from fcn.data.image_header import open_header
from fcn.data.image_io import decode_image, read_file, read_image, read_label, read_size
from fcn.data.tiff_bounds import MAX_TAGS
from fcn.errors import DataError


def progressive(height: int, width: int, thumbnail: bytes = b"") -> bytes:
    buffer = BytesIO()
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))
    image.save(buffer, "JPEG", progressive=True, comment=thumbnail)
    return buffer.getvalue()


def with_scans(data: bytes, more: int) -> bytes:
    """A JPEG whose last scan is repeated."""
    last = data.rindex(b"\xff\xda")
    return data[:-2] + more * data[last:-2] + data[-2:]


def test_a_jpeg_of_many_scans_is_refused_and_named() -> None:
    data = progressive(64, 64)
    usual = data.count(b"\xff\xda")
    assert usual > 5
    assert decode_image(with_scans(data, 256 - usual)).shape == (64, 64, 3)
    with pytest.raises(DataError, match=r"bomb\.jpg: expected a JPEG of at most 256 scans\. Received: 257,"):
        decode_image(with_scans(data, 257 - usual), "bomb.jpg")


def test_a_large_jpeg_may_have_fewer_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_bounds, "_SCANNED_PIXELS", 64 * 64 * 20)
    data = progressive(64, 64)
    usual = data.count(b"\xff\xda")
    assert decode_image(with_scans(data, 20 - usual)).shape == (64, 64, 3)
    with pytest.raises(DataError, match="at most 20 scans"):
        decode_image(with_scans(data, 21 - usual))
    monkeypatch.setattr(image_bounds, "_SCANNED_PIXELS", 1)  # every image may have as many as encoders write
    assert decode_image(data).shape == (64, 64, 3)


def test_scans_of_previews_and_comments_do_not_count() -> None:
    data = progressive(32, 32, thumbnail=b"\xff\xda\0\x0c" * 1000)
    assert data.count(b"\xff\xda") > 1000
    assert decode_image(data).shape == (32, 32, 3)


def test_starts_of_scans_are_counted_at_every_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcn.data.scans._BLOCK", 8)
    photo = progressive(8, 8)
    header, usual = open_header(photo, "a"), photo.count(b"\xff\xda")
    rng = np.random.default_rng(0)
    for length in (*range(20), 997, 1000):
        for _ in range(20):
            data = photo + rng.choice(np.array([0x00, 0xDA, 0xFF], np.uint8), length).tobytes()
            found = decoding_seconds(header, data, 40_000_000)
            assert found == data.count(b"\xff\xda") >= usual, data


def test_of_a_file_with_all_colors_in_one_scan_no_other_is_decoded() -> None:
    """So that nothing is counted for nearly all files."""
    for channels in (3, 1):
        photo, other = (random_jpeg(channels, seed) for seed in range(2))
        many = photo[:-2] + 300 * other[other.index(b"\xff\xda") : -2] + photo[-2:]
        assert decoding_seconds(open_header(many, "a"), many, 40_000_000) == 1
        try:
            pixels = decode_image(many)
        except DataError:
            continue  # the decoder may as well expect the end after the first scan
        np.testing.assert_array_equal(pixels, decode_image(photo))


def random_jpeg(channels: int, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (200, 200, channels), np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(buffer, "JPEG")
    return buffer.getvalue()


def test_of_a_file_with_a_scan_for_each_color_all_are_counted() -> None:
    buffer = BytesIO()
    Image.new("RGB", (32, 32)).save(buffer, "JPEG")
    data = buffer.getvalue()
    place = data.index(b"\xff\xda")
    first = b"\xff\xda\0\x08\x01" + data[place + 5 : place + 7] + data[place + 11 :]
    many = with_scans(data[:place] + first, 300)
    assert decoding_seconds(open_header(many, "a"), many, 40_000_000) == 301
    with pytest.raises(DataError, match=r"at most 256 scans\. Received: 301"):
        decode_image(many)


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def scan_of(color: int) -> bytes:
    return segment(0xDA, bytes([1, color, 0, 0, 63, 0]))


def crafted_jpeg(side: int, colors: int, *rest: bytes) -> bytes:
    """A JPEG that is not progressive; each of its tables has one code."""
    tables = segment(0xDB, b"\0" + b"\1" * 64)
    tables += b"".join(segment(0xC4, bytes([kind, 1, *([0] * 16)])) for kind in (0x00, 0x10))
    frame = struct.pack(">BHHB", 8, side, side, colors)
    frame += b"".join(bytes([color, 0x11, 0]) for color in range(1, colors + 1))
    return b"\xff\xd8" + tables + segment(0xC0, frame) + b"".join(rest) + b"\xff\xd9"


def test_a_comment_that_ends_like_the_header_of_a_scan_does_not_hide_others() -> None:
    comment = segment(0xFE, b"\xff\xda\0\x0e\x04\0")
    scans = [scan_of(1 + scan % 4) for scan in range(300)]
    assert decode_image(crafted_jpeg(8, 4, comment, *scans[:256])).shape == (8, 8, 3)
    data = crafted_jpeg(8, 4, comment, *scans)
    assert decoding_seconds(open_header(data, "a"), data, 40_000_000) >= 300
    with pytest.raises(DataError, match=r"at most 256 scans\. Received: 300"):
        decode_image(data)


@pytest.mark.parametrize("marker", [0x02, 0x4F, 0xBF])
def test_an_unknown_marker_with_a_length_does_not_hide_scans(marker: int) -> None:
    """Where it may resume, the decoder looks for the next marker, and not behind the length."""
    restart = segment(0xDD, b"\0\1")
    scans = [scan_of(1 + scan % 3) for scan in range(300)]
    hiding = [restart, scan_of(1), bytes([0xFF, marker, 0xFF, 0xFF])]
    assert decode_image(crafted_jpeg(16, 3, *hiding, *scans[:255])).shape == (16, 16, 3)
    with pytest.raises(DataError, match=r"at most 256 scans\. Received: 301"):
        decode_image(crafted_jpeg(16, 3, *hiding, *scans, bytes(65_535)))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize(
    ("kind", "begin", "most"),
    [
        (b"zTXt", b"a\0\0", 8),
        (b"iTXt", b"a\0\1\0\0\0", 8),
        (b"iTXt", b"a\0\0\0\0\0", 30),  # not compressed
        (b"tEXt", b"a\0", 30),
    ],
)
def test_compressed_texts_of_a_png_are_limited(kind: bytes, begin: bytes, most: int) -> None:
    """Those behind the pixels, which Pillow reads later than the header, would take minutes."""
    text = chunk(kind, begin + zlib.compress(bytes(31_700_000), 9))
    assert 8 * len(text) < 262_144 < 9 * len(text)
    buffer = BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "PNG")
    png, end = buffer.getvalue()[:-12], buffer.getvalue()[-12:]
    if most > 8:
        assert decode_image(png + most * text + end).shape == (16, 16, 3)
        return
    small = chunk(kind, begin + zlib.compress(b"camera"))
    assert decode_image(png + most * small + end).shape == (16, 16, 3)
    with pytest.raises(DataError, match=r"bomb\.png: expected at most 262,144 bytes of compressed text"):
        decode_image(png + 9 * text + end, "bomb.png")


@pytest.mark.parametrize("size", [(1, MAX_SIDE + 1), (MAX_SIDE + 1, 1)])
def test_the_longest_sides_are_refused(size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "long.tif"
    Image.new("L", size[::-1]).save(path, compression="tiff_adobe_deflate")
    for read in (read_image, read_size):
        with pytest.raises(DataError, match=rf"long\.tif: expected at most {MAX_SIDE:,} pixels a side"):
            read(path)


def tiff(*entries: tuple[int, int, int, int], big: bool = False, more: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory: its (tag, type, count, value)s."""
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) if big else struct.pack("<2sHI", b"II", 42, 8)
    count = struct.pack("<Q" if big else "<H", len(entries))
    body = b"".join(struct.pack("<HHQQ" if big else "<HHII", *entry) for entry in entries)
    return head + count + body + bytes(8) + more


SMALL = ((256, 4, 1, 16), (257, 4, 1, 16), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1))


# A fraction of the zeros behind the tags, text, and a float that is not a number.
@pytest.mark.parametrize(("kind", "count", "value"), [(5, 1, 8192), (2, 4, 0x636261), (11, 1, 0x7FC00000)])
def test_sides_of_tiles_that_are_not_numbers_are_refused(kind: int, count: int, value: int) -> None:
    strips = ((273, 4, 1, 200), (278, 4, 1, 16), (279, 4, 1, 256))
    sides = ((tag, kind, count, value) for tag in (322, 323))
    assert open_header(tiff(*SMALL, *strips, more=bytes(9000)), "strips.tif").size == (16, 16)
    with pytest.raises(DataError, match=r"odd\.tif: is truncated or not an image"):
        open_header(tiff(*SMALL, *strips, *sides, more=bytes(9000)), "odd.tif")


def test_tiles_larger_than_their_image_are_refused() -> None:
    huge = tiff(*SMALL, (322, 4, 1, 24_000), (323, 4, 1, 24_000), (324, 4, 1, 8), (325, 4, 1, 8))
    with pytest.raises(DataError, match=r"bomb\.tif: .*Received: tiles of 24000 x 24000 pixels"):
        decode_image(huge, "bomb.tif")
    usual = tiff(*SMALL, (322, 4, 1, 256), (323, 4, 1, 256), (324, 4, 1, 8), (325, 4, 1, 8))
    assert open_header(usual, "tiles.tif").size == (16, 16)


@pytest.mark.parametrize("kind", [17, 18])
def test_sides_of_tiles_that_only_one_decoder_sees_are_refused(kind: int) -> None:
    sides = ((322, kind, 1, 24_000), (323, kind, 1, 24_000))
    data = tiff(*SMALL, *sides, (324, 4, 1, 8), (325, 4, 1, 8), big=True)
    with pytest.raises(DataError, match=rf"bomb\.tif: .*Received: tag 322 of type {kind}\."):
        decode_image(data, "bomb.tif")


def jpeg_tiff(height: int, width: int, jpeg: bytes) -> bytes:
    """A gray TIFF of one strip, which is a JPEG."""
    sides = ((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 7), (262, 3, 1, 1))
    entries = (*sides, (273, 4, 1, 126), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, len(jpeg)))
    return tiff(*entries, more=jpeg)


@pytest.mark.parametrize(
    "before", [b"", b"\xff", b"\xff\0", b"\xff\x01", segment(0xFE, b"a" * 20), segment(0xE0, b"")]
)
def test_a_jpeg_larger_than_its_tiff_is_refused(before: bytes) -> None:
    """A strip that comes last may be of any height, and is decoded whole if it has several scans."""
    usual = crafted_jpeg(16, 1, before, scan_of(1))
    assert decode_image(jpeg_tiff(16, 16, usual)).shape == (16, 16, 3)
    tall = usual.replace(struct.pack(">HH", 16, 16), struct.pack(">HH", 65_000, 2048))
    early = tall.replace(b"\xff\xc0", before + b"\xff\xc0")
    for data in (tall, early):
        with pytest.raises(DataError, match=r"bomb\.tif: .*Received: one of 2048 x 65000 pixels"):
            open_header(jpeg_tiff(16, 2048, data), "bomb.tif")


def test_bytes_between_the_segments_of_a_jpeg_do_not_hide_its_size() -> None:
    jpeg = crafted_jpeg(16, 1, scan_of(1)).replace(b"\xff\xc0", b"a\xff\xc0")
    with pytest.raises(DataError, match=r"odd\.tif: is a TIFF with damaged JPEGs"):
        open_header(jpeg_tiff(16, 16, jpeg), "odd.tif")


def test_scans_of_a_jpeg_in_a_tiff_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_bounds, "_SCANNED_PIXELS", 16 * 16 * 20)
    first, others = segment(0xDA, b"\1\1\0\0\0\0"), segment(0xDA, b"\1\1\0\1\x3f\0")
    for scans in (20, 21):
        jpeg = crafted_jpeg(16, 1, first, *[others] * (scans - 1)).replace(b"\xff\xc0", b"\xff\xc2")
        data = jpeg_tiff(16, 16, jpeg)
        assert decoding_seconds(open_header(data, "a"), data, 40_000_000) == scans
        if scans == 20:
            assert decode_image(data).shape == (16, 16, 3)
        else:
            with pytest.raises(DataError, match=r"at most 20 scans\. Received: 21"):
                decode_image(data)


def test_scans_that_strips_of_a_tiff_share_count_for_each() -> None:
    first, others = segment(0xDA, b"\1\1\0\0\0\0"), segment(0xDA, b"\1\1\0\1\x3f\0")
    jpeg = crafted_jpeg(16, 1, first, *[others] * 19).replace(b"\xff\xc0", b"\xff\xc2")
    sides = ((256, 4, 1, 16), (257, 4, 1, 32), (258, 3, 1, 8), (259, 3, 1, 7), (262, 3, 1, 1))
    entries = (*sides, (273, 4, 2, 126), (277, 3, 1, 1), (278, 4, 1, 16), (279, 4, 2, 134))
    other = crafted_jpeg(16, 1, first)
    for second, last, scans in ((142, b"", 20), (142 + len(jpeg), other, 11)):
        places = struct.pack("<4I", 142, second, len(jpeg), len(last or jpeg))
        data = tiff(*entries, more=places + jpeg + last)
        assert decoding_seconds(open_header(data, "a"), data, 40_000_000) == scans
        assert decode_image(data).shape == (32, 16, 3)


def old_jpeg_tiff(height: int, width: int, jpeg: bytes) -> bytes:
    """A TIFF of compression 6 (TIFF 6.0, section 22): tags say where a whole JPEG of three colors is."""
    sides = ((256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, 174), (259, 3, 1, 6), (262, 3, 1, 6))
    strip = ((273, 4, 1, 180), (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 1, len(jpeg)))
    place = ((512, 3, 1, 1), (513, 4, 1, 180), (514, 4, 1, len(jpeg)), (530, 3, 2, 1 | 1 << 16))
    return tiff(*sides, *strip, *place, more=struct.pack("<3H", 8, 8, 8) + jpeg)


def test_an_old_jpeg_in_a_tiff_is_decoded_once_and_in_its_size() -> None:
    """The decoder itself takes nothing else, so that no check is needed."""
    buffer = BytesIO()
    Image.fromarray(noise := np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(
        buffer, "JPEG", quality=100, subsampling=0
    )
    usual = buffer.getvalue()
    pixels = decode_image(old_jpeg_tiff(64, 64, usual))
    assert np.abs(pixels.astype(int) - noise).max() < 20
    np.testing.assert_array_equal(decode_image(old_jpeg_tiff(64, 64, with_scans(usual, 300))), pixels)
    larger = usual.replace(struct.pack(">HH", 64, 64), struct.pack(">HH", 65_000, 65_000))
    for data in (larger, progressive(64, 64)):
        with pytest.raises(DataError, match=r"bomb\.tif: is truncated or a TIFF that cannot be decoded"):
            decode_image(old_jpeg_tiff(64, 64, data), "bomb.tif")


@pytest.mark.parametrize("big", [False, True])
def test_tags_that_share_their_values_are_refused(big: bool) -> None:
    # Each of the tags is as long as the file, so that reading them all takes a thousand times as long.
    entries = [*SMALL, *((40_000 + number, 7, 20_000, 100) for number in range(1000))]
    with pytest.raises(DataError, match=r"bomb\.tif: expected tags that are no longer than the file"):
        open_header(tiff(*entries, big=big), "bomb.tif")


@pytest.mark.parametrize("big", [False, True])
def test_very_many_tags_are_refused(big: bool) -> None:
    entries = [*SMALL, *((1000 + number, 3, 1, 1) for number in range(MAX_TAGS))]
    with pytest.raises(DataError, match=rf"expected at most {MAX_TAGS} tags\. Received: {MAX_TAGS + 5}\."):
        open_header(tiff(*entries, big=big), "bomb.tif")


def test_later_directories_are_checked_too() -> None:
    first = tiff(*SMALL)[:-8]
    second = len(first) + 4
    entries = [(40_000 + number, 7, 20_000, 100) for number in range(1000)]
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    with pytest.raises(DataError, match="no longer than the file"):
        open_header(first + struct.pack("<I", second) + body + bytes(4), "pages.tif")


def test_directories_in_a_circle_end() -> None:
    first = tiff(*SMALL, (273, 4, 1, 8), (279, 4, 1, 256))[:-8]
    assert open_header(first + struct.pack("<I", 8), "circle.tif").size == (16, 16)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_a_directory_that_is_cut_off_is_damaged() -> None:
    whole = tiff(*SMALL)
    for length in range(8, len(whole) - 8):
        with pytest.raises(DataError, match=r"half\.tif: "):
            decode_image(whole[:length], "half.tif")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs devices")
@pytest.mark.parametrize("read", [read_image, read_size, read_label, read_file])
def test_a_link_to_a_device_is_refused(read: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "endless.png"
    path.symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"endless\.png: is (a device|truncated)"):
        read(path)
