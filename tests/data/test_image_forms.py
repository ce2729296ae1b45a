"""Forms of images that people have, whatever their files are called; and what is refused by its name."""

import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from conftest import MakeDataset
from PIL import Image

from fcn.data.encoded_image import EncodedImage
from fcn.data.image_forms import IMAGE_FORMATS, IMAGE_SUFFIXES, UNREADABLE_SUFFIXES, find_form
from fcn.data.image_io import decode_image, read_image, read_size
from fcn.data.orientation import exif_orientation, upright
from fcn.data.voc import read_split
from fcn.errors import DataError

Pixels = npt.NDArray[np.uint8]
HEIC = Path(__file__).parents[1] / "fixtures" / "heic"


def draw(seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), np.uint8)
    return Image.fromarray(cv2.resize(coarse, (67, 45), interpolation=cv2.INTER_CUBIC).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pillow_rgb(data: bytes) -> Pixels:
    with Image.open(BytesIO(data)) as image:
        return np.array(image.convert("RGB"))


def opencv_rgb(data: bytes) -> Pixels:
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags).astype(np.uint8)


def with_alpha(image: Image.Image) -> Image.Image:
    copy = image.copy()
    copy.putalpha(draw(seed=1).convert("L"))
    return copy


@pytest.mark.parametrize("options", [{"irreversible": False}, {"no_jp2": True}, {"tile_size": (32, 32)}])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
def test_jpeg_2000_is_lossless_and_without_alpha(mode: str, options: dict[str, Any]) -> None:
    colors = with_alpha(draw()) if mode in ("RGBA", "LA") else draw()
    expected = draw().convert("L" if mode in ("L", "LA") else "RGB").convert("RGB")
    data = encoded(colors.convert(mode), "JPEG2000", **options)
    np.testing.assert_array_equal(decode_image(data), np.array(expected))


def test_alpha_of_an_avif_is_dropped_and_not_blended() -> None:
    data = encoded(with_alpha(draw()), "AVIF", subsampling="4:4:4", quality=95)
    assert np.abs(decode_image(data).astype(int) - np.array(draw())).mean() < 2


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_avif_is_what_opencv_decodes(mode: str, subsampling: str) -> None:
    image = draw().convert(mode)
    data = encoded(image, "AVIF", subsampling=subsampling, quality=95)
    # Both use libavif, but other versions, and other filters for colors of fewer pixels.
    difference = np.abs(decode_image(data).astype(int) - opencv_rgb(data))
    assert difference.mean() < 1
    np.testing.assert_array_equal(decode_image(data), pillow_rgb(data))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(draw(), "AVIF", exif=exif, quality=95)
    assert exif_orientation(data) == orientation
    stored = EncodedImage(data).decode_stored()
    assert stored.shape == (45, 67, 3)
    np.testing.assert_array_equal(decode_image(data), upright(stored, orientation))
    assert np.abs(stored - np.array(draw()).astype(int)).mean() < 9


@pytest.mark.parametrize("mode", ["P", "L", "1"])
def test_a_gif_is_what_opencv_decodes(mode: str) -> None:
    data = encoded(draw().convert(mode), "GIF")
    np.testing.assert_array_equal(decode_image(data), opencv_rgb(data))
    np.testing.assert_array_equal(decode_image(data), np.array(draw().convert(mode).convert("RGB")))


def test_of_an_animated_gif_the_first_frame_is_read() -> None:
    frames = [draw(seed).convert("P") for seed in range(3)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with Image.open(BytesIO(data)) as image:
        assert image.n_frames == 3
    np.testing.assert_array_equal(decode_image(data), np.array(frames[0].convert("RGB")))


def test_the_transparent_pixels_of_a_gif_keep_their_color() -> None:
    image = draw().quantize(16)
    data = encoded(image, "GIF", transparency=3)
    with Image.open(BytesIO(data)) as opened:
        assert "transparency" in opened.info
    np.testing.assert_array_equal(decode_image(data), np.array(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGB", "L", "1"])
def test_binary_pnm_is_what_opencv_decodes(mode: str) -> None:
    image = draw().convert(mode)
    data = encoded(image, "PPM")
    np.testing.assert_array_equal(decode_image(data), np.array(image.convert("RGB")))
    np.testing.assert_array_equal(decode_image(data), opencv_rgb(data))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"P3 2 1 255 1 2 3  4 5 6", [[[1, 2, 3], [4, 5, 6]]]),
        (b"P2\n# a comment\n2 1\n15\n15 0\n", [[[255] * 3, [0] * 3]]),
        (b"P1 2 1 1 0", [[[0] * 3, [255] * 3]]),
        (b"P5 2 1 3\n\3\1", [[[255] * 3, [85] * 3]]),
    ],
)
def test_pnm_in_words_and_of_few_values(text: bytes, expected: list[Any]) -> None:
    assert decode_image(text).tolist() == expected


