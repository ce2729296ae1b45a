"""A data set with a rare class, one that no label has, and a training label without any."""

from pathlib import Path

import cv2
import numpy as np

from fcn.classes import VOID, Classes
from fcn.data.examination import class_pixels, examine_examples
from fcn.data.image_io import encode_label
from fcn.data.sampling import ClassSampler
from fcn.data.voc import Example, read_split

CLASSES = Classes.named(("ground", "cat", "dog", "unicorn"))
RARE = 2
TEMPERATURE = 0.3
# How many of the 60 x 80 pixels of each training label have each class; the rest is void.
PIXELS = np.array(
    [
        [4640, 0, 0, 0],
        [2320, 2320, 0, 0],
        [4640, 0, 0, 0],
        [2320, 2320, 0, 0],
        [4640, 0, 0, 0],
        [2284, 2320, 36, 0],
        [0, 0, 0, 0],
    ]
)


def write_rare_classes(root: Path) -> Path:
    """Writes seven training images and one to score on; the rare class is a square of 6 x 6 in the sixth."""
    rng = np.random.default_rng(0)
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for index, name in enumerate("abcdefgv"):
        coarse = rng.integers(0, 256, (8, 10, 3), np.uint8)
        cv2.imwrite(str(root / "JPEGImages" / f"{name}.png"), cv2.resize(coarse, (80, 60)))
        label = np.zeros((60, 80), np.uint8)
        if index % 2:
            label[:, :40] = 1
        if name in "fv":
            label[10:16, 60:66] = RARE
        label[58:] = VOID
        if name == "g":
            label[:] = VOID
        (root / "SegmentationClass" / f"{name}.png").write_bytes(encode_label(label, CLASSES))
    for split, names in (("train", "abcdefg"), ("val", "v")):
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("".join(f"{n}\n" for n in names))
    (root / "labels.txt").write_text("".join(f"{name}\n" for name in CLASSES.names))
    return root


def read_rare_classes(root: Path, temperature: float = TEMPERATURE) -> tuple[list[Example], ClassSampler]:
    """Returns the training split, and what draws from it."""
    examples = read_split(root, "train")
    facts = [one for one in examine_examples(examples, len(CLASSES.names)).facts if one is not None]
    return examples, ClassSampler(class_pixels(facts, len(CLASSES.names)), temperature)
