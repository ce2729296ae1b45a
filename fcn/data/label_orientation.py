"""Labels of images with an EXIF orientation: of the upright image, or of the pixels as they are stored."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fcn.config.sections import LabelOrientation
from fcn.data.image_header import reading_header, stored_size
from fcn.data.image_io import Pixels
from fcn.data.orientation import is_sideways, orientation_of, read_orientation, upright
from fcn.errors import DataError
from fcn.system.parallel import map_on_all_cores


class TurnedImages(NamedTuple):
    """Number of images with an EXIF orientation that turns them.

    Attributes:
        images: All of them.
        unclear: Those with the same height and width before and after: they are square, mirrored or turned by
            180 degrees. The size of a label does not show which of both it is of.
    """

    images: int
    unclear: int


def turn_label(label: Pixels, image_path: Path) -> Pixels:
    """Returns a label of stored pixels, `uint8[H, W]`, turned upright as its image is.

    Raises:
        DataError: If the image cannot be read.
    """
    return upright(label, read_orientation(image_path))


def read_label_size(
    label_path: Path, image_path: Path, label_orientation: LabelOrientation
) -> tuple[int, int]:
    """Returns (height, width) of an upright label from headers.

    Raises:
        DataError: If the label or the image cannot be read.
    """
    with reading_header(label_path) as header:
        height, width = stored_size(header)
    turned = label_orientation == "stored" and is_sideways(read_orientation(image_path))
    return (width, height) if turned else (height, width)


def check_size(
    image: Pixels, label: Pixels, image_path: Path, label_path: Path, label_orientation: LabelOrientation
) -> None:
    """Refuses a label of another size than its image.

    Args:
        image: `uint8[H, W, 3]`, upright.
        label: `uint8[H, W]`, turned if it was of stored pixels.
        image_path: The image, for the error.
        label_path: The label, for the error.
        label_orientation: What the label is of.

    Raises:
        DataError: If the sizes differ. It names the cause if the label fits the image before or after it is
            turned, and not as configured.
    """
    if image.shape[:2] == label.shape:
        return
    size, received = (f"{shape[0]}x{shape[1]}" for shape in (image.shape, label.shape))
    expected = f"{label_path}: expected the size of {image_path.name}, {size} (height x width)"
    orientation = read_orientation(image_path)
    if upright(label, orientation).shape != image.shape[:2]:
        raise DataError(f"{expected}. Received: {received}. Make the label again at the image's own size.")
    if label_orientation == "stored":
        raise DataError(
            f"{label_path}: fits the upright {image_path.name}, {size} (height x width), and not its "
            f"stored pixels, which its EXIF orientation {orientation} turns. With data.label_orientation: "
            "stored it is turned too. Leave that out, or turn the labels that differ."
        )
    raise DataError(
        f"{expected}: its EXIF orientation {orientation} turns it. Received: {received}, the size of its "
        "stored pixels. Turn the label, or set data.label_orientation: stored if all labels are of stored "
        "pixels."
    )


def count_turned(paths: Sequence[Path]) -> TurnedImages:
    """Counts images with an EXIF orientation that turns them; only headers are read.

    Raises:
        DataError: If an image cannot be read.
    """

    def look(path: Path) -> tuple[bool, bool]:
        with reading_header(path) as header:
            orientation, (height, width) = orientation_of(header), stored_size(header)
        return orientation > 1, orientation > 1 and (not is_sideways(orientation) or height == width)

    found = list(map_on_all_cores(look, paths))
    return TurnedImages(sum(turned for turned, _ in found), sum(unclear for _, unclear in found))


def describe_unclear(turned: TurnedImages, label_orientation: LabelOrientation) -> str | None:
    """Returns a sentence if nothing shows whether the labels of turned images are upright; None otherwise.

    The size of the label of any other turned image shows it, so then there is none.
    """
    if label_orientation == "stored" or not turned.images or turned.unclear < turned.images:
        return None
    return (
        f"{turned.images} images are turned by their EXIF orientation, and all of them are square, "
        "mirrored or turned by 180 degrees: the size of their labels does not show whether these are turned "
        "too. They are taken as upright. If they are of stored pixels, set data.label_orientation: stored; "
        "evaluate takes --label-orientation stored."
    )
