"""A small data set with labels that are hard to draw: rings, holes, lines, single pixels and void."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from fcn.classes import VOID, Classes
from fcn.data.image_io import encode_label

NAMES = ("background", "cat", "dog", "tree trunk")
SPLITS = {"train": ("a", "b 2", "c.d"), "val": ("x", "y")}
SIZES = ((37, 48), (40, 31), (16, 16))


def make_label(seed: int, size: tuple[int, int], void: bool = True) -> np.ndarray:
    """Returns `uint8[H, W]` with the ids of `NAMES`, and void if that is wanted."""
    rng = np.random.default_rng(seed)
    height, width = size
    coarse = rng.choice(4, (1 + height // 6, 1 + width // 6), p=(0.5, 0.2, 0.2, 0.1)).astype(np.uint8)
    label = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)
    values = [0, 1, 2, 3, VOID] if void else [0, 1, 2, 3]
    for value in values * 2:
        center = int(rng.integers(width)), int(rng.integers(height))
        cv2.circle(label, center, int(rng.integers(2, 9)), value, int(rng.choice([-1, 1, 2])))
        end = int(rng.integers(width)), int(rng.integers(height))
        cv2.line(label, (int(rng.integers(width)), int(rng.integers(height))), end, value)
        label[rng.integers(height, size=2), rng.integers(width, size=2)] = value
    label.flat[: len(values)] = values
    return label


def make_labels(void: bool = True) -> dict[str, np.ndarray]:
    """Returns the labels by split and name, such as "train/a"."""
    places = [f"{split}/{name}" for split, names in SPLITS.items() for name in names]
    return {place: make_label(seed, SIZES[seed % len(SIZES)], void) for seed, place in enumerate(places)}


def write_root(root: Path) -> dict[str, np.ndarray]:
    """Writes the data set; returns its labels."""
    labels = make_labels()
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for place, label in labels.items():
        name = place.partition("/")[2]
        Image.fromarray(np.full((*label.shape, 3), 90, np.uint8)).save(root / "JPEGImages" / f"{name}.jpg")
        (root / "SegmentationClass" / f"{name}.png").write_bytes(encode_label(label, Classes.named(NAMES)))
    for split, names in SPLITS.items():
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names))
    (root / "labels.txt").write_text("\n".join(NAMES))
    return labels
