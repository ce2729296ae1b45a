"""Images that two splits share, found by their names and by digests of their pixels."""

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from fcn.data.image_io import Pixels, read_image
from fcn.data.split_list import SPLITS, Example
from fcn.data.voc import SHOWN
from fcn.errors import DataError
from fcn.system.parallel import map_on_all_cores


class ExampleDigest(NamedTuple):
    """Digests of the pixels of an example; equal pixels have equal ones, whatever their files are called.

    Attributes:
        image: 16 bytes, of the size and the pixels of the image.
        label: The same for the class ids of the label, whatever colors they are shown in.
    """

    image: bytes
    label: bytes


def check_disjoint(train: Sequence[Example], val: Sequence[Example], root: Path) -> None:
    """Refuses a validation split that holds training images: its scores would be too good.

    Raises:
        DataError: If an image is in both.
    """
    shared = sorted({example.name for example in train} & {example.name for example in val})
    if shared:
        raise DataError(
            f"{root / SPLITS}: the training and the validation split share images ({len(shared)}): "
            f"{', '.join(shared[:SHOWN])}{', ...' if len(shared) > SHOWN else ''}. Take them out of one of "
            "the lists."
        )


def check_copies(
    train: Sequence[Example],
    val: Sequence[Example],
    digests: Sequence[ExampleDigest],
    blank: Collection[bytes] = (),
) -> None:
    """Refuses a validation split that holds a training image under another name.

    Args:
        train: The training split.
        val: The validation split.
        digests: The digests that `check_examples` returned for `[*train, *val]`.
        blank: The digests of images of one color, which are equal but no copies.

    Raises:
        DataError: If an image of one has the same pixels as an image of the other.
    """
    pairs = find_copies(train, val, [digest.image for digest in digests], blank)
    if pairs:
        shown = ", ".join(f"{one.image_path} and {other.image_path}" for one, other in pairs[:SHOWN])
        raise DataError(
            f"The training and the validation split share images under other names ({len(pairs)}): {shown}"
            f"{', ...' if len(pairs) > SHOWN else ''}. The pixels are the same: take one of each out of its "
            "list."
        )


def find_copies(
    train: Sequence[Example],
    val: Sequence[Example],
    digests: Sequence[bytes | None],
    blank: Collection[bytes] = (),
) -> list[tuple[Example, Example]]:
    """Returns a training image for each validation image with the same pixels.

    Args:
        train: The training split.
        val: The validation split.
        digests: The digests of `[*train, *val]`; None for an image that cannot be read.
        blank: The digests of images of one color, which are equal but no copies.
    """
    known = dict(zip(digests, train, strict=False))
    return [
        (known[digest], example)
        for example, digest in zip(val, digests[len(train) :], strict=True)
        if digest is not None and digest in known and digest not in blank
    ]


def shared_images(train: Sequence[Example], scored: Sequence[Example]) -> list[Example]:
    """Returns the examples of `scored` with an image that a net was trained on.

    Images of one name are compared by their pixels where their paths differ, since many data sets just count.

    Raises:
        DataError: If an image that has to be compared cannot be read.
    """
    paths = {example.name: example.image_path for example in train}
    candidates = [example for example in scored if example.name in paths]
    same = map_on_all_cores(lambda example: _same(paths[example.name], example.image_path), candidates)
    return [example for example, is_same in zip(candidates, same, strict=True) if is_same]


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve() or _digest(read_image(one)) == _digest(read_image(other))


def digest_images(examples: Sequence[Example]) -> list[bytes]:
    """Reads images, not labels, and returns the digest of each, as in `ExampleDigest`.

    Raises:
        DataError: If an image cannot be read.
    """
    return list(
        map_on_all_cores(lambda example: _digest(read_image(example.image_path, example.bits)), examples)
    )


def digest_example(image: Pixels, label: Pixels) -> ExampleDigest:
    """Returns the digests of an example that `read_example` has read."""
    # SHA-256 takes less than half the time on most processors. Images keep what checkpoints have had.
    ids = hashlib.sha256(repr(label.shape).encode())
    ids.update(label.ravel().data)
    return ExampleDigest(_digest(image), ids.digest()[:16])


def _digest(image: Pixels) -> bytes:
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=16)
    digest.update(image.ravel().data)  # mostly without a copy, and without Python's lock
    return digest.digest()
