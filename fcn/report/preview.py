"""The first examples of a training on one HTML page that opens offline, as the training sees them."""

from pathlib import Path

import cv2
import numpy as np

from fcn.classes import VOID, Classes, count_ids
from fcn.config.augmentation import AugmentationConfig
from fcn.config.file import Config
from fcn.data.examination import class_pixels, examine_examples
from fcn.data.image_io import encode_jpeg
from fcn.data.stream import TrainingStream, open_training_stream
from fcn.data.voc import has_split, read_classes, read_split
from fcn.labels.validation_split import divide_examples, lists_of
from fcn.outputs.overlay import tint
from fcn.outputs.overlay_style import DEFAULT_STYLE
from fcn.pages.percent import percent
from fcn.pages.picture import Picture, embed
from fcn.pages.render import render
from fcn.pages.swatch import class_swatches
from fcn.system.progress import track
from fcn.system.results import write_result

_LONGER_SIDE = 360


def write_preview(path: Path, config: Config, name: str, count: int) -> None:
    """Writes a page with the first examples of a training, each as image and as label.

    Balanced sampling and `data.val_share` need the pixels of all labels, so that all are read first.

    Args:
        path: The file to write.
        config: The training.
        name: Its name, for the title.
        count: Number of examples.

    Raises:
        DataError: If the data set, or one of the examples, cannot be used.
        OutputError: If the place cannot be written to or the disk is full.
    """
    data = config.data
    splits = [split for split in (data.train_split, data.val_split) if has_split(data.root, split)]
    classes = read_classes(data.root, splits or (data.train_split,), data.classes)
    num_classes = len(classes.names)
    examples = read_split(data.root, data.train_split, data.label_orientation, data.used_bits)
    pixels = None
    share = data.val_share if len(lists_of(data)) == 1 else None
    if share is not None or data.sampling == "balanced":
        found = examine_examples(examples, num_classes)
        facts = found.usable_facts()
        if share is not None:
            found, count_train = divide_examples(data.root, found, share)
            examples, facts = [*found.examples[:count_train]], found.usable_facts()[:count_train]
        pixels = class_pixels(facts, num_classes)
    stream = open_training_stream(config, examples, num_classes, pixels)
    ids: set[int] = set()
    shown = [_pictures(stream, index, classes, ids) for index in track(range(count), "drawing")]
    page = render(
        "preview.html",
        name=name,
        root=str(data.root),
        split=data.train_split,
        num_images=len(examples),
        changes=_describe(config.augmentation),
        is_balanced=stream.sampler is not None,
        examples=shown,
        legend=class_swatches(DEFAULT_STYLE.recolor(classes), sorted(ids)),
    )
    write_result(path, page)


def _pictures(stream: TrainingStream, index: int, classes: Classes, ids: set[int]) -> list[Picture]:
    """Returns the image of an item, and the image with its label; adds the ids that occur."""
    image, label = stream[index]
    counts = count_ids(np.ascontiguousarray(label))
    ids.update(np.flatnonzero(counts).tolist())
    scale = min(1.0, _LONGER_SIDE / max(label.shape))
    size = tuple(max(1, round(side * scale)) for side in label.shape[::-1])
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    known = cv2.resize(np.ascontiguousarray(label), size, interpolation=cv2.INTER_NEAREST_EXACT)
    tinted = tint(small, known.astype(np.uint8, copy=False), classes)
    height, width = label.shape
    void = f"{percent(counts[VOID] / label.size, 0)} void"
    return [
        embed(caption, f"{what} of example {index + 1}", "jpeg", encode_jpeg(picture), picture.shape)
        for caption, what, picture in (
            (f"{index + 1}: {width} x {height}", "Image", small),
            (f"label, {void}", "Classes in the label", tinted),
        )
    ]


def _describe(settings: AugmentationConfig) -> list[str]:
    """Returns the keys of the augmentation that differ from a training without any, with their values."""
    plain = AugmentationConfig(crop_size=None, scale=(1, 1), flip=False, color_jitter=0)
    return [
        f"{key} {_write(value)}"
        for key, value in settings.model_dump().items()
        if value != getattr(plain, key)
    ]


def _write(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(f'{one:g}' for one in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value).lower()
