"""Labeling what a manifest says is waiting: reading ahead, computing, writing behind."""

import errno
import hashlib
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from fcn.data.image_io import Pixels, decode_image, exif_orientation, read_file
from fcn.errors import DataError, OutputError
from fcn.files import remove, write_bytes
from fcn.inference.engine import Engine, Floats, Labeled, softmax
from fcn.inference.job.crew import Crew
from fcn.inference.job.manifest import Claimed, Manifest, Outcome
from fcn.inference.job.remote import is_url, read_remote
from fcn.inference.outputs.render import LabeledImage, Rendered, render
from fcn.parallel import map_ahead
from fcn.progress import progress_bar

T = TypeVar("T")

_POLL_SECONDS = 0.3


class _Read(NamedTuple):
    """An image that could be read; its outcome yet without files."""

    claimed: Claimed
    outcome: Outcome
    image: Pixels
    orientation: int


class _Batch(NamedTuple):
    read: list[_Read]
    failed: list[Outcome]
    began: float


class LabeledBatch(NamedTuple):
    """A batch of a job, labeled; nothing is rendered yet.

    Attributes:
        labeled: The images that could be labeled.
        failed: What came of the others.
        began: When its turn began, by `time.monotonic`.
    """

    labeled: list[tuple[_Read, LabeledImage]]
    failed: list[Outcome]
    began: float


class RenderedImage(NamedTuple):
    """What is to be written of an image.

    Attributes:
        name: Path of its outputs without their suffixes, relative to the output folder.
        outcome: What came of it, yet without files.
        rendered: The content of its files, and its record.
    """

    name: str
    outcome: Outcome
    rendered: Rendered


Labor = Callable[[Iterator[list[Claimed]]], Generator[list[Outcome], None, None]]
"""What labels claimed batches and writes their outputs; it yields what came of each, in any order."""


def work(manifest: Manifest, crew: Crew, labor: Labor) -> int:
    """Labels until nothing of a job is left to do, for this worker or another.

    What other workers have claimed is waited for, and taken over if they are gone.

    Args:
        manifest: The job.
        crew: This worker.
        labor: What labels.

    Returns:
        How many images this worker labeled.

    Raises:
        OutputError: If an output or the manifest cannot be written. What was written stays.
    """
    labeled = 0
    total = manifest.count("waiting", "doing")

    def claims() -> Iterator[list[Claimed]]:
        while claimed := manifest.claim(crew.name):
            yield claimed

    with progress_bar() as bar:
        task = bar.add_task("labeling", total=total)
        while True:
            crew.take_over()
            with closing(labor(claims())) as batches:
                for outcomes in batches:
                    manifest.finish(crew.name, outcomes)
                    labeled += sum(1 for outcome in outcomes if outcome.error is None)
                    bar.advance(task, len(outcomes))
            if not manifest.count("waiting", "doing"):
                return labeled
            time.sleep(_POLL_SECONDS)


def label_here(
    claims: Iterable[list[Claimed]], output: Path, engine: Engine, kinds: Sequence[str]
) -> Generator[list[Outcome], None, None]:
    """Labels batches in this process, and writes their outputs; yields what came of each batch.

    Args:
        claims: Batches.
        output: The folder to write to.
        engine: What labels.
        kinds: What labeling leaves, some of `OUTPUTS`.

    Raises:
        OutputError: If an output cannot be written.
    """

    def write(batch: LabeledBatch) -> list[Outcome]:
        outcomes = [write_image(output, image) for image in render_batch(batch, engine, kinds)]
        return timed([*outcomes, *batch.failed], batch.began)

    yield from label_batches(claims, engine, kinds, write)


