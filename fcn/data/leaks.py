"""Images that two splits share, found by their names and by digests of their pixels."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fcn.data.image_io import Pixels, read_image
from fcn.data.split_list import SPLITS, Example
from fcn.data.voc import SHOWN
from fcn.errors import DataError
from fcn.system.parallel import map_on_all_cores
from fcn.system.progress import track


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


def shared_images(
    train: Sequence[Example], scored: Sequence[Example], digests: Sequence[bytes] | None = None
) -> list[Example]:
    """Returns the examples of `scored` with an image that a net was trained on, whatever it is called.

    Images at the same path are equal; of others the pixels are compared.

    Args:
        train: The images that the net was trained on.
        scored: The images that it is scored on.
        digests: Digest of each of these, as in `ExampleDigest`; None to read them.

    Raises:
        DataError: If an image that has to be compared cannot be read.
    """
    paths = {example.image_path.resolve() for example in train}
    is_known = [example.image_path.resolve() in paths for example in scored]
    if all(is_known):
        return [*scored]
    found = _read_digests(scored) if digests is None else digests
    known = {*_read_digests(train)}
    return [
        example
        for example, is_same, digest in zip(scored, is_known, found, strict=True)
        if is_same or digest in known
    ]


def _read_digests(examples: Sequence[Example]) -> list[bytes]:
    """Returns the digest of each image, and shows the progress, since there may be many."""
    return list(track(_digests(examples), "comparing images", len(examples), lines=True))


def digest_images(examples: Sequence[Example]) -> list[bytes]:
    """Reads images, not labels, and returns the digest of each, as in `ExampleDigest`.

    Raises:
        DataError: If an image cannot be read.
    """
    return list(_digests(examples))


def _digests(examples: Sequence[Example]) -> Iterator[bytes]:
    return map_on_all_cores(
        lambda example: digest_image(read_image(example.image_path, example.bits)), examples
    )


def digest_example(image: Pixels, label: Pixels) -> ExampleDigest:
    """Returns the digests of an example that `read_example` has read."""
    # SHA-256 takes less than half the time on most processors. Images keep what checkpoints have had.
    ids = hashlib.sha256(repr(label.shape).encode())
    ids.update(label.ravel().data)
    return ExampleDigest(digest_image(image), ids.digest()[:16])


def digest_image(image: Pixels) -> bytes:
    """Returns the digest of an image that was read upright, as in `ExampleDigest`."""
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=16)
    digest.update(image.ravel().data)  # mostly without a copy, and without Python's lock
    return digest.digest()
