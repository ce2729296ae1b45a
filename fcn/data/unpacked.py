"""Large examples whose pixels are kept on disk, so that a crop need not decode its whole image and label.

An unpacked example is a `.npy` file, `uint8[4 * H, W]`: the values of its image, then those of its label,
both upright. The file is mapped into memory, so that only those of its pages are read that a crop shows. Its
name is the digest of its pixels.
"""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fcn.data.image_io import Pixels
from fcn.data.leaks import ExampleDigest, digest_example
from fcn.data.split_list import Example
from fcn.data.voc import read_example
from fcn.errors import DataError
from fcn.system.files import atomic_path, partial_files, remove, remove_link, unwritable
from fcn.system.parallel import map_on_all_cores
from fcn.system.progress import track

_BYTES = 4
"""Of a pixel: three channels and a class id."""
_SHARE_OF_DISK = 0.5
"""Of the free space that is used at most: checkpoints, and others, need some too."""


class LargeExample(NamedTuple):
    """An example that is worth unpacking.

    Attributes:
        example: The example.
        digest: The digest of its pixels.
        size: (height, width).
    """

    example: Example
    digest: ExampleDigest
    size: tuple[int, int]

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{(self.digest.image + self.digest.label).hex()}.npy"

    @property
    def num_bytes(self) -> int:
        """The size of its file, but for a header of some 100 bytes."""
        return _BYTES * self.size[0] * self.size[1]


class UnpackedExamples:
    """Unpacked examples in a folder, which may disappear at any time: then they are decoded again.

    Args:
        folder: The folder; nothing is made or read before an example is opened.
        examples: The examples that may be there.
    """

    def __init__(self, folder: Path, examples: Iterable[LargeExample]) -> None:
        self._files = {one.example: (folder / one.name, one.size) for one in examples}

    def open(self, example: Example) -> tuple[Pixels, Pixels] | None:
        """Returns image `uint8[H, W, 3]` RGB and label `uint8[H, W]` of an example, to read only.

        None is returned if they are not there.
        """
        if example not in self._files:
            return None
        path, (height, width) = self._files[example]
        try:
            rows: Pixels = np.asarray(np.lib.format.open_memmap(path, mode="r"))
        except (OSError, ValueError):  # not there, or only a part of it
            return None
        if rows.dtype != np.uint8 or rows.shape != (_BYTES * height, width):
            return None
        return rows[: 3 * height].reshape(height, width, 3), rows[3 * height :]


def find_large(
    examples: Sequence[Example],
    digests: Sequence[ExampleDigest],
    sizes: Sequence[tuple[int, int]],
    megapixels: float,
) -> list[LargeExample]:
    """Returns the examples with more than a number of megapixels, in their order.

    Args:
        examples: Examples.
        digests: The digests of each.
        sizes: (height, width) of each.
        megapixels: Millions of pixels.
    """
    found = map(LargeExample, examples, digests, sizes)
    return [one for one in found if one.size[0] * one.size[1] > megapixels * 1e6]


def choose_fitting(large: Sequence[LargeExample], folder: Path) -> list[LargeExample]:
    """Returns the first of some examples, as many as fit into half of the free space of a disk.

    What is unpacked already counts as free.

    Args:
        large: Examples.
        folder: Where they would be unpacked; its parent is there.

    Raises:
        OutputError: If the free space cannot be read.
    """
    try:
        free = shutil.disk_usage(folder.parent).free
    except OSError as error:
        raise unwritable(folder, error) from error
    present = sum(one.num_bytes for one in large if (folder / one.name).exists())
    ends = np.cumsum([one.num_bytes for one in large])
    return [*large[: int(np.searchsorted(ends, _SHARE_OF_DISK * (free + present), side="right"))]]


def unpack(large: Sequence[LargeExample], folder: Path, num_classes: int) -> None:
    """Unpacks examples into a folder, and removes all others from there.

    Examples that are there already are read and compared, and written again if they differ.

    Args:
        large: The examples.
        folder: The folder, of which nobody else writes. A link in its place is removed.
        num_classes: How many classes the labels may hold.

    Raises:
        DataError: If an example can no longer be read, or is another one than when its digest was taken.
        OutputError: If the folder cannot be written to or the disk is full.
    """
    wanted = {one.name: one for one in large}
    try:
        remove_link(folder)
        for path in [*folder.glob("*.npy"), *partial_files(folder)]:
            if path.name not in wanted:
                remove(path)
    except OSError as error:
        raise unwritable(folder, error) from error

    def bring(one: LargeExample) -> None:
        present = UnpackedExamples(folder, [one]).open(one.example)
        if present is None or digest_example(*present) != one.digest:
            _write(one, folder / one.name, num_classes)

    for _ in track(
        map_on_all_cores(bring, wanted.values()), "unpacking large images", len(wanted), lines=True
    ):
        pass


def _write(one: LargeExample, path: Path, num_classes: int) -> None:
    image, label = read_example(one.example, num_classes)
    if digest_example(image, label) != one.digest:
        raise DataError(
            f"{one.example.image_path}: the image or its label was changed after it had been checked. Run "
            "the same command again."
        )
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        shape = (_BYTES * label.shape[0], label.shape[1])
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        # Not through a map: where the disk is full, that would end the process.
        file.write(np.ascontiguousarray(image).data)
        file.write(np.ascontiguousarray(label).data)