def label_batches(
    claims: Iterable[list[Claimed]], engine: Engine, kinds: Sequence[str], finish: Callable[[LabeledBatch], T]
) -> Generator[T, None, None]:
    """Yields what is made of each batch; the next are read meanwhile.

    Args:
        claims: Batches.
        engine: What labels.
        kinds: What labeling leaves, some of `OUTPUTS`.
        finish: What to do with a batch that is labeled; it runs in another thread.
    """

    def labels() -> Iterator[LabeledBatch]:
        for batch in map_ahead(_read_batch, claims):
            labeled = list(_label(batch.read, engine, kinds))
            yield LabeledBatch(labeled, batch.failed, batch.began)

    # Two ahead: the net goes on while one batch is written, and stops soon after a write that failed.
    yield from map_ahead(finish, labels(), ahead=2)


def render_batch(batch: LabeledBatch, engine: Engine, kinds: Sequence[str]) -> Iterator[RenderedImage]:
    """Renders the images of a batch, one by one."""
    for read, image in batch.labeled:
        yield RenderedImage(read.claimed.name, read.outcome, render(kinds, image, engine.classes))


def timed(outcomes: Sequence[Outcome], began: float) -> list[Outcome]:
    """Says of each image of a batch how long its turn took, on average, since the batch began."""
    seconds = (time.monotonic() - began) / len(outcomes)
    return [outcome._replace(seconds=seconds) for outcome in outcomes]


def _read_batch(claimed: Sequence[Claimed]) -> _Batch:
    """Reads images; what is wrong with one is an outcome, not an exception, so that the job goes on."""
    began = time.monotonic()
    read: list[_Read] = []
    failed: list[Outcome] = []
    for image in claimed:
        outcome = Outcome(image.id)
        try:
            if is_url(image.place):
                data = read_remote(image.place)
                outcome = outcome._replace(size=len(data))
            else:
                status = os.stat(image.place)
                outcome = outcome._replace(size=status.st_size, changed=status.st_mtime_ns)
                data = read_file(Path(image.place))
            outcome = outcome._replace(hash=hashlib.sha256(data).hexdigest())
            read.append(_Read(image, outcome, decode_image(data, image.place), exif_orientation(data)))
        except DataError as error:
            failed.append(outcome._replace(error=str(error).removeprefix(f"{image.place}: ")))
        except OSError as error:
            reason = f"cannot be read ({error.strerror}). Check the path and its permissions."
            failed.append(outcome._replace(error=reason))
    return _Batch(read, failed, began)


def _label(
    read: Sequence[_Read], engine: Engine, kinds: Sequence[str]
) -> Iterator[tuple[_Read, LabeledImage]]:
    """Labels images of one size at once; headers that said another size than the pixels are no matter."""
    sizes: dict[tuple[int, ...], list[_Read]] = {}
    for image in read:
        sizes.setdefault(image.image.shape, []).append(image)
    for group in sizes.values():
        # A single image, which may be huge, is not copied.
        images = group[0].image[np.newaxis] if len(group) == 1 else np.stack([image.image for image in group])
        if "probabilities" in kinds:
            logits = engine.logits(images)
            shares = softmax(logits)
            labeled = Labeled(logits.argmax(axis=-1).astype(np.uint8), shares.max(axis=-1))
            probabilities: Iterable[Floats | None] = shares
        else:
            probabilities, labeled = [None] * len(group), engine.label(images)
        for image, label, confidence, of_image in zip(group, *labeled, probabilities, strict=True):
            mean = float(confidence.mean(dtype=np.float64))
            yield image, LabeledImage(image.image, image.orientation, label, mean, of_image)


def write_image(output: Path, image: RenderedImage) -> Outcome:
    """Writes the files of one image, and says so once they are in place.

    Raises:
        OutputError: If a file cannot be written.
    """
    files = image.rendered.files
    paths = {suffix: output / f"{image.name}{suffix}" for suffix in files}
    try:
        for suffix, data in files.items():
            write_bytes(paths[suffix], data)
    except OutputError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.ENAMETOOLONG:
            raise
        for path in paths.values():
            remove(path)
        return image.outcome._replace(
            error="cannot be labeled: the name of an output would be too long. Rename the image."
        )
    sizes = {suffix: len(data) for suffix, data in files.items()}
    return image.outcome._replace(files=sizes, record=image.rendered.record)
