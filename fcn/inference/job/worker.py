"""Labeling what a manifest says is waiting: reading ahead, computing, writing behind."""

import errno
import hashlib
import os
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

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


class _LabeledBatch(NamedTuple):
    labeled: list[tuple[_Read, LabeledImage]]
    failed: list[Outcome]
    began: float


def work(manifest: Manifest, crew: Crew, engine: Engine, kinds: Sequence[str]) -> int:
    """Labels until nothing of a job is left to do, for this worker or another.

    What other workers have claimed is waited for, and taken over if they are gone.

    Args:
        manifest: The job.
        crew: This worker.
        engine: What labels.
        kinds: What labeling leaves, some of `OUTPUTS`.

    Returns:
        How many images this worker labeled.

    Raises:
        OutputError: If an output or the manifest cannot be written. What was written stays.
    """
    labeled = 0
    total = manifest.count("waiting", "doing")
    with progress_bar() as bar:
        task = bar.add_task("labeling", total=total)
        while True:
            crew.take_over()
            idle = True
            with closing(_pass(manifest, crew, engine, kinds)) as batches:
                for outcomes in batches:
                    idle = False
                    manifest.finish(crew.name, outcomes)
                    labeled += sum(1 for outcome in outcomes if outcome.error is None)
                    bar.advance(task, len(outcomes))
            if not manifest.count("waiting", "doing"):
                return labeled
            if idle:
                time.sleep(_POLL_SECONDS)


def _pass(
    manifest: Manifest, crew: Crew, engine: Engine, kinds: Sequence[str]
) -> Generator[list[Outcome], None, None]:
    """Yields what came of each batch that waits."""

    def claims() -> Iterator[list[Claimed]]:
        while claimed := manifest.claim(crew.name):
            yield claimed

    def labels() -> Iterator[_LabeledBatch]:
        for batch in map_ahead(_read_batch, claims()):
            labeled = list(_label(batch.read, engine, kinds))
            yield _LabeledBatch(labeled, batch.failed, batch.began)

    def write(batch: _LabeledBatch) -> list[Outcome]:
        outcomes = [
            _write(manifest.output, read, render(kinds, image, engine.classes))
            for read, image in batch.labeled
        ]
        seconds = (time.monotonic() - batch.began) / (len(outcomes) + len(batch.failed))
        return [outcome._replace(seconds=seconds) for outcome in (*outcomes, *batch.failed)]

    # Two ahead: the net goes on while one batch is written, and stops soon after a write that failed.
    yield from map_ahead(write, labels(), ahead=2)


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


def _write(output: Path, read: _Read, rendered: Rendered) -> Outcome:
    """Writes the files of one image, and says so once they are in place."""
    paths = {suffix: output / f"{read.claimed.name}{suffix}" for suffix in rendered.files}
    try:
        for suffix, data in rendered.files.items():
            write_bytes(paths[suffix], data)
    except OutputError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.ENAMETOOLONG:
            raise
        for path in paths.values():
            remove(path)
        return read.outcome._replace(
            error="cannot be labeled: the name of an output would be too long. Rename the image."
        )
    files = {suffix: len(data) for suffix, data in rendered.files.items()}
    return read.outcome._replace(files=files, record=rendered.record)
