"""Kinds of TIFF: each that is accepted has the pixels that tifffile reads, and the others are refused."""

import itertools
import struct
from collections.abc import Iterator
from io import BytesIO
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from fcn.data.image_header import open_header
from fcn.data.image_io import decode_image
from fcn.data.pillow_decoding import stored_bits
from fcn.errors import DataError

SIZE = (37, 53)
LAYOUTS: dict[str, dict[str, Any]] = {
    "strips": {"rowsperstrip": 7},
    "tiles": {"tile": (16, 32)},
    "deflate": {"compression": "zlib"},
    "predictor": {"compression": "zlib", "predictor": 2},
    "BigTIFF": {"bigtiff": True},
}


class Kind(NamedTuple):
    name: str
    values: npt.NDArray[Any]
    options: dict[str, Any]


def kinds() -> Iterator[Kind]:
    """Every kind that tifffile writes by itself; some are refused."""
    rng = np.random.default_rng(0)
    for order, bits in itertools.product("<>", (8, 16)):
        kind = np.dtype(f"u{bits // 8}")

        def draw(*bands: int, planar: str = "contig") -> npt.NDArray[Any]:
            values = rng.integers(0, 2**bits, (*SIZE, *bands)).astype(kind)  # noqa: B023
            return np.moveaxis(values, -1, 0).copy() if planar == "separate" else values

        start = f"{order}{bits}"
        for meaning in ("minisblack", "miniswhite"):
            yield Kind(f"{start} {meaning}", draw(), {"photometric": meaning, "byteorder": order})
        for extra in ("unassalpha", "assocalpha", "unspecified"):
            options = {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": [extra]}
            yield Kind(f"{start} gray {extra}", draw(2), options | {"byteorder": order})
        for planar in ("contig", "separate"):
            options = {"planarconfig": planar, "byteorder": order}
            yield Kind(
                f"{start} cmyk {planar}", draw(4, planar=planar), options | {"photometric": "separated"}
            )
            yield Kind(f"{start} rgb {planar}", draw(3, planar=planar), options | {"photometric": "rgb"})
            for extra in ("unassalpha", "assocalpha", "unspecified"):
                more = {"photometric": "rgb", "extrasamples": [extra]}
                yield Kind(f"{start} rgb {planar} {extra}", draw(4, planar=planar), options | more)
    for order in "<>":
        bilevel = rng.integers(0, 2, SIZE).astype(bool)
        for meaning in ("minisblack", "miniswhite"):
            yield Kind(f"{order}1 {meaning}", bilevel, {"photometric": meaning, "byteorder": order})
        colors = rng.integers(0, 2**16, (3, 256)).astype(np.uint16)
        options = {"photometric": "palette", "colormap": colors, "byteorder": order}
        yield Kind(f"{order} palette", rng.integers(0, 256, SIZE).astype(np.uint8), options)
        for kind in ("i1", "i2", "i4", "u4", "f2", "f4", "f8"):
            values = rng.integers(0, 100, SIZE).astype(kind)
            yield Kind(f"{order}{kind}", values, {"photometric": "minisblack", "byteorder": order})


ALL = {kind.name: kind for kind in kinds()}
REFUSED = (
    *("unspecified", "i1", "i2", "i4", "u4", "f2", "f4", "f8"),  # no meaning as RGB
    *("assocalpha", "16 gray", "16 cmyk separate", ">16 miniswhite"),  # Pillow gets them wrong
)


def written(kind: Kind, layout: str) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, kind.values, metadata=None, **kind.options, **LAYOUTS[layout])
    return buffer.getvalue()


def expected_rgb(data: bytes) -> npt.NDArray[np.uint8]:
    """What tifffile reads, as RGB by the one rule."""
    with tifffile.TiffFile(BytesIO(data)) as file:
        page = file.pages[0]
        values = page.asarray()
        meaning = page.photometric.name
        if page.planarconfig == 2 and values.ndim == 3:
            values = np.moveaxis(values, 0, -1)
        if meaning == "PALETTE":
            return (page.colormap.T[values] >> 8).astype(np.uint8)
    if values.dtype == bool:
        values = values.astype(np.uint8) * 255
    if values.dtype == np.uint16:
        values = (values >> 8).astype(np.uint8)
    if meaning == "MINISWHITE":
        values = 255 - values
    if meaning == "SEPARATED":
        return np.array(Image.fromarray(values, "CMYK").convert("RGB"))
    if values.ndim == 2 or values.shape[2] == 2:
        gray = values if values.ndim == 2 else values[..., 0]
        return np.repeat(gray[..., np.newaxis], 3, axis=2)
    return values[..., :3]


