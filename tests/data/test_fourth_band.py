"""Fourth bands that are called transparency."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fcn.data.fourth_band import seems_to_have_fourth_band

SIZE = (40, 50)


def write(path: Path, alpha: np.ndarray, bands: int = 3, kind: str = "PNG") -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, bands)).astype(np.uint8)
    image = Image.fromarray(np.dstack([pixels, alpha.astype(np.uint8)]), "RGBA" if bands == 3 else "LA")
    image.save(path, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return path


def smooth() -> np.ndarray:
    coarse = np.random.default_rng(1).integers(0, 256, (5, 6)).astype(np.uint8)
    return cv2.resize(coarse, SIZE[::-1])


@pytest.mark.parametrize(("kind", "bands"), [("PNG", 3), ("PNG", 1), ("TIFF", 3), ("WEBP", 3)])
def test_alpha_that_varies_is_taken_for_a_band(kind: str, bands: int, tmp_path: Path) -> None:
    assert seems_to_have_fourth_band(write(tmp_path / "a", smooth(), bands, kind))


def test_transparency_is_not_taken_for_a_band(tmp_path: Path) -> None:
    cut = np.zeros(SIZE)
    cut[10:30, 10:40] = 255
    for alpha in (cut, np.full(SIZE, 255), np.full(SIZE, 128), cv2.GaussianBlur(cut, (5, 5), 0)):
        assert not seems_to_have_fourth_band(write(tmp_path / "a.png", alpha))


def test_without_alpha_or_readable_pixels_there_is_no_band(tmp_path: Path) -> None:
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(tmp_path / "gray.png")
    (tmp_path / "cut.png").write_bytes(write(tmp_path / "a.png", smooth()).read_bytes()[:500])
    for name in ("gray.png", "cut.png", "missing.png"):
        assert not seems_to_have_fourth_band(tmp_path / name)
