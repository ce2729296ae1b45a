"""Tests of EXIF orientation: what is read is what Pillow reads, and all decoders turn by it."""

import struct
import time
import tracemalloc
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from exif_files import damaged_exif, exif_block, jpeg_with, png_with
from PIL import ExifTags, Image, ImageOps

from fcn.data.encoded_image import EncodedImage
from fcn.data.image_header import open_header
from fcn.data.image_io import decode_image, read_image, read_size
from fcn.data.orientation import (
    exif_orientation,
    orientation_of,
    read_orientation,
    turned_back,
    upright,
    upright_size,
)
from fcn.errors import DataError

FORMATS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("JPEG", {"quality": 95}),
    ("JPEG", {"progressive": True}),
    ("PNG", {}),
    ("WEBP", {"lossless": True}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
)
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="{}"/></x:xmpmeta>'


def draw(height: int = 21, width: int = 34) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def encoded(kind: str, orientation: int | None = None, **options: Any) -> bytes:
    buffer = BytesIO()
    if orientation is not None:
        options["exif"] = Image.Exif()
        options["exif"][ExifTags.Base.Orientation] = orientation
    draw().save(buffer, kind, **options)
    return buffer.getvalue()


def pillow_orientation(data: bytes) -> int:
    """Returns what Pillow turns by in `ImageOps.exif_transpose`."""
    with Image.open(BytesIO(data)) as image:
        try:
            value = image.getexif().get(ExifTags.Base.Orientation, 1)
        except (SyntaxError, OSError, struct.error, ValueError):
            return 1
    return int(value) if value in range(2, 9) else 1


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def after_pixels(png: bytes, *chunks: bytes) -> bytes:
    return png[:-12] + b"".join(chunks) + png[-12:]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "options"), FORMATS)
def test_every_orientation_is_turned_as_pillow_does(
    kind: str, options: dict[str, Any], orientation: int, tmp_path: Path
) -> None:
    data = encoded(kind, orientation, **options)
    (tmp_path / "image").write_bytes(data)
    with Image.open(BytesIO(data)) as image:
        expected = np.array(ImageOps.exif_transpose(image))
    pixels = decode_image(data)
    np.testing.assert_allclose(pixels.astype(int), expected, atol=4 if kind == "JPEG" else 0)
    np.testing.assert_array_equal(read_image(tmp_path / "image"), pixels)
    assert read_size(tmp_path / "image") == pixels.shape[:2]
    assert exif_orientation(data) == read_orientation(tmp_path / "image") == orientation
    stored = EncodedImage(data).decode_stored()
    assert stored.shape == (21, 34, 3)
    np.testing.assert_array_equal(upright(stored, orientation), pixels)
    np.testing.assert_array_equal(upright(pixels, turned_back(orientation)), stored)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (1, 6), (6, 1, 3), (1, 1, 3)])
def test_images_and_labels_are_turned_alike(orientation: int, shape: tuple[int, ...]) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    image = Image.fromarray(pixels)
    image.getexif()[ExifTags.Base.Orientation] = orientation
    turned = upright(pixels, orientation)
    np.testing.assert_array_equal(turned, np.array(ImageOps.exif_transpose(image)))
    np.testing.assert_array_equal(upright(turned, turned_back(orientation)), pixels)


def test_what_is_upright_is_not_copied() -> None:
    pixels = np.zeros((2, 3, 3), np.uint8)
    assert upright(pixels, 1) is pixels


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_means_nothing_is_upright(value: int) -> None:
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        data = encoded(kind, value)
        assert exif_orientation(data) == 1
        assert decode_image(data).shape == (21, 34, 3)
    assert exif_orientation(encoded("BMP")) == 1
    assert exif_orientation(b"not an image") == 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["B", "H", "L", "b", "h", "l"])
def test_the_orientation_is_read_in_both_orders_and_of_every_type(order: str, kind: str) -> None:
    for value in range(1, 9):
        for data in (
            jpeg_with(exif_block(value, order, kind)),
            png_with(exif_block(value, order, kind)),
        ):
            assert exif_orientation(data) == pillow_orientation(data) == (1 if kind == "B" else value)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_and_hostile_exif_is_read_as_pillow_does() -> None:
    found = set()
    for block in damaged_exif(60):
        for data in (jpeg_with(block), png_with(block)):
            expected = pillow_orientation(data)
            assert exif_orientation(data) == expected, block
            found.add(expected)
    assert len(found) > 2


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_very_many_damaged_blocks_are_read_as_pillow_does() -> None:
    for block in damaged_exif(20_000):
        data = jpeg_with(block)
        assert exif_orientation(data) == pillow_orientation(data), block


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF"])
def test_an_orientation_in_xmp_alone_counts(kind: str) -> None:
    options = (
        {"tiffinfo": {700: XMP.format(6).encode()}} if kind == "TIFF" else {"xmp": XMP.format(6).encode()}
    )
    data = encoded(kind, **options)
    assert exif_orientation(data) == pillow_orientation(data) == 6
    assert decode_image(data).shape == (34, 21, 3)


