"""Compares the size of an image with the one that it was labeled in."""

from pathlib import Path

from fcn.errors import DataError

_SHOWN = 80


def check_labeled_size(
    where: Path, name: str, labeled: tuple[int, int] | None, size: tuple[int, int]
) -> None:
    """Refuses labels that were drawn on an image of another size.

    Args:
        where: The file that holds the labels.
        name: Name of the image there.
        labeled: (height, width) that the file states; None if it states none.
        size: (height, width) of the image.

    Raises:
        DataError: If they differ.
    """
    if labeled is None or labeled == size:
        return
    turned = ""
    if labeled == size[::-1]:
        turned = " One of both is as stored, before EXIF orientation turns it: see --label-orientation."
    raise DataError(
        f"{where}: {name[:_SHOWN]!r} was labeled with {labeled[0]}x{labeled[1]} (height x width). The image "
        f"has {size[0]}x{size[1]}.{turned} Put the image back that was labeled, or export the labels again."
    )
