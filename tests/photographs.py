"""Images of random pixels, what lies in a folder, and a net that labels them."""

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fcn.inference.predictor import Predictor
from fcn.jobs.store import STORE_NAME
from fcn.models.fcn import FCN


def random_predictor() -> Predictor:
    model = FCN(num_classes=3, width=1 / 16)
    rng = np.random.default_rng(0)
    # New score layers start at zero: every pixel would be class 0, and a label that is wrong look right.
    model.set_weights([rng.normal(0, 0.1, weight.shape) for weight in model.get_weights()])
    return Predictor(model)


def write_image(path: Path, height: int = 24, width: int = 32, channels: int = 3, depth: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([*os.fsencode(path.name)])
    coarse = rng.integers(0, 2**depth, (4, 4, channels))
    pixels = cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST)
    kind: Any = np.uint8 if depth == 8 else np.uint16
    written, data = cv2.imencode(path.suffix, pixels.astype(kind))
    assert written
    path.write_bytes(data.tobytes())
    return path


def files_below(folder: Path) -> set[str]:
    names = (str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())
    return {name for name in names if name != STORE_NAME}


def contents_below(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files_below(folder)}


def write_smooth_images(folder: Path, number: int) -> Path:
    """Writes pictures of two sizes that are smooth, as photographs are; returns the folder."""
    rng = np.random.default_rng(0)
    for index in range(number):
        coarse = rng.integers(0, 256, (5, 6, 3), np.uint8)
        size = (64, 48) if index % 3 else (50, 70)
        cv2.imwrite(str(folder / f"{index:02}.png"), cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC))
    return folder


def write_video(path: Path, frames: int, codec: str = "mp4v") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), 10, (64, 48))
    for index in range(frames):
        writer.write(np.full((48, 64, 3), 20 * index % 200, np.uint8))
    writer.release()
    return path
