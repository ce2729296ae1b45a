"""Tests of reading windows of TIFFs: their pixels are those of the whole images that other commands read."""

import os
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image
from rasters import CRS, TRANSFORM, noise, rasterio, write_raster

from fcn.data.image_io import read_image
from fcn.data.raster import open_raster
from fcn.errors import DataError

SIZE = (133, 190)
PLACES = [
    (slice(None), slice(None)),
    (slice(0, 1), slice(0, 1)),
    (slice(17, 90), slice(64, 190)),
    (slice(130, 133), slice(3, 7)),
]
TILED = {"tiled": True, "blockxsize": 64, "blockysize": 32}


@pytest.mark.parametrize(
    ("bands", "most", "bits", "options"),
    [
        (3, 255, 16, {"photometric": "RGB", **TILED, "compress": "deflate"}),
        (3, 255, 16, {"photometric": "RGB", "interleave": "band", "compress": "lzw", "predictor": 2}),
        (3, 255, 16, {"photometric": "RGB", "BIGTIFF": "YES"}),
        (1, 255, 16, {"compress": "packbits"}),
        (1, 65535, 16, {}),
        (1, 4095, 12, TILED),
        (3, 65535, 16, {"photometric": "RGB", **TILED, "compress": "lzw"}),
        (3, 4095, 12, {"photometric": "RGB", "compress": "deflate"}),
        (4, 255, 16, {"photometric": "RGB", "alpha": "YES"}),
    ],
)
def test_windows_have_the_pixels_of_the_whole_image(
    bands: int, most: int, bits: int, options: dict[str, Any], tmp_path: Path
) -> None:
    path = write_raster(tmp_path / "a.tif", noise(*SIZE, bands, most), **options)
    whole = read_image(path, bits)
    assert whole.std() > 10
    with open_raster(path, bits) as raster:
        assert raster.shape == (*SIZE, 3)
        assert raster.georeference.crs == CRS
        assert tuple(raster.georeference.transform)[:6] == TRANSFORM
        for place in PLACES:
            np.testing.assert_array_equal(raster[place], whole[place])
            assert raster[place].flags.c_contiguous
            assert raster.has_data(place).shape == whole[place].shape[:2]
        if bands < 4:
            assert raster.has_data(PLACES[0]).all()


def test_jpegs_in_a_tiff_are_read_as_rgb(tmp_path: Path) -> None:
    options = {"photometric": "YCBCR", "compress": "jpeg", "tiled": True, "jpeg_quality": 95}
    smooth = cv2.resize(noise(9, 9 * 8), (256, 256), interpolation=cv2.INTER_CUBIC)
    path = write_raster(tmp_path / "a.tif", smooth, blockxsize=128, blockysize=128, **options)
    with open_raster(path) as raster:
        found = raster[PLACES[0]].astype(int)
    # The colors are interpolated in one way or another.
    difference = np.abs(found - read_image(path))
    assert difference.mean() < 2
    assert np.abs(found - smooth).mean() < 3


def test_pixels_without_data_are_told_by_a_value_a_mask_and_alpha(tmp_path: Path) -> None:
    pixels = noise(*SIZE)
    pixels[:40, :50] = 0
    pixels[60:, 100] = (0, 0, 7)
    path = write_raster(tmp_path / "value.tif", pixels, nodata=0, photometric="RGB")
    wanted = pixels.any(axis=2)
    assert not wanted[:40, :50].any()
    assert wanted[60:, 100].all()
    with open_raster(path) as raster:
        for place in PLACES:
            np.testing.assert_array_equal(raster.has_data(place), wanted[place])
        np.testing.assert_array_equal(raster[PLACES[0]], pixels)

    alpha = np.full((*SIZE, 1), 255, np.uint8)
    alpha[5:30, 7:9] = 0
    alpha[50] = 1
    with_alpha = np.concatenate([pixels, alpha], axis=2)
    path = write_raster(tmp_path / "alpha.tif", with_alpha, photometric="RGB", alpha="YES")
    with open_raster(path) as raster:
        np.testing.assert_array_equal(raster.has_data(PLACES[2]), alpha[..., 0][PLACES[2]] > 0)

    path = write_raster(tmp_path / "mask.tif", pixels, photometric="RGB")
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(alpha[..., 0] > 0)
    with open_raster(path) as raster:
        np.testing.assert_array_equal(raster.has_data(PLACES[2]), alpha[..., 0][PLACES[2]] > 0)