def test_an_orientation_in_every_place_of_a_png_counts() -> None:
    plain, six = encoded("PNG"), chunk(b"eXIf", exif_block(6, ">", "H"))
    text = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.format(8).encode()
    packed = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP.format(7).encode())
    raw = b"\nexif\n    30\n" + (b"Exif\0\0" + exif_block(5, "<", "H")).hex().encode()
    for place in (
        lambda *chunks: after_pixels(plain, *chunks),
        lambda *chunks: plain[:33] + b"".join(chunks) + plain[33:],
    ):
        for chunks, expected in (
            ([six], 6),
            ([chunk(b"iTXt", text)], 8),
            ([chunk(b"iTXt", packed)], 7),
            ([chunk(b"tEXt", b"Raw profile type exif\0" + raw)], 5),
            ([chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw))], 5),
            ([chunk(b"tEXt", b"Comment\0eXIf"), six, chunk(b"iTXt", text)], 6),
            ([chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0not deflated")], 1),
            ([chunk(b"eXIf", b"")], 1),
        ):
            data = place(*chunks)
            assert exif_orientation(data) == expected, chunks
            assert pillow_orientation(data) == expected, chunks
    both = after_pixels(plain[:33] + chunk(b"eXIf", exif_block(3, "<", "H")) + plain[33:], six)
    assert exif_orientation(both) == pillow_orientation(both) == 3


def test_the_orientation_of_a_png_needs_no_pixels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Pillow decodes all of them before it says that there is none, unless it is not asked."""

    def refuse(_: object) -> None:
        raise AssertionError("pixels are decoded")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", refuse)
    for data, expected in (
        (encoded("PNG"), 1),
        (after_pixels(encoded("PNG"), chunk(b"eXIf", exif_block(6, ">", "H"))), 6),
        (encoded("PNG", 6), 6),
    ):
        path = tmp_path / "image.png"
        path.write_bytes(data)
        assert exif_orientation(data) == read_orientation(path) == expected
        assert read_size(path) == ((34, 21) if expected == 6 else (21, 34))


def shared_values(tags: int, size: int) -> bytes:
    """Returns an EXIF block in which the value of each tag is nearly the whole block."""
    entries = b"".join(struct.pack("<HHLL", tag, 1, size - 8, 8) for tag in range(1, tags + 1))
    block = b"II*\0" + struct.pack("<LH", 8, tags) + entries + bytes(4)
    return block + bytes(max(0, size - len(block)))


def test_a_block_of_very_many_tags_takes_little_memory() -> None:
    """Copied for each tag, its values would be 2.4 GB."""
    block = shared_values(3000, 800_000)
    parts = [block[place : place + 65_000] for place in range(0, len(block), 65_000)]
    for data in (png_with(block), jpeg_with(*parts)):
        assert len(data) > len(block)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as the command does
            tracemalloc.start()
            try:
                exif_orientation(data)
                assert tracemalloc.get_traced_memory()[1] < 20 << 20
            finally:
                tracemalloc.stop()


def test_a_block_of_as_many_tags_as_there_can_be_takes_little_time() -> None:
    data = png_with(shared_values(65_535, 800_000))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.process_time()
        exif_orientation(data)
        assert time.process_time() - began < 5


def test_a_header_is_read_once_and_stays_usable() -> None:
    data = after_pixels(encoded("PNG"), chunk(b"eXIf", exif_block(6, ">", "H")))
    header = open_header(data, "image")
    assert (orientation_of(header), upright_size(header)) == (6, (34, 21))
    assert orientation_of(header) == 6


def test_a_file_without_an_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"not an image")
    for name in ("a.jpg", "missing.jpg"):
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            read_orientation(tmp_path / name)


def test_pixels_of_a_large_image_are_turned_without_loss() -> None:
    pixels: npt.NDArray[np.uint8] = np.random.default_rng(1).integers(0, 256, (701, 1203, 3), np.uint8)
    for orientation in range(2, 9):
        image = Image.fromarray(pixels)
        image.getexif()[ExifTags.Base.Orientation] = orientation
        np.testing.assert_array_equal(upright(pixels, orientation), np.array(ImageOps.exif_transpose(image)))
