from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from fcn.data import image_io
from fcn.exports.graph import decode_image, encode_label


@pytest.fixture(scope="module")
def decode():
    return tf.function(decode_image, input_signature=[tf.TensorSpec([], tf.string)])


def encoded(image: Image.Image, format: str, **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    small = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    return Image.fromarray(small).resize((77, 101), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}])
def test_jpeg_equals_the_decoder_outside(decode, picture: Image.Image, mode: str, options: dict) -> None:
    data = encoded(picture.convert(mode), "JPEG", **options)
    np.testing.assert_array_equal(decode(data), image_io.decode_image(data))


@pytest.mark.parametrize("format", ["PNG", "BMP"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_lossless_formats_equal_the_decoder_outside(
    decode, picture: Image.Image, mode: str, format: str
) -> None:
    image = picture.convert(mode)
    if mode == "RGBA":
        image.putalpha(picture.convert("L"))
    data = encoded(image, format)
    np.testing.assert_array_equal(decode(data), image_io.decode_image(data))


@pytest.mark.parametrize("colors", [2, 5, 200])
def test_a_short_bmp_palette_is_applied(decode, picture: Image.Image, colors: int) -> None:
    data = encoded(picture.quantize(max(colors, 3)), "BMP")
    np.testing.assert_array_equal(decode(data), image_io.decode_image(data))


def test_16_bit_png_equals_the_decoder_outside(decode) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (20, 30), np.uint16)
    data = encoded(Image.fromarray(values), "PNG")
    np.testing.assert_array_equal(decode(data), image_io.decode_image(data))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_images_are_upright(decode, picture: Image.Image, format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture, format, exif=exif)
    assert decode(data).shape == ((101, 77, 3) if orientation < 5 else (77, 101, 3))
    np.testing.assert_array_equal(decode(data), image_io.decode_image(data))


def test_real_photographs_equal_the_decoder_outside(decode, voc_root: Path) -> None:
    for path in sorted((voc_root / "JPEGImages").iterdir())[:20]:
        data = path.read_bytes()
        np.testing.assert_array_equal(decode(data), image_io.decode_image(data), err_msg=path.name)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP"])
def test_part_of_an_image_is_an_error(decode, picture: Image.Image, format: str) -> None:
    data = encoded(picture, format)
    for length in (0, 1, 10, 60, len(data) // 2, len(data) - 20):
        with pytest.raises(tf.errors.InvalidArgumentError):
            decode(data[:length])


def test_labels_come_back(tmp_path: Path) -> None:
    label = np.random.default_rng(0).integers(0, 256, (13, 17), np.uint8)
    path = tmp_path / "label.png"
    path.write_bytes(encode_label(tf.constant(label)).numpy())
    np.testing.assert_array_equal(image_io.read_label(path), label)
