"""GeoTIFFs for tests, and an engine that labels them in windows without a net that takes time."""

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from job_program import Brightness

from fcn.data.image_io import Pixels
from fcn.inference.engines.engine import Floats, Labeled
from fcn.inference.predictor import Predictor
from fcn.inference.tiling.tiles import TiledEngine
from fcn.models.fields import NetDescription

rasterio = pytest.importorskip("rasterio", reason="needs the extra geo")
TRANSFORM = (0.25, 0, 500_000.5, 0, -0.25, 5_700_000.25)
"""From columns and rows to meters, north up."""
TURNED = (0.2, 0.15, 500_000.5, 0.15, -0.2, 5_700_000.25)
CRS = "EPSG:32633"


def noise(height: int, width: int, bands: int = 3, most: int = 255) -> np.ndarray[Any, Any]:
    """Returns smooth random pixels, as pictures from above have them."""
    rng = np.random.default_rng([height, width, bands])
    coarse = rng.integers(0, most + 1, (-(-height // 9), -(-width // 9), bands))
    pixels = coarse.repeat(9, axis=0).repeat(9, axis=1)[:height, :width]
    return pixels.astype(np.uint8 if most < 256 else np.uint16)


def write_raster(
    path: Path, pixels: np.ndarray[Any, Any], transform: tuple[float, ...] | None = TRANSFORM, **options: Any
) -> Path:
    """Writes pixels `[H, W, bands]` as a GeoTIFF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, bands = pixels.shape
    place = {} if transform is None else {"crs": CRS, "transform": rasterio.Affine(*transform)}
    layout = {"height": height, "width": width, "count": bands, "dtype": pixels.dtype.name}
    with (
        warnings.catch_warnings(action="ignore"),
        rasterio.open(path, "w", **{"driver": "GTiff", **layout, **place, **options}) as dataset,
    ):
        dataset.write(pixels.transpose(2, 0, 1))
    return path


class WindowedBrightness(Brightness):
    """Labels by brightness, as a net would be asked to whose maps take memory.

    Args:
        seconds: For each window.
    """

    def __init__(self, seconds: float = 0) -> None:
        super().__init__(seconds)
        self.net = NetDescription(8, "same", 1.0, 1 / 64, 3, fc_channels=8)

    def label(self, images: Pixels) -> Labeled:
        time.sleep(self.seconds)
        self.batches.append(images.shape)
        confidence = 1 - images[..., 1].astype(np.float32) / 1000
        return Labeled(images[..., 0] // 86, confidence)

    def shrunk_logits(self, images: Floats) -> Floats:
        raise NotImplementedError


def windowed(engine: WindowedBrightness, side: int = 640) -> Predictor:
    """Returns a predictor whose windows have about `side` rows and columns."""
    return Predictor.from_engine(TiledEngine(engine, engine.net.map_bytes(side, side)))


def brightness(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Returns the label that the engine gives."""
    return pixels[..., 0] // 86
