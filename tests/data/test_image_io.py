"""Tests of reading and writing images and labels."""

import itertools
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fcn.classes import VOC_CLASS_NAMES, VOID, Classes, voc_palette
from fcn.data.image_io import (
    check_label,
    colorize,
    decode_image,
    encode_jpeg,
    encode_label,
    read_file,
    read_image,
    read_label,
    read_palette,
    read_size,
    write_label,
)
from fcn.data.orientation import exif_orientation
from fcn.errors import DataError, OutputError

Pixels = npt.NDArray[np.uint8]
VOC = Classes.named(VOC_CLASS_NAMES)


def draw(height: int, width: int, seed: int = 0) -> Pixels:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 4 + 2, width // 4 + 2, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def grey_png(width: int, height: int, depth: int, rows: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("folder", ["voc_root", "camvid_root"])
def test_real_images_are_what_tensorflow_decodes(folder: str, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(folder)
    paths = sorted(path for path in (root / "JPEGImages").iterdir() if path.suffix in (".jpg", ".png"))
    for path in paths[:: max(1, len(paths) // 12)]:
        data = path.read_bytes()
        if path.suffix == ".jpg":
            expected = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")
        else:
            expected = tf.io.decode_png(data, channels=3)
        np.testing.assert_array_equal(read_image(path), expected, str(path))


@pytest.mark.parametrize(
    "options", [{"quality": 40}, {"quality": 95, "subsampling": 0}, {"progressive": True}, {"optimize": True}]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_kind_of_jpeg_is_what_tensorflow_decodes(mode: str, options: dict[str, Any]) -> None:
    data = encoded(Image.fromarray(draw(45, 67)).convert(mode), "JPEG", **options)
    expected = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")
    np.testing.assert_array_equal(decode_image(data), expected)


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_lossless_formats_come_back_as_they_were(kind: str) -> None:
    image = draw(21, 34)
    decoded = decode_image(encoded(Image.fromarray(image), kind))
    np.testing.assert_array_equal(decoded, image)
    assert decoded.dtype == np.uint8


@pytest.mark.parametrize("kind", ["PNG", "BMP", "JPEG"])
@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_becomes_three_equal_channels(kind: str, mode: str) -> None:
    if (kind, mode) == ("JPEG", "1"):
        mode = "L"
    grey = Image.fromarray(draw(21, 34)).convert(mode)
    data = encoded(grey, kind)
    decoded = decode_image(data)
    with Image.open(BytesIO(data)) as image:
        expected = np.array(image.convert("L"))
    for channel in range(3):
        np.testing.assert_array_equal(decoded[..., channel], expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_dropped_and_not_blended(mode: str) -> None:
    image = Image.fromarray(draw(21, 34)).convert(mode)
    expected = np.array(image.convert(mode[:-1]).convert("RGB"))
    image.putalpha(Image.fromarray(draw(21, 34, seed=1)[..., 0]))
    np.testing.assert_array_equal(decode_image(encoded(image)), expected)


def test_a_palette_image_becomes_its_colors_even_where_they_are_transparent() -> None:
    image = Image.fromarray(draw(21, 34)).convert("P")
    expected = np.array(image.convert("RGB"))
    np.testing.assert_array_equal(decode_image(encoded(image)), expected)
    np.testing.assert_array_equal(decode_image(encoded(image, transparency=bytes(range(256)))), expected)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_of_16_bits_the_upper_8_are_kept(channels: int, rng: np.random.Generator) -> None:
    deep = rng.integers(0, 2**16, (21, 34, channels), np.uint16)
    data = cv2.imencode(".png", deep)[1].tobytes()
    # OpenCV stores blue first.
    expected = np.repeat(deep, 3, axis=2) if channels == 1 else deep[..., 2::-1]
    np.testing.assert_array_equal(decode_image(data), expected >> 8)


@pytest.mark.parametrize(
    ("kind", "options"), [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("BMP", {})]
)
def test_the_first_part_of_an_image_is_refused(kind: str, options: dict[str, Any]) -> None:
    data = encoded(Image.fromarray(draw(24, 31)), kind, **options)
    for length in range(0, len(data) - 1, max(1, len(data) // 150)):
        with pytest.raises(DataError, match=r"photo\.x: is (truncated|empty)"):
            decode_image(data[:length], "photo.x")
    np.testing.assert_array_equal(decode_image(data).shape, (24, 31, 3))


def test_a_truncated_photograph_is_refused_and_named(voc_root: Path, tmp_path: Path) -> None:
    source = next((voc_root / "JPEGImages").glob("*.jpg"))
    data = source.read_bytes()
    path = tmp_path / source.name
    for length in np.linspace(0, len(data) - 2, 25).astype(int).tolist():
        path.write_bytes(data[:length])
        with pytest.raises(DataError) as caught:
            read_image(path)
        assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for read in (read_file, read_image, read_label, read_size):
        with pytest.raises(DataError, match=r"none\.png: cannot be read") as caught:
            read(tmp_path / "none.png")
        assert "No such file" in str(caught.value)
        with pytest.raises(DataError, match="cannot be read"):
            read(tmp_path)


def test_an_image_of_absurd_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(grey_png(70_000, 70_000, 8, b"\0"))
    for read in (read_image, read_label):
        with pytest.raises(DataError, match=r"bomb\.png"):
            read(path)


def test_a_label_is_read_as_indices_and_never_as_colors(tmp_path: Path) -> None:
    label = np.array([[15, 0, VOID], [1, 20, 15]], np.uint8)
    path = tmp_path / "label.png"
    write_label(path, label, VOC)
    with Image.open(path) as image:
        assert image.mode == "P"
        assert image.convert("RGB").getpixel((0, 0)) == (192, 128, 128)
    np.testing.assert_array_equal(read_label(path), label)
    palette = read_palette(path)
    assert palette is not None
    np.testing.assert_array_equal(palette, voc_palette())


def test_labels_of_voc_hold_its_classes_and_void(voc_root: Path) -> None:
    paths = sorted((voc_root / "SegmentationClass").glob("*.png"))[:20]
    values = {value for path in paths for value in np.unique(read_label(path)).tolist()}
    assert {0, VOID} < values <= {*range(21), VOID}


@settings(max_examples=40)
@given(data=st.data(), height=st.integers(1, 30), width=st.integers(1, 30), palette=st.booleans())
def test_a_label_survives_being_encoded_and_read(
    data: st.DataObject, height: int, width: int, palette: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = data.draw(st.binary(min_size=height * width, max_size=height * width))
    label = np.frombuffer(content, np.uint8).reshape(height, width)
    path = tmp_path_factory.getbasetemp() / "round_trip.png"
    path.write_bytes(encode_label(label, VOC if palette else None))
    read = read_label(path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, label)
    assert (read_palette(path) is not None) == palette
    assert read_size(path) == (height, width)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_palette_label_of_few_bits_keeps_its_ids(tmp_path: Path, bits: int) -> None:
    label = (np.arange(35).reshape(5, 7) % 2**bits).astype(np.uint8)
    image = Image.fromarray(label)
    image.putpalette(voc_palette()[: 2**bits].tobytes())
    (tmp_path / "label.png").write_bytes(encoded(image, bits=bits))
    np.testing.assert_array_equal(read_label(tmp_path / "label.png"), label)


def test_a_grey_label_of_few_bits_is_not_read_as_other_ids(tmp_path: Path) -> None:
    # Pillow stretches 4 bits to 8 as if they were brightness: class 1 would become 17.
    path = tmp_path / "label.png"
    path.write_bytes(grey_png(2, 1, 4, b"\x00\x12"))
    with pytest.raises(DataError, match=r"label\.png: expected a label of class ids"):
        read_label(path)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "1", "I;16"])
def test_a_label_of_colors_or_another_depth_is_refused(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "label.png"
    path.write_bytes(encoded(Image.fromarray(draw(8, 9)).convert("L").convert(mode)))
    with pytest.raises(DataError, match="expected a label of class ids") as caught:
        read_label(path)
    assert str(path) in str(caught.value)
    assert f'"{mode}"' in str(caught.value)


def test_the_first_part_of_a_label_is_refused_or_whole(tmp_path: Path, rng: np.random.Generator) -> None:
    label = rng.integers(0, 21, (24, 31)).astype(np.uint8)
    data = encode_label(label, VOC)
    path = tmp_path / "label.png"
    refusals = []
    for length in itertools.chain(range(0, len(data), 7), range(len(data) - 30, len(data))):
        path.write_bytes(data[:length])
        try:
            # All pixels are there once only the checksum of the last chunks is missing.
            np.testing.assert_array_equal(read_label(path), label)
        except DataError as error:
            refusals.append(str(error))
    assert len(refusals) >= len(data) // 7
    assert all(str(path) in message for message in refusals)


@pytest.mark.slow
def test_damaged_files_never_end_in_another_exception(tmp_path: Path, rng: np.random.Generator) -> None:
    good = encode_label(rng.integers(0, 21, (24, 31)).astype(np.uint8), VOC)
    path = tmp_path / "label.png"
    refused = 0
    for _ in range(150):
        data = bytearray(good)
        for position in rng.integers(0, len(data), 3):
            data[position] = rng.integers(256)
        path.write_bytes(bytes(data))
        for read in (read_image, read_label, read_size, read_palette):
            try:
                read(path)
            except DataError:
                refused += 1
        exif_orientation(bytes(data))
    assert refused > 150


def test_a_damaged_label_has_no_palette_to_read(tmp_path: Path) -> None:
    path = tmp_path / "label.png"
    path.write_bytes(b"no label")
    with pytest.raises(DataError, match=r"label\.png"):
        read_palette(path)


def test_ids_that_no_class_has_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "label.png"
    check_label(np.array([[0, 20, VOID]], np.uint8), 21, path)
    with pytest.raises(
        DataError, match=r"class ids 0 to 20, or 255 for void. Received: \[21, 254\]"
    ) as caught:
        check_label(np.array([[0, 21, 254, VOID]], np.uint8), 21, path)
    assert str(path) in str(caught.value)
    assert "labels.txt" in str(caught.value)


@pytest.mark.parametrize("values", [[0], [VOID], [0, VOID], [1, VOID], [0, 1], [0, 1, VOID]])
def test_a_single_label_may_hold_any_of_the_ids(tmp_path: Path, values: list[int]) -> None:
    check_label(np.array([values], np.uint8), 2, tmp_path / "label.png")


def test_colors_are_those_of_the_classes() -> None:
    classes = Classes(("a", "b"), ((1, 2, 3), (4, 5, 6)))
    colors = colorize(np.array([[1, 0, VOID]], np.uint8), classes)
    assert colors.tolist() == [[[4, 5, 6], [1, 2, 3], [224, 224, 192]]]


def test_a_jpeg_keeps_its_colors_in_order() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    np.testing.assert_allclose(decode_image(encode_jpeg(red)).astype(int), red, atol=3)


def test_sizes_are_height_and_width_of_upright_images(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(Image.fromarray(draw(21, 34)), "JPEG", exif=exif))
    assert read_size(path) == (34, 21)
    path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"photo\.jpg"):
        read_size(path)


def test_a_label_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(OutputError, match=r"taken\.png"):
        write_label(tmp_path / "taken.png", np.zeros((2, 2), np.uint8), VOC)