def test_what_marks_pixels_without_data_may_have_more_bits(tmp_path: Path) -> None:
    pixels = noise(*SIZE, 1, 4095)
    pixels[:9] = 65535
    path = write_raster(tmp_path / "a.tif", pixels, nodata=65535)
    with open_raster(path, 12) as raster:
        assert not raster.has_data(PLACES[0])[:9].any()
        np.testing.assert_array_equal(raster[PLACES[0]][9:, :, 1], pixels[9:, :, 0] >> 4)
        assert not raster[PLACES[0]][:9].any()
    pixels[20, 20] = 4096
    write_raster(path, pixels, nodata=65535)
    with (
        open_raster(path, 12) as raster,
        pytest.raises(DataError, match=r"a\.tif: expected values of 12 bits"),
    ):
        raster[PLACES[0]]


def write_pages(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        for _ in range(2):
            file.write(noise(20, 30), photometric="rgb")


def write_turned(path: Path) -> None:
    Image.fromarray(noise(20, 30)).save(path, tiffinfo={274: 6})


def write_truncated(path: Path) -> None:
    write_raster(path, noise(64, 64), compress="deflate", photometric="RGB")
    os.truncate(path, path.stat().st_size // 2)


def write_huge_tile(path: Path) -> None:
    options = {"photometric": "RGB", "compress": "deflate", "SPARSE_OK": True}
    options |= {"tiled": True, "blockxsize": 9504, "blockysize": 9504}
    size = {"height": 9500, "width": 9500, "count": 3, "dtype": "uint8"}
    place = {"crs": CRS, "transform": rasterio.Affine(*TRANSFORM)}
    with rasterio.open(path, "w", driver="GTiff", **size, **place, **options):
        pass


REFUSED = {
    "near infrared": (
        lambda path: tifffile.imwrite(
            path, noise(20, 30, 4), photometric="rgb", extrasamples=["unspecified"]
        ),
        r"has 4 bands, 1 of them without a stated meaning, such as near infrared",
    ),
    "5 bands": (lambda path: write_raster(path, noise(20, 30, 5)), r"has 5 bands"),
    "fractions": (
        lambda path: write_raster(path, noise(20, 30).astype(np.float32), photometric="RGB"),
        r"expected whole numbers from 0 on",
    ),
    "a palette": (
        lambda path: Image.fromarray(noise(20, 30, 1)[..., 0]).convert("P").save(path),
        r"expected gray from black on, RGB, or JPEG in YCbCr.*-expand rgb",
    ),
    "an orientation": (write_turned, r"has orientation 6"),
    "two pages": (write_pages, r"expected one image\. Received: 2 pages"),
    "a PNG": (
        lambda path: Image.fromarray(noise(20, 30)).save(path, "PNG"),
        r"expected a TIFF.*Received: PNG",
    ),
    "half a file": (write_truncated, r"is truncated or"),
    "nothing": (lambda path: path.write_bytes(b""), r"is empty \(0 bytes\)"),
    "one huge tile": (
        write_huge_tile,
        r"is stored in blocks of 9504 x 9504 pixels, 0\.3 GB each.*TILED=YES",
    ),
    "a name that is not text": (None, r"has a name that is not valid UTF-8"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_has_no_one_meaning_is_refused_with_the_remedy(kind: str, tmp_path: Path) -> None:
    write, reason = REFUSED[kind]
    path = tmp_path / "a.tif"
    if write is None:
        path = write_raster(path, noise(20, 30), photometric="RGB").rename(tmp_path / "\udcff.tif")
    else:
        write(path)
    with (
        warnings.catch_warnings(),
        pytest.raises(DataError, match=reason) as caught,
        open_raster(path) as raster,
    ):
        raster[PLACES[0]]
    assert str(caught.value).startswith(f"{path}: ")


def test_premultiplied_colors_are_refused_where_they_are_partly_transparent(tmp_path: Path) -> None:
    pixels = noise(*SIZE, 4)
    pixels[..., 3] = 255
    pixels[:9, :, 3] = 0
    path = write_raster(tmp_path / "a.tif", pixels, photometric="RGB", alpha="PREMULTIPLIED")
    with open_raster(path) as raster:
        assert not raster.has_data(PLACES[0])[:9].any()
    pixels[30, 30, 3] = 9
    write_raster(path, pixels, photometric="RGB", alpha="PREMULTIPLIED")
    with open_raster(path) as raster, pytest.raises(DataError, match="multiplied by alpha"):
        raster.has_data(PLACES[0])
