"""How many bits 16-bit images use: measured, configured, and the same wherever a model reads them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from fcn.data.depth import describe_unused, used_bits
from fcn.data.image_io import decode_image, encode_png, read_image
from fcn.data.pillow_decoding import needed_bits
from fcn.errors import DataError


def write_deep(path: Path, bits: int, seed: int = 0) -> Path:
    values = np.random.default_rng(seed).integers(0, 2**bits, (12, 9, 3)).astype(np.uint16)
    values[0, 0] = 2**bits - 1
    assert cv2.imwrite(str(path), values)
    return path


def write_shallow(path: Path) -> Path:
    path.write_bytes(encode_png(np.zeros((12, 9, 3), np.uint8)))
    return path


def measured(*paths: Path) -> list[int | None]:
    return [used_bits(path, read_image(path)) for path in paths]


@pytest.mark.parametrize("suffix", ["png", "tif", "ppm"])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_bits_are_measured_over_the_set(suffix: str, bits: int, tmp_path: Path) -> None:
    deep = [write_deep(tmp_path / f"{number}.{suffix}", number) for number in range(8, bits + 1)]
    assert measured(*deep, write_shallow(tmp_path / "a.png")) == [*range(8, bits + 1), None]
    assert used_bits(deep[0], read_image(deep[0], 12), 12) == 8


def test_of_images_of_8_bits_there_is_nothing_to_measure(tmp_path: Path) -> None:
    path = write_shallow(tmp_path / "a.png")
    assert measured(path) == [None]
    assert describe_unused(measured(path)) is None
    assert describe_unused([]) is None


def test_a_set_of_12_bits_is_described_by_what_may_be_meant(tmp_path: Path) -> None:
    paths = [write_deep(tmp_path / f"{number}.png", 12, number) for number in range(3)]
    message = describe_unused(measured(*paths, write_shallow(tmp_path / "a.png")))
    assert message is not None
    assert message.startswith("3 images have 16 bits a channel, but no value above 4095")
    assert "values up to 15 of 255. Set data.bits: 12 " in message
    assert "data.bits: 16" in message


def test_one_image_that_uses_all_bits_says_that_16_are_meant(tmp_path: Path) -> None:
    paths = [write_deep(tmp_path / "dark.tif", 10), write_deep(tmp_path / "bright.tif", 16)]
    assert describe_unused(measured(*paths)) is None


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.png: cannot be read"):
        used_bits(tmp_path / "none.png", np.zeros((1, 1, 3), np.uint8))


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_all_formats_keep_the_same_8_bits(suffix: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 2**12, (6, 7)).astype(np.uint16)
    path = tmp_path / f"a.{suffix}"
    assert cv2.imwrite(str(path), values)
    expected = np.repeat((values >> 4).astype(np.uint8)[..., np.newaxis], 3, axis=2)
    np.testing.assert_array_equal(read_image(path, 12), expected)
    np.testing.assert_array_equal(read_image(path), expected >> 4)
    with pytest.raises(DataError, match=rf"a\.{suffix}: expected values of 11 bits, 0 to 2047"):
        read_image(path, 11)


def test_a_pnm_that_states_its_greatest_value_needs_nothing_else() -> None:
    data = b"P5 2 2 4095\n" + np.array([0, 4095, 2048, 16], ">u2").tobytes()
    for bits in (12, 14, 16):
        assert decode_image(data, bits=bits)[..., 0].tolist() == [[0, 255], [128, 1]]
    with pytest.raises(DataError, match="above the greatest one"):
        decode_image(b"P5 1 1 4095\n" + b"\xff\xff")


def test_jpeg_2000_states_its_bits() -> None:
    from io import BytesIO

    from PIL import Image

    values = np.random.default_rng(0).integers(0, 2**12, (16, 16)).astype(np.uint16)
    values[0, 0] = 4095
    buffer = BytesIO()
    Image.fromarray(values).save(buffer, "JPEG2000", irreversible=False)
    np.testing.assert_array_equal(decode_image(buffer.getvalue(), bits=12)[..., 0], values >> 4)
    np.testing.assert_array_equal(decode_image(buffer.getvalue())[..., 0], values >> 8)


@pytest.mark.parametrize("bits", range(9, 17))
def test_the_upper_8_bits_tell_how_many_are_used(bits: int) -> None:
    for value in (2**bits - 1, 2 ** (bits - 1)):
        kept = np.full((2, 2, 3), value >> 8, np.uint8)
        assert needed_bits(kept, 16) == bits
