"""Tests of formats that graphs do not decode, and of what is refused whatever the format."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from fcn.data.encoded_image import EncodedImage
from fcn.data.image_header import IMAGE_SUFFIXES, MAX_PIXELS, open_header
from fcn.data.image_io import decode_image, read_image, read_size
from fcn.errors import DataError

Pixels = npt.NDArray[np.uint8]
HEIC = Path(__file__).parents[1] / "fixtures" / "heic"
TIFF_COMPRESSIONS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma")


def draw(height: int = 45, width: int = 67, seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), np.uint8)
    return Image.fromarray(
        cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    )


def with_alpha(image: Image.Image) -> Image.Image:
    copy = image.copy()
    copy.putalpha(draw(image.height, image.width, seed=1).convert("L"))
    return copy


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pillow_rgb(data: bytes) -> Pixels:
    with Image.open(BytesIO(data)) as image:
        return np.array(image.convert("RGB"))


def directory(*entries: tuple[int, int, int]) -> bytes:
    """A little-endian TIFF of one page and no pixels: its (tag, type, value)s."""
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", 0)


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 30}, {"quality": 90, "method": 6}])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_webp_is_what_pillow_decodes(mode: str, options: dict[str, Any]) -> None:
    image = with_alpha(draw()) if mode == "RGBA" else draw().convert(mode)
    data = encoded(image, "WEBP", **options)
    np.testing.assert_array_equal(decode_image(data), pillow_rgb(data))


@pytest.mark.parametrize("compression", TIFF_COMPRESSIONS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_tiff_of_every_compression_is_what_it_was(mode: str, compression: str) -> None:
    image = draw().convert(mode)
    decoded = decode_image(encoded(image, "TIFF", compression=compression))
    expected = np.array(image.convert("RGB")).astype(int)
    np.testing.assert_allclose(decoded, expected, atol=60 if compression == "jpeg" else 0)


@pytest.mark.parametrize("mode", ["1", "P", "LA", "CMYK", "YCbCr"])
def test_tiff_of_every_mode_becomes_rgb(mode: str) -> None:
    image = draw().convert(mode)
    # OpenCV, which decodes the other formats, is the independent implementation here.
    data = encoded(image, "TIFF")
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_allclose(decode_image(data).astype(int), expected, atol=1 if mode == "YCbCr" else 0)


@pytest.mark.parametrize("compression", ["group3", "group4"])
def test_fax_is_black_and_white(compression: str) -> None:
    image = draw().convert("1")
    decoded = decode_image(encoded(image, "TIFF", compression=compression))
    np.testing.assert_array_equal(decoded, np.array(image.convert("RGB")))
    assert set(np.unique(decoded)) == {0, 255}


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_alpha_of_a_tiff_is_dropped_and_not_blended(compression: str) -> None:
    data = encoded(with_alpha(draw()), "TIFF", compression=compression)
    np.testing.assert_array_equal(decode_image(data), np.array(draw()))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_of_16_bits_the_upper_8_are_kept(channels: int, rng: np.random.Generator) -> None:
    deep = rng.integers(0, 2**16, (21, 34, channels), np.uint16)
    data = cv2.imencode(".tif", deep)[1].tobytes()
    # OpenCV stores blue first.
    expected = np.repeat(deep, 3, axis=2) if channels == 1 else deep[..., 2::-1]
    np.testing.assert_array_equal(decode_image(data), expected >> 8)


def test_16_bits_in_the_other_order_of_bytes(rng: np.random.Generator) -> None:
    deep = rng.integers(0, 2**16, (4, 5), np.uint16)
    pixels = deep.astype(">u2").tobytes()
    tags = (
        (256, 3, 5),
        (257, 3, 4),
        (258, 3, 16),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (279, 4, 40),
    )
    body = b"".join(
        struct.pack(">HHI", tag, kind, 1)
        + (struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value))
        for tag, kind, value in tags
    )
    data = b"MM\0*" + struct.pack(">I", 48) + pixels + struct.pack(">H", len(tags)) + body + bytes(4)
    np.testing.assert_array_equal(decode_image(data), np.repeat(deep[..., np.newaxis] >> 8, 3, axis=2))


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bits_are_refused(mode: str) -> None:
    with pytest.raises(DataError, match="8 or 16 bits a channel"):
        decode_image(encoded(draw().convert("L").convert(mode), "TIFF"), "deep.tif")


@pytest.mark.parametrize("progressive", [False, True])
def test_cmyk_jpeg_is_within_1_of_pillow(progressive: bool) -> None:
    data = encoded(draw().convert("CMYK"), "JPEG", progressive=progressive)
    np.testing.assert_allclose(decode_image(data).astype(int), pillow_rgb(data), atol=1)


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_every_suffix_is_one_that_can_be_decoded(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"photo{suffix}"
    if suffix in (".heic", ".heif", ".hif"):
        path.write_bytes((HEIC / "color.heic").read_bytes())
    else:
        draw().convert("1" if suffix == ".pbm" else "RGB").save(path)
    assert read_image(path).shape == (45, 67, 3)


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    for kind in ("PNG", "BMP", "WEBP", "TIFF"):
        path.write_bytes(encoded(draw(), kind))
        assert read_image(path).shape == (45, 67, 3)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_several_frames_or_pages_are_refused(kind: str) -> None:
    others = [draw(seed=1), draw(seed=2)]
    one = encoded(draw(), kind, save_all=True)
    assert decode_image(one).shape == (45, 67, 3)
    with pytest.raises(DataError, match=r"moving\.x: expected one image\. Received: 3 (frames|pages)"):
        decode_image(encoded(draw(), kind, save_all=True, append_images=others), "moving.x")


def test_a_smaller_copy_behind_a_page_is_no_other_picture() -> None:
    small = draw(10, 15)
    small.encoderinfo = {"tiffinfo": {254: 1}}
    data = encoded(draw(), "TIFF", save_all=True, append_images=[small])
    with Image.open(BytesIO(data)) as image:
        assert image.n_frames == 2
    np.testing.assert_array_equal(decode_image(data), np.array(draw()))


def test_a_photograph_with_a_second_one_behind_it_is_a_photograph() -> None:
    data = encoded(draw(), "MPO", save_all=True, append_images=[draw(seed=1)])
    with Image.open(BytesIO(data)) as image:
        assert image.n_frames == 2
    np.testing.assert_allclose(decode_image(data).astype(int), np.array(draw()), atol=60)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(DataError, match=r"photo\.jpg: .*JPEG, PNG, .* or PNM expected"):
        decode_image(encoded(draw(), "TGA"), "photo.jpg")


def bombs() -> dict[str, bytes]:
    """Small files whose headers promise 30,000 x 30,000 pixels and more."""
    jpeg = bytearray(encoded(draw(), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 65_500, 65_500)
    png = bytearray(encoded(draw(), "PNG"))
    png[16:24] = struct.pack(">II", 30_000, 30_000)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    bmp = bytearray(encoded(draw(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 30_000, 30_000)
    webp = bytearray(encoded(with_alpha(draw()), "WEBP", exif=b"Exif\0\0"))
    webp[24:30] = (29_999).to_bytes(3, "little") * 2
    tiff = directory((256, 4, 30_000), (257, 4, 30_000), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8))
    gif = bytearray(encoded(draw(), "GIF"))
    gif[6:10] = struct.pack("<HH", 60_000, 60_000)
    codestream = bytearray(encoded(draw(), "JPEG2000", no_jp2=True))
    codestream[8:16] = struct.pack(">II", 60_000, 60_000)
    boxes = [encoded(draw(), "AVIF"), (HEIC / "color.heic").read_bytes()]
    avif, heic = (_with_size(data, 60_000) for data in boxes)
    known = {"jpeg": jpeg, "png": png, "bmp": bmp, "webp": webp, "tiff": tiff, "gif": gif, "avif": avif}
    known |= {"heic": heic, "j2k": codestream, "ppm": b"P6 60000 60000 255\n"}
    return {kind: bytes(data) for kind, data in known.items()}


def _with_size(data: bytes, side: int) -> bytes:
    """Changes the first size that an AVIF or HEIC states."""
    begin = data.index(b"ispe") + 8
    return data[:begin] + struct.pack(">II", side, side) + data[begin + 8 :]


@pytest.mark.parametrize("kind", ["jpeg", "png", "bmp", "webp", "tiff", "gif", "avif", "heic", "j2k", "ppm"])
def test_a_bomb_is_refused_by_its_header(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"bomb.{kind}"
    path.write_bytes(bombs()[kind])
    for read in (read_image, read_size):
        with pytest.raises(DataError, match=rf"bomb\.{kind}: expected at most {MAX_PIXELS} pixels") as caught:
            read(path)
    assert "Nothing was decoded" in str(caught.value)


def test_an_image_of_108_megapixels_is_no_bomb() -> None:
    tags = ((256, 4, 12_000), (257, 4, 9_000), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8))
    assert open_header(directory(*tags), "large.tif").size == (12_000, 9_000)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_pillows_own_limit_is_none_here(kind: str, orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    has_exif = kind in ("JPEG", "PNG", "TIFF", "AVIF")
    data = encoded(draw(), kind, **({"exif": exif} if has_exif else {}))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode_image(data).shape == ((67, 45, 3) if orientation == 6 and has_exif else (45, 67, 3))


def test_the_limit_is_the_number_of_pixels() -> None:
    data = encoded(draw(), "PNG")
    assert EncodedImage(data, "a", 45 * 67).decode(16).shape == (45, 67, 3)
    with pytest.raises(DataError, match="67 x 45 pixels"):
        EncodedImage(data, "a", 45 * 67 - 1)


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM", "HEIC"])
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_the_first_part_of_an_image_is_refused(kind: str) -> None:
    data = (HEIC / "color.heic").read_bytes() if kind == "HEIC" else encoded(draw(), kind)
    # The last bytes of a JPEG 2000 are an end marker, and those of a GIF are no pixels.
    for length in range(0, len(data) - 3, max(1, len(data) // 150)):
        with pytest.raises(DataError, match=r"photo\.x: is (truncated|empty)"):
            decode_image(data[:length], "photo.x")
