"""Labels all images of a folder, and chooses some to be labeled by people."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.data.leaks import digest_image
from fcn.errors import DataError
from fcn.inference.predictor import Predictor
from fcn.jobs.pipeline import LabeledBatch, label_batches
from fcn.jobs.plan import default_batch_size
from fcn.jobs.reading import LIMITS, ReadingLimits
from fcn.jobs.sources.inputs import find_all
from fcn.jobs.sources.links import is_url, shown_place
from fcn.jobs.sources.search import FoundImage, Unusable
from fcn.jobs.task import Outcome, Task
from fcn.runs.seen_images import seen_images
from fcn.suggestion.choice import choose
from fcn.suggestion.descriptor import describe, mean_uncertainty
from fcn.system.progress import track

if TYPE_CHECKING:
    from fcn.models.net import SegmentationNet

_NOWHERE = Path(os.devnull)  # nothing lies in it, so no folder is passed over


class Suggestion(NamedTuple):
    """An image to label next.

    Attributes:
        found: The image, and where it was found.
        uncertainty: How uncertain the net is about its pixels on average, 0 to 1.
    """

    found: FoundImage
    uncertainty: float

    @property
    def path(self) -> str:
        """Path or URL of the image, to show: without signatures."""
        return shown_place(self.found.path)


class Suggestions(NamedTuple):
    """The images to label next, and what became of the others.

    Attributes:
        chosen: The images, the first to label first.
        num_images: Number of images that were chosen from.
        num_seen: Number of images that the net was trained or validated on, which are left out.
        num_copies: Number of images with the pixels of another one, which are left out.
        num_videos: Number of videos, which are not opened.
        failed: Paths or URLs that could not be labeled, each with the reason; it does not repeat the path.
    """

    chosen: tuple[Suggestion, ...]
    num_images: int
    num_seen: int = 0
    num_copies: int = 0
    num_videos: int = 0
    failed: tuple[tuple[str, str], ...] = ()


class _Measured(NamedTuple):
    """A labeled image: its number, the digest of its pixels, and its descriptor."""

    number: int
    digest: bytes
    descriptor: npt.NDArray[np.float16]


def suggest(
    model: "Predictor | SegmentationNet | Path | str",
    folder: Path | str,
    count: int = 20,
    limits: ReadingLimits = LIMITS,
    output: Path | None = None,
) -> Suggestions:
    """Chooses the images of a folder from whose labels a net would learn most.

    Those are images of which the net is unsure, and which differ from each other: see
    `fcn.suggestion.choice.choose`. Images that the net was trained or validated on, as far as
    `fcn.runs.seen_images.seen_images` knows them, are left out whatever they are called, and so are further
    copies of an image; those that it learned from without labels (`data.unlabeled`) may be chosen. The same
    images and the same net give the same choice. Of each image a few hundred numbers are kept.

    Args:
        model: A predictor, or what `fcn.Predictor` takes.
        folder: A folder, searched at any depth, or the URL of one.
        count: How many images to choose; all if there are fewer.
        limits: Limits of an image that is read.
        output: A folder that is not searched.

    Raises:
        BackendError: If this process or this machine cannot run the net.
        DataError: If there is no image that can be labeled and that the net has not seen.
        RunError: If the net cannot be read.
        TrustError: If it has parts that could run code.
        ValueError: If `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"Expected `count` of at least 1. Received: {count}.")
    predictor = model if isinstance(model, Predictor) else Predictor(model)
    place = str(folder) if is_url(str(folder)) else Path(folder)
    found, failed, num_videos = _find(place, output or _NOWHERE)
    seen = frozenset() if predictor.path is None else seen_images(predictor.path)
    numbers: list[int] = []
    descriptors: list[npt.NDArray[np.float16]] = []
    digests: set[bytes] = set()
    num_seen = num_copies = 0
    for one in track(_label(predictor, found, limits), "labeling", len(found), lines=True):
        if isinstance(one, Outcome):
            failed.append((shown_place(found[one.id].path), one.error or ""))
        elif one.digest in seen:
            num_seen += 1
        elif one.digest in digests:
            num_copies += 1
        else:
            numbers.append(one.number)
            descriptors.append(one.descriptor)
            digests.add(one.digest)
    if not numbers:
        raise _nothing_left(place, failed, num_seen, num_videos)
    described = np.stack(descriptors)
    chosen = tuple(
        Suggestion(found[numbers[index]], mean_uncertainty(described[index]))
        for index in choose(described, count)
    )
    return Suggestions(chosen, len(numbers), num_seen, num_copies, num_videos, tuple(failed))


def _find(place: Path | str, output: Path) -> tuple[list[FoundImage], list[tuple[str, str]], int]:
    """Returns the images of a folder by name, what cannot be used with the reason, and how many videos."""
    images: list[FoundImage] = []
    failed: list[tuple[str, str]] = []
    num_videos = 0
    for one in find_all([place], output):
        if isinstance(one, Unusable):
            failed.append((shown_place(one.path), one.reason))
        elif one.kind == "video":
            num_videos += 1
        else:
            images.append(one)
    images.sort(key=lambda image: image.place)  # folders list what they hold in any order
    return images, failed, num_videos


def _label(
    predictor: Predictor, found: list[FoundImage], limits: ReadingLimits
) -> Iterator[_Measured | Outcome]:
    """Yields each image described, or why it could not be labeled."""
    num_classes = len(predictor.classes.names)
    tasks = (Task(number, image.place, image.path, "") for number, image in enumerate(found))

    def measure(batch: LabeledBatch) -> list[_Measured | Outcome]:
        described = (
            (read, describe(prediction.label, prediction.uncertainty, num_classes))
            for read, prediction in batch.labeled
        )
        measured = [
            _Measured(read.claimed.id, digest_image(read.image), descriptor.astype(np.float16))
            for read, descriptor in described
        ]
        return [*measured, *batch.unlabeled]

    size = default_batch_size()
    claims = iter(lambda: list(islice(tasks, size)), [])
    for some in label_batches(claims, predictor, (), measure, _refuse_video, limits):
        yield from some


def _refuse_video(task: Task) -> Outcome:
    return Outcome(task.id, error="is a video")


def _nothing_left(
    place: Path | str, failed: list[tuple[str, str]], num_seen: int, num_videos: int
) -> DataError:
    """Returns the error to raise where no image is left to choose."""
    reasons = [f"{len(failed)} cannot be labeled"] if failed else []
    reasons += [f"{num_seen} are those that the net was trained or validated on"] if num_seen else []
    reasons += [f"{num_videos} are videos"] if num_videos else []
    first = [f"  {path}: {reason}" for path, reason in failed[:1]]
    return DataError(
        f"{shown_place(str(place))}: no image is left to choose: {', '.join(reasons)}. Give a folder with "
        "other images.",
        *first,
    )
