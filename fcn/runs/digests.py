"""Digests of the data that a net was trained and scored on, which a run and its exports keep.

`digests.json` says which images a net has seen wherever the run and the data set lie now, and whatever the
images are called:

    {"version": 1,
     "decoder": "51c2...",
     "train": {"split": "train", "images": KEY, "complete": true},
     "val": {"split": "val", "images": "6f4d...", "labels": "09ab..."},
     "earlier": [{"run": "runs/first", "split": "train", "images": KEY or null, "complete": true}],
     "digests": {KEY: 16 bytes an image, in base64}}

KEY is the SHA-256 of these bytes, so that images that several trainings share are stored once. A training
that learned from images without labels too has `"unlabeled": KEY` beside "images". "decoder" is a digest of
one small JPEG: if another version of OpenCV decodes it to other pixels, digests say nothing.
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from fcn.data.image_io import decode_image
from fcn.data.leaks import ExampleDigest
from fcn.system.files import as_json, write_durably
from fcn.system.json_files import read_json_file

VERSION = 1
# 16 bytes for each of ten million images, in base64.
_MAX_BYTES = 256 << 20
_DIGEST_BYTES = 16
_DAMAGED = (OSError, ValueError, LookupError, TypeError, AttributeError)
# 18x21 smooth random pixels, with chroma at half the size.
_JPEG = b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxO"
    "UlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09P"
    "T09PT09PT0//wAARCAASABUDASIAAhEBAxEB/8QAGQABAAMBAQAAAAAAAAAAAAAAAAIEBQMG/8QAKBAAAQQBAQUJAAAAAAAAAAAA"
    "AQACAwQFIQYRFCMxEiIyNTZBUXFy/8QAFwEAAwEAAAAAAAAAAAAAAAAAAwQFAv/EACURAAEDAQcFAQAAAAAAAAAAAAEAAgMEERMh"
    "IjEyYQUzQXFysf/aAAwDAQACEQMRAD8A6w5E14nVGt3tl0J+FKTJT4miY60RlJ10VeSDh+5LpMfCFcxtmsx4rWyBYPRpQ3QGoIkm"
    "OV2gCDLG6+ZLEbOCpVJxcgbNY5b3dWn2RYuUiyxvScNFy9+m5Ee6qG5WTWDwMEq+hZI4vJOPC1dofPaf6WNkfXEX0ERZp9Kf5P6q"
    "PUN4+SvdRAdgaBERT5d5TVN2m+l//9k="
)


class SplitDigests(NamedTuple):
    """The data of a split in the order of its list, as SHA-256; "" where they are not known.

    Attributes:
        images: Digest of all images.
        labels: Digest of all labels.
    """

    images: str = ""
    labels: str = ""

    @classmethod
    def of(cls, examples: Sequence[ExampleDigest]) -> "SplitDigests":
        """Returns the digests of a split from those of its examples."""
        return cls(_key([one.image for one in examples]), _key([one.label for one in examples]))


class TrainingImages(NamedTuple):
    """The images that a net was trained on.

    Attributes:
        run: Folder of the run, or the file of weights, as it was named when another training started from it.
        split: Name of the training split; None if it is not known.
        images: Digest of each image; None if they are not known.
        complete: Whether there were no others. The first steps of a run that an older version started may
            have taken other images.
        unlabeled: Digest of each image that it learned from without its label (`data.unlabeled`).
    """

    run: str
    split: str | None
    images: tuple[bytes, ...] | None
    complete: bool = True
    unlabeled: tuple[bytes, ...] = ()

    def count_in(self, scored: Sequence[bytes]) -> int | None:
        """Returns how many of the scored images the net was trained on; None if that is not known.

        Those that it learned from without a label count too.

        Args:
            scored: Digest of each scored image.
        """
        known = {*(self.images or ()), *self.unlabeled}
        count = sum(digest in known for digest in scored)
        return count if count or (self.images is not None and self.complete) else None


class DataRecord(NamedTuple):
    """The content of `digests.json`.

    Attributes:
        train: The images that the net of the run is trained on.
        val_split: Name of the validation split.
        val: What it is scored on.
        earlier: The images of the trainings that it started from, the latest first.
    """

    train: TrainingImages
    val_split: str
    val: SplitDigests
    earlier: tuple[TrainingImages, ...] = ()


def write_record(path: Path, record: DataRecord) -> None:
    """Writes the digests of a run's data.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    stored: dict[str, str] = {}

    def store(images: TrainingImages) -> dict[str, Any]:
        entry = images._asdict()
        del entry["unlabeled"]
        parts = {"images": images.images, "unlabeled": images.unlabeled or None}
        for name, digests in parts.items():
            if digests is not None:
                entry[name] = _key(digests)
                stored[entry[name]] = b64encode(b"".join(digests)).decode()
        return entry

    train = store(record.train)
    del train["run"]
    document = {
        "version": VERSION,
        "decoder": decoder_digest(),
        "train": train,
        "val": {"split": record.val_split, **record.val._asdict()},
        "earlier": [store(one) for one in record.earlier],
        "digests": stored,
    }
    write_durably(path, as_json(document) + "\n")


def read_record(path: Path) -> DataRecord | None:
    """Returns the digests of a run's data; None where they are missing, damaged or cannot be compared now.

    Args:
        path: `digests.json` of a run or of an exported version.
    """
    try:
        document = _read_document(path)
        if document["decoder"] != decoder_digest():
            return None
        stored = {str(key): _split(str(key), text) for key, text in document["digests"].items()}
        val = document["val"]
        return DataRecord(
            _training_images(document["train"] | {"run": str(path.parent)}, stored),
            _text(val["split"]),
            SplitDigests(_text(val["images"]), _text(val["labels"])),
            tuple(_training_images(one, stored) for one in document["earlier"]),
        )
    except _DAMAGED:
        return None


def other_decoder(path: Path) -> bool:
    """Returns whether the digests of a run cannot be compared because JPEGs have other pixels here.

    Args:
        path: `digests.json`; one that is missing or damaged says nothing about it.
    """
    try:
        return _text(_read_document(path)["decoder"]) != decoder_digest()
    except _DAMAGED:
        return False


def _read_document(path: Path) -> Any:
    """Returns the content of `digests.json`.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is damaged, too large or of another version. Of what is in it nothing is checked.
    """
    document = read_json_file(path, _MAX_BYTES)
    if document["version"] != VERSION:
        raise ValueError("another version")
    return document


@cache
def decoder_digest() -> str:
    """Returns a digest of the pixels that a JPEG has here, which its format leaves open a little."""
    return hashlib.sha256(decode_image(_JPEG).tobytes()).hexdigest()[:32]


def _training_images(document: dict[str, Any], stored: dict[str, tuple[bytes, ...]]) -> TrainingImages:
    key, split = document["images"], document["split"]
    return TrainingImages(
        _text(document["run"]),
        None if split is None else _text(split),
        None if key is None else stored[key],
        document["complete"] is True,
        stored[document["unlabeled"]] if "unlabeled" in document else (),
    )


def _split(key: str, text: str) -> tuple[bytes, ...]:
    """Returns the digests that a text in base64 holds, and checks them against their key."""
    data = b64decode(text, validate=True)
    digests = tuple(data[start : start + _DIGEST_BYTES] for start in range(0, len(data), _DIGEST_BYTES))
    if _key(digests) != key:
        raise ValueError("damaged digests")
    return digests


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a text")
    return value


def _key(digests: Sequence[bytes]) -> str:
    return hashlib.sha256(b"".join(digests)).hexdigest()
