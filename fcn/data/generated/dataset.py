"""A data set of drawn images in the layout of Pascal VOC, made in seconds, without a download.

Six classes of textured objects lie on cluttered ground. A small net learns them in minutes; colors
alone tell nothing: they come from one distribution for every class and for the background.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fcn.classes import Classes
from fcn.data.generated.scene import draw_scene
from fcn.data.generated.shapes import SHAPES
from fcn.data.image_io import encode_jpeg, encode_label
from fcn.system.atomic_folder import atomic_folder
from fcn.system.parallel import available_cores
from fcn.system.progress import track

CLASS_NAMES = ("background", *SHAPES)
"""The classes of the data set in the order of their ids."""

SIZES = ((112, 160), (112, 144), (128, 160), (128, 176), (144, 144), (160, 128), (160, 112), (176, 128))
"""Sizes of the images, (height, width) in pixels."""

SPLITS = ("train", "val")


def generate_dataset(
    root: Path | str, num_train: int, num_val: int, seed: int = 0, sizes: Sequence[tuple[int, int]] = SIZES
) -> None:
    """Writes a data set of drawn images in the layout of VOCdevkit's `VOC2012` folder.

    `JPEGImages/NAME.jpg`, `SegmentationClass/NAME.png` (palette images whose values are class ids, 255
    along the borders of objects), `ImageSets/Segmentation/{train,val,trainval}.txt` and `labels.txt`
    (one class name a line, background first). The same arguments give the same bytes. The folder
    appears when all of it is written.

    Args:
        root: The folder to make; may exist if it is empty.
        num_train: Images in the split `train`, at least 1.
        num_val: Images in the split `val`, at least 1.
        seed: Chooses the data set, at least 0. Image i of a split is the same however many there are.
        sizes: Sizes to choose from, (height, width) in pixels, sides of 64 or more.

    Raises:
        ValueError: If a number is too small.
        OutputError: If `root` is in use or cannot be written to.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp()) / "shapes"
        >>> generate_dataset(root, num_train=2, num_val=1, seed=0)
        >>> sorted(path.name for path in (root / "JPEGImages").iterdir())
        ['train_00000.jpg', 'train_00001.jpg', 'val_00000.jpg']
    """
    counts = dict(zip(SPLITS, (num_train, num_val), strict=True))
    if min(counts.values()) < 1:
        raise ValueError(
            f"Expected at least 1 image in each split. Received: num_train={num_train}, num_val={num_val}."
        )
    if seed < 0:
        raise ValueError(f"Expected a seed of 0 or more. Received: seed={seed}.")
    if not sizes or min(map(min, sizes)) < 64:
        raise ValueError(f"Expected sizes with sides of 64 pixels or more. Received: sizes={sizes}.")
    with atomic_folder(Path(root).absolute()) as temporary:
        _write_splits(temporary, counts, seed, sizes)


def _write_splits(root: Path, counts: dict[str, int], seed: int, sizes: Sequence[tuple[int, int]]) -> None:
    lists = root / "ImageSets" / "Segmentation"
    for folder in (root / "JPEGImages", root / "SegmentationClass", lists):
        folder.mkdir(parents=True)
    classes = Classes.named(CLASS_NAMES)
    names = [f"{split}_{index:05d}" for split in SPLITS for index in range(counts[split])]

    def write(name: str) -> None:
        split, index = name.split("_")
        image, label = generate_example(split, int(index), seed, sizes)
        (root / "JPEGImages" / f"{name}.jpg").write_bytes(encode_jpeg(image))
        (root / "SegmentationClass" / f"{name}.png").write_bytes(encode_label(label, classes))

    with ThreadPoolExecutor(max(2, available_cores())) as pool:
        for _ in track(pool.map(write, names), "generating images", total=len(names)):
            pass
    for split, chosen in (*((split, split) for split in SPLITS), ("trainval", "")):
        lines = sorted(name for name in names if name.startswith(chosen))
        (lists / f"{split}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (root / "labels.txt").write_text("\n".join(CLASS_NAMES) + "\n", encoding="utf-8")


def generate_example(
    split: str, index: int, seed: int, sizes: Sequence[tuple[int, int]] = SIZES
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Returns one drawn image and its label; both depend on the arguments alone.

    Args:
        split: `train` or `val`.
        index: Which image of the split, from 0.
        seed: Chooses the data set, at least 0.
        sizes: Sizes to choose from, (height, width) in pixels.

    Returns:
        Image `uint8[H, W, 3]`, RGB, and label `uint8[H, W]`: class ids, 255 along borders of objects.

    Example:
        >>> image, label = generate_example("train", 0, seed=0)
        >>> image.shape[:2] == label.shape
        True
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    height, width = sizes[int(rng.integers(len(sizes)))]
    # The first class goes round with the index, so that even a small data set holds every class.
    others = rng.integers(1, len(CLASS_NAMES), rng.choice(4, p=(0.3, 0.35, 0.25, 0.1)) + 1).tolist()
    return draw_scene(rng, (height, width), [1 + index % len(SHAPES), *others])
