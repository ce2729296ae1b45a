"""Labeling what a manifest says is waiting: reading ahead, computing, writing behind."""

import hashlib
import os
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fcn.data.image_io import Pixels, decode_image, exif_orientation, read_file
from fcn.errors import DataError, OutputError, RunError
from fcn.files import name_is_too_long, remove, write_bytes
from fcn.inference.engine import Engine, Floats, Labeled, softmax
from fcn.inference.job.crew import Crew
from fcn.inference.job.manifest import Claimed, Manifest, Outcome
from fcn.inference.job.remote import is_url, read_remote
from fcn.inference.job.videos import label_claimed_video
from fcn.inference.outputs.render import LabeledImage, Rendered, render
from fcn.inference.video import is_video
from fcn.parallel import map_ahead
from fcn.progress import progress_bar

_POLL_SECONDS = 0.3
# Nothing further is read while so many pixels are in memory. Together with what is read last these are few
# enough for what `fcn.inference.tiles` reserves for an image, its label and confidences.
_HELD_PIXELS = 1 << 26
# Of an image whose size is not known before it is read: that of a good camera.
_GUESSED_PIXELS = 1 << 24
_NO_MEMORY = (
    "there was not enough memory for it. Lower --memory, give the process more, or shrink the image; "
    "then add --retry-failed."
)


class _Held:
    """How many pixels are in memory, from before they are read until their labels are written."""

    def __init__(self) -> None:
        self._pixels = 0
        self._lock = threading.Lock()

    def change(self, pixels: int) -> None:
        with self._lock:
            self._pixels += pixels

    def has_room(self) -> bool:
        return self._pixels < _HELD_PIXELS


class _Read(NamedTuple):
    """An image that could be read; its outcome yet without files."""

    claimed: Claimed
    outcome: Outcome
    image: Pixels
    orientation: int


class _Batch(NamedTuple):
    videos: list[Claimed]
    read: list[_Read]
    failed: list[Outcome]
    pixels: int
    began: float


class _LabeledBatch(NamedTuple):
    labeled: list[tuple[_Read, LabeledImage]]
    settled: list[Outcome]
    pixels: int
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
    held = _Held()

    def claims() -> Iterator[list[Claimed]]:
        while claimed := manifest.claim(crew.name):
            held.change(_guess(claimed))
            yield claimed

    def read(claimed: list[Claimed]) -> _Batch:
        batch = _read_batch(claimed)
        held.change(batch.pixels - _guess(claimed))
        return batch

    def label(batch: _Batch) -> _LabeledBatch:
        labeled, failed = _label(batch.read, engine, kinds)
        size = int(manifest.settings().get("batch_size", 1)) if batch.videos else 1
        videos = [label_claimed_video(engine, video, manifest.output, size) for video in batch.videos]
        return _LabeledBatch(labeled, [*batch.failed, *failed, *videos], batch.pixels, batch.began)

    def write(batch: _LabeledBatch) -> list[Outcome]:
        outcomes = [_render(manifest.output, kinds, read, image, engine) for read, image in batch.labeled]
        held.change(-batch.pixels)
        seconds = (time.monotonic() - batch.began) / (len(outcomes) + len(batch.settled))
        return [outcome._replace(seconds=seconds) for outcome in (*outcomes, *batch.settled)]

    # No loop, whose variable would keep a batch in memory while the next is waited for.
    labels = map(label, map_ahead(read, claims(), has_room=held.has_room))
    # Two ahead: the net goes on while one batch is written, and stops soon after a write that failed.
    yield from map_ahead(write, labels, ahead=2, has_room=held.has_room)


def _guess(claimed: Sequence[Claimed]) -> int:
    """Returns how many pixels images will have."""
    return sum(image.pixels or _GUESSED_PIXELS for image in claimed)


def _read_batch(claimed: Sequence[Claimed]) -> _Batch:
    """Reads images, but no videos; what is wrong with one is an outcome, so that the job goes on."""
    began = time.monotonic()
    videos = [image for image in claimed if is_video(image.place)]
    read: list[_Read] = []
    failed: list[Outcome] = []
    for image in claimed:
        if image in videos:
            continue
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
        except MemoryError:
            failed.append(outcome._replace(error=_NO_MEMORY))
    return _Batch(videos, read, failed, sum(image.image.size // 3 for image in read), began)


def _label(
    read: Sequence[_Read], engine: Engine, kinds: Sequence[str]
) -> tuple[list[tuple[_Read, LabeledImage]], list[Outcome]]:
    """Labels images of one size at once; headers that said another size than the pixels are no matter.

    Where an image is too much for the engine, those beside it are labeled one by one, and it alone fails.
    """
    sizes: dict[tuple[int, ...], list[_Read]] = {}
    for image in read:
        sizes.setdefault(image.image.shape, []).append(image)
    labeled: list[tuple[_Read, LabeledImage]] = []
    failed: list[Outcome] = []
    groups = [*sizes.values()]
    while groups:
        group = groups.pop(0)
        try:
            labeled += _label_group(group, engine, kinds)
            continue
        except MemoryError:
            reason = _NO_MEMORY
        except (DataError, RunError) as error:
            reason = str(error)
        if len(group) > 1:
            groups = [[image] for image in group] + groups
        else:
            failed.append(group[0].outcome._replace(error=f"cannot be labeled: {reason}"))
    return labeled, failed


def _label_group(
    group: Sequence[_Read], engine: Engine, kinds: Sequence[str]
) -> list[tuple[_Read, LabeledImage]]:
    # A single image, which may be huge, is not copied.
    images = group[0].image[np.newaxis] if len(group) == 1 else np.stack([image.image for image in group])
    if "probabilities" in kinds:
        logits = engine.logits(images)
        shares = softmax(logits)
        labeled = Labeled(logits.argmax(axis=-1).astype(np.uint8), shares.max(axis=-1))
        probabilities: Iterable[Floats | None] = shares
    else:
        probabilities, labeled = [None] * len(group), engine.label(images)
    return [
        (
            image,
            LabeledImage(
                image.image, image.orientation, label, float(confidence.mean(dtype=np.float64)), of_image
            ),
        )
        for image, label, confidence, of_image in zip(group, *labeled, probabilities, strict=True)
    ]


def _render(output: Path, kinds: Sequence[str], read: _Read, image: LabeledImage, engine: Engine) -> Outcome:
    try:
        rendered = render(kinds, image, engine.classes)
    except MemoryError:
        return read.outcome._replace(error=f"cannot be labeled: {_NO_MEMORY}")
    return _write(output, read, rendered)


def _write(output: Path, read: _Read, rendered: Rendered) -> Outcome:
    """Writes the files of one image, and says so once they are in place."""
    paths = {suffix: output / f"{read.claimed.name}{suffix}" for suffix in rendered.files}
    try:
        for suffix, data in rendered.files.items():
            write_bytes(paths[suffix], data)
    except OutputError as error:
        if not name_is_too_long(error):
            raise
        for path in paths.values():
            remove(path)
        return read.outcome._replace(
            error="cannot be labeled: the name of an output would be too long. Rename the image."
        )
    files = {suffix: len(data) for suffix, data in rendered.files.items()}
    return read.outcome._replace(files=files, record=rendered.record)
