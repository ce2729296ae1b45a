"""Images without labels, from which a net learns what its teacher says of them."""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from fcn.config.sections import DataConfig
from fcn.data.image_io import read_image
from fcn.data.leaks import digest_image
from fcn.data.split_list import Example
from fcn.data.voc import listed
from fcn.errors import DataError
from fcn.labels.importing.folders import find_images, name_below
from fcn.system.parallel import map_on_all_cores
from fcn.system.progress import track
from fcn.system.text import counted


class UnlabeledImages(NamedTuple):
    """Images without labels that can all be used.

    Attributes:
        examples: The images; the path of the label is that of the image.
        digests: Digest of each image.
        num_scored: Number of images of the folder that were left out, since they are scored.
    """

    examples: tuple[Example, ...] = ()
    digests: tuple[bytes, ...] = ()
    num_scored: int = 0

    @property
    def digest(self) -> str:
        """A digest of all images in their order; "" without any."""
        return hashlib.sha256(b"".join(self.digests)).hexdigest() if self.digests else ""

    def describe(self, folder: Path, share: float) -> str:
        """Returns a line about these images.

        Args:
            folder: Where they are.
            share: `data.unlabeled_share`.
        """
        text = f"Unlabeled: {counted(len(self.examples), 'image')} of {folder}, {share:.0%} of the examples."
        if self.num_scored:
            text += f" Left out, since they are scored: {self.num_scored:,}."
        return text


def find_unlabeled(config: DataConfig) -> list[Example]:
    """Returns the images without labels of a training, which are not read; none without `data.unlabeled`.

    Args:
        config: The data set.

    Raises:
        DataError: If the folder is not there or holds no image.
    """
    folder = config.unlabeled
    if folder is None:
        return []
    if not folder.is_dir():
        raise DataError(f"data.unlabeled={folder}: no such folder. Expected one that holds images.")
    paths = find_images(folder)
    if not paths:
        raise DataError(f"data.unlabeled={folder}: holds no images. Give a folder that does, or null.")
    return [Example(name_below(folder, path), path, path, bits=config.used_bits) for path in paths]


def read_unlabeled(config: DataConfig, scored: Collection[bytes]) -> UnlabeledImages:
    """Finds the images without labels of a training and reads each once; none without `data.unlabeled`.

    Args:
        config: The data set.
        scored: Digests of the validation images: images with the same pixels are left out.

    Raises:
        DataError: If there are none, or one cannot be read.
    """
    examples = find_unlabeled(config)
    if not examples:
        return UnlabeledImages()
    found = list(track(map_on_all_cores(_digest, examples), "unlabeled images", len(examples), lines=True))
    if problems := [one for one in found if isinstance(one, str)]:
        raise DataError(*listed(problems, "more files like these"))
    pairs = [
        (example, digest)
        for example, digest in zip(examples, found, strict=True)
        if isinstance(digest, bytes) and digest not in scored
    ]
    if not pairs:
        raise DataError(
            f"data.unlabeled={config.unlabeled}: all of its {counted(len(examples), 'image')} are scored, so "
            "none is left to learn from. Give another folder, or null."
        )
    kept, digests = zip(*pairs, strict=True)
    return UnlabeledImages(kept, digests, len(examples) - len(kept))


def _digest(example: Example) -> bytes | str:
    """Returns the digest of an image, or why it cannot be read."""
    try:
        return digest_image(read_image(example.image_path, example.bits))
    except DataError as error:
        return str(error)
