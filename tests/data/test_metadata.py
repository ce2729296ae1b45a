"""Tests of removing metadata: nothing of it is left, and the pixels and the side that is up are the same."""

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from exif_files import chunk, exif_block, segment
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from fcn.data.encoded_image import EncodedImage
from fcn.data.image_header import open_header
from fcn.data.image_io import decode_image
from fcn.data.metadata import check_strippable, strip_metadata
from fcn.data.orientation import exif_orientation
from fcn.errors import DataError

SECRET = b"48.8584 N, serial 4711"
XMP = b'<x:xmpmeta><rdf:Description exif:GPSLatitude="48,51.5N" note="' + SECRET + b'"/></x:xmpmeta>'
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def full_exif(orientation: int) -> bytes:
    """Returns EXIF of a camera: position, maker note, comment, and a thumbnail."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = SECRET.decode()
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (48.0, 51.0, 30.0)
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = SECRET
    return exif.tobytes() + jpeg(np.random.default_rng(0)) + SECRET


def jpeg(rng: np.random.Generator, **options: object) -> bytes:
    buffer = BytesIO()
    pixels = rng.integers(0, 256, (int(rng.integers(1, 40)), int(rng.integers(1, 40)), 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def jpegs(count: int) -> Iterator[bytes]:
    rng = np.random.default_rng(1)
    for number in range(count):
        size = int(rng.integers(1, 40)), int(rng.integers(1, 40))
        mode = ("RGB", "L", "CMYK", "RGB")[number % 4]
        channels = {"L": (), "RGB": (3,), "CMYK": (4,)}[mode]
        image = Image.fromarray(rng.integers(0, 256, (*size, *channels), np.uint8), mode)
        buffer = BytesIO()
        image.save(
            buffer,
            "JPEG",
            quality=int(rng.integers(5, 98)),
            progressive=bool(rng.integers(2)),
            subsampling=int(rng.integers(3)) if mode == "RGB" else -1,
            restart_marker_rows=int(rng.integers(2)),
            icc_profile=ICC if rng.integers(2) else None,
        )
        data = buffer.getvalue()
        extra = [
            segment(0xE0, b"JFXX\0\x10" + jpeg(rng) + SECRET),
            segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
            segment(0xE2, b"MPF\0" + SECRET),
            segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04" + SECRET),
            segment(0xEE, b"Ducky" + SECRET),
            segment(0xFE, SECRET),
            segment(0xE0, b"CIFF" + SECRET),
        ]
        if rng.integers(3):
            extra.append(segment(0xE1, b"Exif\0\0" + full_exif(number % 8 + 1).removeprefix(b"Exif\0\0")))
        rng.shuffle(extra)
        start = 20 if data[2:4] == b"\xff\xe0" and rng.integers(2) else 2
        fill = b"\xff" * int(rng.integers(3))
        data = data[:start] + fill + fill.join(extra) + data[start:]
        if rng.integers(2):  # before the last scan, where comments may be too
            last = data.rindex(b"\xff\xda")
            data = data[:last] + segment(0xFE, SECRET) + data[last:]
        yield data + (jpeg(rng) + SECRET if rng.integers(2) else b"")


def pngs(count: int) -> Iterator[bytes]:
    rng = np.random.default_rng(2)
    for number in range(count):
        size = int(rng.integers(1, 30)), int(rng.integers(1, 30))
        mode = ("RGB", "L", "P", "RGBA", "LA", "1", "I;16")[number % 7]
        channels = {"RGB": (3,), "RGBA": (4,), "LA": (2,)}.get(mode, ())
        if mode == "I;16":
            image = Image.fromarray(rng.integers(0, 65536, size, np.uint16))
        elif mode == "1":
            image = Image.fromarray(rng.integers(0, 2, size).astype(bool))
        else:
            image = Image.fromarray(rng.integers(0, 256, (*size, *channels), np.uint8), mode)
        if mode == "P":
            image.putpalette(rng.integers(0, 256, 768, np.uint8).tobytes())
        info = PngInfo()
        info.add_text("Comment", SECRET.decode())
        info.add_text("Author", SECRET.decode(), zip=True)
        info.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=bool(rng.integers(2)))
        options: dict[str, object] = {"transparency": 3} if mode in ("P", "L") else {}
        if rng.integers(2):
            options["icc_profile"] = ICC
        if rng.integers(2):
            options["exif"] = full_exif(number % 8 + 1)
        buffer = BytesIO()
        image.save(buffer, "PNG", pnginfo=info, **options)
        data = buffer.getvalue()
        late = chunk(b"tIME", struct.pack(">HBBBBB", 2026, 11, 28, 12, 0, 0)) + chunk(b"prVW", SECRET)
        if "exif" not in options and rng.integers(2):
            late += chunk(b"eXIf", exif_block(number % 8 + 1, ">") + SECRET)
        yield data[:-12] + late + data[-12:] + SECRET


def webps(count: int) -> Iterator[bytes]:
    rng = np.random.default_rng(3)
    for number in range(count):
        size = int(rng.integers(1, 30)), int(rng.integers(1, 30))
        channels = 3 + number % 2
        image = Image.fromarray(rng.integers(0, 256, (*size, channels), np.uint8))
        buffer = BytesIO()
        options: dict[str, object] = {"lossless": bool(rng.integers(2)), "icc_profile": ICC}
        if rng.integers(4):
            options |= {"exif": full_exif(number % 8 + 1), "xmp": XMP}
        image.save(buffer, "WEBP", **options)
        yield buffer.getvalue()


@pytest.mark.parametrize(("files", "count"), [(jpegs, 120), (pngs, 105), (webps, 40)])
def test_pixels_and_orientation_stay_and_nothing_else(files, count: int) -> None:
    turned = 0
    for number, data in enumerate(files(count)):
        assert number % 5 or SECRET in data or files is webps
        stripped = strip_metadata(data, "a")
        assert len(stripped) <= len(data) + 40
        for secret in (SECRET, SECRET[:10], b"GPSLatitude", b"Exif\0\0II"):
            assert secret not in stripped, number
        orientation = exif_orientation(data)
        turned += orientation != 1
        assert exif_orientation(stripped) == orientation
        stored = EncodedImage(data, "a").decode_stored()
        np.testing.assert_array_equal(EncodedImage(stripped, "b").decode_stored(), stored)
        np.testing.assert_array_equal(decode_image(stripped, "b"), decode_image(data, "a"))
        image, before = open_header(stripped, "b"), open_header(data, "a")
        tags = Image.Image.getexif(image)
        assert {*tags} == ({ExifTags.Base.Orientation} if orientation != 1 else set())
        assert not tags.get_ifd(ExifTags.IFD.GPSInfo)
        assert image.info.get("icc_profile") == before.info.get("icc_profile")
        assert (image.mode, image.size) == (before.mode, before.size)
        assert strip_metadata(stripped, "b") == stripped
    assert turned > count // 4


def test_thumbnails_in_the_first_segment_go_too() -> None:
    data = jpeg(np.random.default_rng(4))
    assert data[2:11] == b"\xff\xe0\x00\x10JFIF\0"
    pixels = bytes(range(12))
    with_thumbnail = data[:4] + b"\x00\x1c" + data[6:18] + b"\x02\x02" + pixels + data[20:]
    assert strip_metadata(with_thumbnail, "a") == strip_metadata(data, "a") == data


def test_a_photo_without_metadata_is_the_same_file() -> None:
    for data in [jpeg(np.random.default_rng(5), progressive=True), *bmps()]:
        assert strip_metadata(data, "a") == data


def bmps() -> Iterator[bytes]:
    buffer = BytesIO()
    Image.fromarray(np.full((3, 4, 3), 7, np.uint8)).save(buffer, "BMP")
    yield buffer.getvalue()


@pytest.mark.parametrize("form", ["TIFF", "GIF", "PPM", "AVIF", "JPEG2000"])
def test_other_forms_are_refused_with_the_remedy(form: str, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    Image.fromarray(np.full((8, 8, 3), 7, np.uint8)).save(path, form)
    with pytest.raises(DataError, match=r"a\.bin: is .*Save it as a PNG or JPEG, or leave the option out"):
        check_strippable([path])
    with pytest.raises(DataError, match="Save it as a PNG or JPEG"):
        strip_metadata(path.read_bytes(), path)
    good = jpeg(np.random.default_rng(6))
    check_strippable([good])
    with pytest.raises(DataError, match=r"and 4 more"):
        check_strippable([path] * 9 + [good])


# Pillow warns of damaged EXIF.
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("count", [150, pytest.param(3000, marks=pytest.mark.exhaustive)])
def test_a_damaged_file_is_refused_or_decodes_to_the_same(count: int) -> None:
    rng = np.random.default_rng(count)
    outcomes = {"same": 0, "refused": 0}
    for files in (jpegs, pngs, webps):
        for whole in files(count // 3):
            data = bytearray(whole)
            for _ in range(rng.integers(1, 4)):
                place = int(rng.integers(len(data)))
                match rng.integers(4):
                    case 0:
                        del data[place:]
                    case 1:
                        del data[place : place + int(rng.integers(1, 9))]
                    case _:
                        data[place] = rng.choice([0, 0xFF, 0xD9, 0xDA, 0xE1, int(rng.integers(256))])
                data = data or bytearray(b"\xff")
            try:
                before = decode_image(bytes(data), "a")
            except DataError:
                continue
            try:
                after = decode_image(strip_metadata(bytes(data), "a"), "a")
            except DataError:
                outcomes["refused"] += 1
                continue
            np.testing.assert_array_equal(after, before)
            outcomes["same"] += 1
    assert outcomes["same"] > 10
