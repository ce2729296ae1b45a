"""Mutated image files: each is an image or a `DataError`, and nothing else happens."""

import os
import resource
import tracemalloc
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from fcn.data.image_io import decode_image, read_image, read_label, read_palette, read_size
from fcn.data.orientation import exif_orientation
from fcn.errors import DataError

HEIC = Path(__file__).parents[1] / "fixtures" / "heic"


def make_files() -> list[bytes]:
    coarse = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    image = Image.fromarray(cv2.resize(coarse, (67, 45), interpolation=cv2.INTER_CUBIC).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    several: dict[str, Any] = {"save_all": True, "append_images": [image.rotate(9)]}
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        ("RGB", "JPEG", {"exif": exif}),
        ("L", "JPEG", {"progressive": True}),
        ("CMYK", "JPEG", {}),
        ("RGB", "PNG", {"exif": exif}),
        ("P", "PNG", {"transparency": bytes(range(256))}),
        ("1", "PNG", {}),
        ("RGB", "PNG", several),
        ("RGB", "BMP", {}),
        ("P", "BMP", {}),
        ("RGB", "WEBP", {"exif": exif}),
        ("RGBA", "WEBP", {"lossless": True}),
        ("RGB", "WEBP", several),
        ("RGB", "TIFF", {"tiffinfo": {274: 6}}),
        ("L", "TIFF", {"compression": "tiff_lzw"}),
        ("P", "TIFF", {"compression": "tiff_adobe_deflate"}),
        ("RGB", "TIFF", {"compression": "jpeg"}),
        ("1", "TIFF", {"compression": "group4"}),
        ("I;16", "TIFF", {"compression": "packbits"}),
        ("RGB", "TIFF", several),
        ("RGBA", "TIFF", {}),
        ("CMYK", "TIFF", {}),
        ("P", "GIF", {}),
        ("P", "GIF", several),
        ("RGB", "AVIF", {"exif": exif}),
        ("RGBA", "AVIF", {}),
        ("RGB", "JPEG2000", {}),
        ("L", "JPEG2000", {"no_jp2": True, "tile_size": (32, 32)}),
        ("I;16", "JPEG2000", {}),
        ("RGB", "PPM", {}),
        ("I;16", "PPM", {}),
    ]
    files = []
    for mode, kind, options in kinds:
        buffer = BytesIO()
        source = image.convert("L") if mode == "I;16" else image
        source.convert(mode).save(buffer, kind, **options)
        files.append(buffer.getvalue())
    return files + [path.read_bytes() for path in sorted(HEIC.iterdir())]


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Cuts, changes bytes anywhere or in the header, or moves a part of a file to its end."""
    changed = bytearray(data)
    match rng.integers(4):
        case 0:
            return data[: rng.integers(len(data))]
        case 1:
            first, last = sorted(rng.integers(0, len(data), 2).tolist())
            return data[:first] + data[last:] + data[first:last]
        case 2:
            places = rng.integers(0, len(data), rng.integers(1, 6))
        case _:
            places = rng.integers(0, min(len(data), 200), rng.integers(1, 6))
    for place in places:
        changed[place] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
    return bytes(changed)


def check_mutations(count: int, folder: Path) -> None:
    files = make_files()
    rng = np.random.default_rng(1)
    path = folder / "photo"
    images = refused = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for index in range(count):
        data = mutate(files[index % len(files)], rng)
        try:
            pixels = decode_image(data, "photo")
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 3
            assert pixels.shape[2] == 3
            images += 1
        except DataError as error:
            assert str(error).startswith("photo: ")  # noqa: PT017
            refused += 1
        assert 1 <= exif_orientation(data) <= 8
        path.write_bytes(data)
        for read in (read_size, read_label, read_palette):
            try:
                read(path)
            except DataError as error:
                assert str(error).startswith(f"{path}: ")  # noqa: PT017
    # In KiB. Room for the largest image there may be, three times: a damaged header can promise one.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2_500_000
    assert min(images, refused) > count // 5


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_300_mutated_files_are_images_or_refused(tmp_path: Path) -> None:
    check_mutations(300, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_10000_mutated_files_are_images_or_refused(tmp_path: Path) -> None:
    check_mutations(10_000, tmp_path)


@pytest.mark.parametrize(
    ("start", "size", "message"),
    [
        (b"\xff\xd8\xff", 60 * 10**9, r"at most 2\.3 GB\. Received: 60\.0 GB\. Nothing was decoded"),
        (b"", 60 * 10**9, r"Received: 60\.0 GB"),
        (b"", 2 * 10**9, "is truncated or not an image"),
    ],
)
def test_a_huge_file_is_refused_unread(start: bytes, size: int, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(start)
    os.truncate(path, size)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=rf"x\.jpg: .*{message}"):
            read_image(path)
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()