@pytest.mark.filterwarnings("ignore:.*mode.*:DeprecationWarning")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_accepted_equals_tifffile(layout: str) -> None:
    accepted, refused = [], dict[str, str]()
    for kind in ALL.values():
        if layout == "predictor" and (kind.values.dtype == bool or kind.values.dtype.kind == "f"):
            continue
        data = written(kind, layout)
        try:
            pixels = decode_image(data, "a.tif")
        except DataError as error:
            refused[kind.name] = str(error)
            continue
        np.testing.assert_array_equal(pixels, expected_rgb(data), kind.name)
        accepted.append(kind.name)
    for name in ("<8 rgb separate", "<16 rgb separate", "<16 miniswhite", "<8 cmyk contig", "< palette"):
        assert name in accepted
    for name, error in refused.items():
        big = layout == "BigTIFF" and name.startswith(">")  # Pillow reads no such header
        assert big or any(text in name for text in REFUSED), (name, error)
        assert "is truncated" not in error, name
    # Where they are compressed, 16 bits of CMYK are read rightly.
    wrong = [name for name in accepted if any(text in name for text in REFUSED)]
    assert not [name for name in wrong if "cmyk separate" not in name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "<8 rgb contig unspecified",
            r"has 4 bands, 1 of them without a stated meaning, such as near infrared",
        ),
        ("<16 rgb separate unspecified", r"would need a first layer with as many channels"),
        ("<8 rgb contig assocalpha", r"colors that are multiplied by alpha"),
        ("<f4", r"Received: floating-point numbers"),
        ("<i2", r"Received: numbers with a sign"),
        ("<u4", r"expected 8 or 16 bits a channel\. Received: 32"),
    ],
)
def test_what_is_refused_says_why(name: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"a\.tif: .*{message}"):
        decode_image(written(ALL[name], "strips"), "a.tif")


def test_an_opaque_alpha_changes_nothing_however_it_is_meant() -> None:
    colors = np.random.default_rng(0).integers(0, 256, (*SIZE, 4)).astype(np.uint8)
    colors[..., 3] = 255
    options = {"photometric": "rgb", "extrasamples": ["assocalpha"]}
    data = written(Kind("opaque", colors, options), "strips")
    np.testing.assert_array_equal(decode_image(data), colors[..., :3])


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "lzma", "zstd", "tiff_adobe_deflate"])
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "CMYK"])
def test_lossless_compressions_have_the_pixels_of_none(mode: str, compression: str) -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    image = Image.fromarray(coarse).convert(mode)
    plain, packed = BytesIO(), BytesIO()
    image.save(plain, "TIFF")
    image.save(packed, "TIFF", compression=compression)
    np.testing.assert_array_equal(decode_image(packed.getvalue()), decode_image(plain.getvalue()))
    np.testing.assert_array_equal(decode_image(plain.getvalue()), expected_rgb(plain.getvalue()))


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_fax_has_the_pixels_of_none(compression: str) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, SIZE).astype(np.uint8)).convert("1")
    buffer = BytesIO()
    image.save(buffer, "TIFF", compression=compression)
    np.testing.assert_array_equal(decode_image(buffer.getvalue()), np.array(image.convert("RGB")))


def test_jpeg_in_a_tiff_is_what_opencv_decodes() -> None:
    smooth = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8), (0, 0), 5
    )
    for mode, options in (("RGB", {}), ("L", {}), ("YCbCr", {"quality": 90})):
        buffer = BytesIO()
        Image.fromarray(smooth).convert(mode).save(buffer, "TIFF", compression="jpeg", **options)
        data = buffer.getvalue()
        other = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        np.testing.assert_allclose(decode_image(data).astype(int), other, atol=3)


@pytest.mark.parametrize("name", [f"{order}16 rgb contig" for order in "<>"] + ["<16 rgb separate"])
@pytest.mark.parametrize("layout", ["strips", "tiles"])
def test_of_12_bits_in_16_the_upper_8_are_kept(name: str, layout: str) -> None:
    kind = ALL[name]
    data = written(kind._replace(values=kind.values >> 4), layout)
    assert stored_bits(open_header(data, "a.tif")) == 16
    assert decode_image(data).max() == 15
    whole = decode_image(written(kind, layout))
    np.testing.assert_array_equal(decode_image(data, bits=12), whole)
    with pytest.raises(
        DataError, match=r"a\.tif: expected values of 12 bits, 0 to 4095, .*Received: up to 6"
    ):
        decode_image(written(kind, layout), "a.tif", 12)


@pytest.mark.parametrize("name", ["<16 minisblack", ">16 minisblack", "<16 miniswhite"])
def test_gray_of_fewer_bits_in_16(name: str) -> None:
    kind = ALL[name]
    for bits in range(8, 17):
        values = (kind.values >> (16 - bits)).astype(np.uint16)
        gray = (values >> (bits - 8)).astype(np.uint8)
        expected = 255 - gray if "white" in name else gray
        pixels = decode_image(written(kind._replace(values=values), "deflate"), bits=bits)
        np.testing.assert_array_equal(pixels[..., 1], expected)


def test_what_has_only_its_upper_bytes_is_refused_where_fewer_bits_count() -> None:
    kind = ALL["<16 rgb separate"]
    assert decode_image(written(kind, "deflate")).shape == (*SIZE, 3)
    with pytest.raises(DataError, match="interleaved bands"):
        decode_image(written(kind, "deflate"), "a.tif", 12)


def test_a_tiff_of_12_bits_says_so_itself() -> None:
    values = np.array([[0, 4095, 2048, 16]], np.uint16)
    packed = bytes(
        byte
        for first, second in values.reshape(-1, 2).tolist()
        for byte in (first >> 4, (first & 15) << 4 | second >> 8, second & 255)
    )
    tags = (
        (256, 4),
        (257, 1),
        (258, 12),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, 1),
        (279, len(packed)),
    )
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    data = (
        b"II*\0"
        + struct.pack("<I", 8 + len(packed))
        + packed
        + struct.pack("<H", len(tags))
        + body
        + bytes(4)
    )
    for bits in (12, 16):
        assert decode_image(data, bits=bits)[0, :, 0].tolist() == [0, 255, 128, 1]
    assert stored_bits(open_header(data, "a.tif")) == 8
