"""Tests of the closer look: positions are found in every form, and no pixels are decoded for them."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from exif_files import chunk
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from fcn.data.image_header import open_header
from fcn.data.orientation import orientation_of
from fcn.labels.checking.look import has_position

HEIC = Path(__file__).parents[2] / "fixtures" / "heic" / "color.heic"
XMP = b'<x:xmpmeta><rdf:Description exif:GPSLatitude="48,51.5N"/></x:xmpmeta>'


def exif(*, position: bool) -> bytes:
    block = Image.Exif()
    block[ExifTags.Base.Make] = "camera"
    block[ExifTags.Base.Orientation] = 6
    gps = block.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSVersionID] = b"\2\3\0\0"
    if position:
        gps[ExifTags.GPS.GPSLatitude] = (48.0, 51.0, 30.0)
    return block.tobytes()


def encoded(kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def tells(data: bytes) -> bool:
    header = open_header(data, "a")
    orientation_of(header)
    return has_position(header, data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_positions_in_exif_and_xmp_are_found(kind: str) -> None:
    assert tells(encoded(kind, exif=exif(position=True)))
    assert not tells(encoded(kind, exif=exif(position=False)))
    assert not tells(encoded(kind))
    if kind in ("JPEG", "WEBP", "AVIF"):
        assert tells(encoded(kind, xmp=XMP))


@pytest.mark.parametrize("position", [True, False])
def test_positions_in_a_png_are_found_wherever_they_are(position: bool) -> None:
    block = exif(position=position).removeprefix(b"Exif\0\0")
    plain = encoded("PNG")
    assert tells(plain[:33] + chunk(b"eXIf", block) + plain[33:]) is position
    assert tells(plain[:-12] + chunk(b"eXIf", block) + plain[-12:]) is position
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode() if position else "<x/>", zip=True)
    assert tells(encoded("PNG", pnginfo=info)) is position


def test_pixels_are_not_decoded() -> None:
    block = exif(position=True).removeprefix(b"Exif\0\0")
    plain = encoded("PNG")
    place = plain.index(b"IDAT")
    damaged = plain[: place + 10] + bytes(40) + plain[place + 50 : -12]
    assert not tells(damaged + plain[-12:])
    assert tells(damaged + chunk(b"eXIf", block) + plain[-12:])


def test_positions_in_heic_are_found() -> None:
    pytest.importorskip("pi_heif")
    plain = HEIC.read_bytes()
    assert not tells(plain)
    for position in (True, False):
        for word in (b"Exif\0\0", b""):
            block = exif(position=position).removeprefix(b"Exif\0\0")
            content = len(word).to_bytes(4) + word + block
            box = (8 + len(content)).to_bytes(4) + b"mdat" + content
            assert tells(plain + box) is position