@pytest.mark.parametrize("name", ["color", "alpha", "deep", "gray"])
def test_heic_is_what_was_drawn(name: str) -> None:
    data = (HEIC / f"{name}.heic").read_bytes()
    expected = np.array(draw().convert("L" if name == "gray" else "RGB").convert("RGB")).astype(int)
    pixels = decode_image(data)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).mean() < 9  # colors have half the size
    luma = [np.array(Image.fromarray(colors.astype(np.uint8)).convert("L")) for colors in (pixels, expected)]
    assert np.abs(luma[0].astype(int) - luma[1]).mean() < 3


def test_heic_is_upright_and_says_so() -> None:
    """What turns a HEIC is part of the image, and its decoder obeys it; there is no other order of pixels."""
    path = HEIC / "turned.heic"
    expected = np.rot90(np.array(draw()), -1).astype(int)
    assert np.abs(read_image(path) - expected).mean() < 9
    assert read_size(path) == (67, 45)
    assert exif_orientation(path.read_bytes()) == 1


@pytest.mark.parametrize("kind", ["AVIF", "HEIC"])
def test_several_frames_are_refused(kind: str) -> None:
    if kind == "HEIC":
        data = (HEIC / "several.heic").read_bytes()
    else:
        data = encoded(draw(), kind, save_all=True, append_images=[draw(1)])
    with pytest.raises(DataError, match=r"moving\.x: expected one image\. Received: 2 frames"):
        decode_image(data, "moving.x")


def test_heic_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    path = tmp_path / "photo.jpg"
    path.write_bytes((HEIC / "color.heic").read_bytes())
    for read in (read_image, read_size):
        with pytest.raises(
            DataError, match=r"photo\.jpg: is an image in HEIC\. .*pi-heif.*keras-fcn\[heic\]"
        ):
            read(path)


def every_form() -> dict[str, bytes]:
    kinds = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM")
    return {kind: encoded(draw(), kind) for kind in kinds} | {"HEIC": (HEIC / "color.heic").read_bytes()}


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".heic", ".jfif"])
def test_the_content_decides_whatever_the_suffix_says(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"photo{suffix}"
    for data in every_form().values():
        path.write_bytes(data)
        assert read_image(path).shape == (45, 67, 3)
        assert read_size(path) == (45, 67)


UNREADABLE = {
    "a camera's raw file": b"II*\0\x10\0\0\0CR\2\0",
    "a Photoshop file": b"8BPS\0\1",
    "an SVG drawing": b'\xef\xbb\xbf<?xml version="1.0"?>\n<svg xmlns="x"/>',
    "a web page": b"<!DOCTYPE html><html>",
    "a PDF document": b"%PDF-1.7",
    "a JPEG XL image": b"\xff\x0a\xfa",
    "an icon": b"\0\0\1\0\1\0",
    "a ZIP archive": b"PK\3\4",
    "a video or an audio file": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
}


@pytest.mark.parametrize("form", UNREADABLE)
def test_what_cannot_be_decoded_is_named(form: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(UNREADABLE[form])
    for read in (read_image, read_size):
        with pytest.raises(DataError, match=rf"photo\.jpg: is {form}, which is not decoded here\. \w+"):
            read(path)


def test_raw_files_that_begin_as_a_tiff_are_named(tmp_path: Path) -> None:
    for tags in ({50706: b"\1\4\0\0"}, {254: 1, 330: 8}):
        data = encoded(draw(), "TIFF", tiffinfo=tags)
        with pytest.raises(DataError, match=r"photo\.tif: is a camera's raw file"):
            decode_image(data, "photo.tif")


def test_brands_tell_avif_and_heic_apart() -> None:
    def brands(*names: bytes) -> bytes:
        return (16 + 4 * (len(names) - 1)).to_bytes(4) + b"ftyp" + names[0] + bytes(4) + b"".join(names[1:])

    for names, expected in (
        ((b"avif", b"mif1"), "AVIF"),
        ((b"mif1", b"avif", b"miaf"), "AVIF"),
        ((b"mif1", b"heic"), "HEIC"),
        ((b"msf1", b"hevc"), "HEIC"),
        ((b"crx ", b"isom"), "a camera's raw file"),
        ((b"qt  ",), "a video or an audio file"),
    ):
        form = find_form(brands(*names))
        assert form is not None
        assert form.name == expected


def test_suffixes_are_lower_case_and_of_one_kind() -> None:
    assert {".jfif", ".jpe", ".heic", ".avif", ".jp2", ".gif", ".ppm", ".pgm"} <= IMAGE_SUFFIXES
    assert not IMAGE_SUFFIXES & UNREADABLE_SUFFIXES.keys()
    assert all(suffix == suffix.lower() for suffix in IMAGE_SUFFIXES | UNREADABLE_SUFFIXES.keys())
    assert "HEIC" in IMAGE_FORMATS


def test_a_data_set_may_hold_other_forms_beside_its_images(make_dataset: MakeDataset, tmp_path: Path) -> None:
    root = make_dataset(tmp_path, {"train": ["a", "b"]}, suffix=".png")
    for suffix in (".gif", ".avif"):
        draw().save(root / "JPEGImages" / f"a{suffix}")
    (root / "JPEGImages" / "b.png").rename(root / "JPEGImages" / "b.jfif")
    found = [example.image_path.name for example in read_split(root, "train")]
    assert found == ["a.png", "b.jfif"]
