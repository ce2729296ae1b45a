"""Labeling files and whole folders of images."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fcn.data.image_io import (
    Pixels,
    decode_image,
    encode_jpeg,
    exif_orientation,
    read_file,
    write_label,
)
from fcn.errors import DataError, OutputError
from fcn.files import write_bytes
from fcn.inference.outputs.overlay import upright_overlay
from fcn.inference.predictor import Predictor
from fcn.inference.search import find_images, name_labels, overlay_path
from fcn.parallel import map_ahead
from fcn.progress import track


class LabelingResult(NamedTuple):
    """What came of labeling files and folders.

    Attributes:
        written: Number of images that were labeled.
        failed: What could not be read, and why; the reason does not repeat the path.
        output: The folder that holds the labels.
    """

    written: int
    failed: tuple[tuple[Path, str], ...]
    output: Path


class _Decoded(NamedTuple):
    image: Pixels
    orientation: int


class _Labeled(NamedTuple):
    label_path: Path
    image: Pixels
    orientation: int
    label: Pixels


def label_images(
    predictor: Predictor, inputs: Sequence[Path], output: Path, overlay: bool = False
) -> LabelingResult:
    """Labels images and writes palette PNGs of the images' own, stored sizes.

    The label of an image is `output/FOLDER/STEM.png`, with FOLDER relative to the input folder the image was
    found in; images that would get the same name all get `NAME.EXT.png`. An image that cannot be read is
    recorded, and the job goes on.

    Args:
        predictor: The net to label with.
        inputs: Files, and folders that are searched for JPEG, PNG, BMP, WebP and TIFF files in all depths.
            Hidden files and folders inside them are passed over, and so is `output`.
        output: The folder to write to; made if it is missing.
        overlay: Whether to write `STEM.overlay.jpg`, a picture for people, beside each label.

    Raises:
        DataError: If an input is missing, unreadable or inside `output`; if there are no images; if two
            images have the same name and the same place below their inputs.
        OutputError: If `output` cannot be written to or the disk is full. What was written before stays.
    """
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output}: is a file, not a folder to write to. Choose another output folder.")
    images, failed = find_images(inputs, output)
    label_paths = [output / name for name in name_labels(images)]

    def label_all() -> Iterator[_Labeled]:
        decoded = map_ahead(_decode, [image.path for image in images])
        for found, label_path, content in zip(
            images, label_paths, track(decoded, "labeling", total=len(images)), strict=True
        ):
            if isinstance(content, DataError):
                failed.append((found.path, str(content).removeprefix(f"{found.path}: ")))
            else:
                label = predictor.predict(content.image).label
                yield _Labeled(label_path, content.image, content.orientation, label)

    def write(labeled: _Labeled) -> None:
        write_label(labeled.label_path, labeled.label, predictor.classes)
        if overlay:
            picture = upright_overlay(labeled.image, labeled.label, labeled.orientation, predictor.classes)
            write_bytes(overlay_path(labeled.label_path), encode_jpeg(picture))

    # Two ahead: the net goes on while one label is written, and stops soon after a write that failed.
    written = sum(1 for _ in map_ahead(write, label_all(), ahead=2))
    return LabelingResult(written, tuple(sorted(failed)), output)


def _decode(path: Path) -> _Decoded | DataError:
    """Reads an image; returns, not raises, what is wrong with it, so that the job goes on."""
    try:
        data = read_file(path)
        return _Decoded(decode_image(data, path), exif_orientation(data))
    except DataError as error:
        return error
