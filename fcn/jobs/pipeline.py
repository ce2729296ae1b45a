"""Labels batches in this process: the next are read and the last are written while one is computed."""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from fcn.errors import OutputError
from fcn.inference.predictor import Predictor
from fcn.jobs.integrity import output_path
from fcn.jobs.naming import path_beside
from fcn.jobs.rasters import label_claimed_raster, writes_rasters
from fcn.jobs.reading import LIMITS, NO_MEMORY, ImageReader, PixelOrder, ReadImage, ReadingLimits
from fcn.jobs.task import Outcome, Task
from fcn.jobs.video_settings import PLAIN_VIDEOS, VideoSettings
from fcn.jobs.videos import VideoLabeler
from fcn.outputs.annotation_options import DEFAULTS, AnnotationOptions
from fcn.outputs.prediction import Prediction
from fcn.outputs.render import SUFFIXES, Rendered, render
from fcn.system.files import name_is_too_long, remove, write_bytes
from fcn.system.parallel import map_ahead

T = TypeVar("T")

# No further image is read while so many pixels are in memory. With the image that is read last they fit into
# what `fcn.inference.tiling.tiles` reserves for an image, its label and confidences.
_MAX_PIXELS_IN_MEMORY = 1 << 26
# For an image with a size that is unknown before it is read: the size of a good camera.
_ASSUMED_PIXELS = 1 << 24


class _PixelBudget:
    """Number of pixels in memory, from before they are read until their labels are written."""

    def __init__(self) -> None:
        self._pixels = 0
        self._lock = threading.Lock()

    def change(self, pixels: int) -> None:
        with self._lock:
            self._pixels += pixels

    def has_room(self) -> bool:
        return self._pixels < _MAX_PIXELS_IN_MEMORY


class _Batch(NamedTuple):
    videos: list[Task]
    read: list[ReadImage]
    failed: list[Outcome]
    pixels: int
    began: float


class LabeledBatch(NamedTuple):
    """A labeled batch of a job, not rendered yet.

    Attributes:
        labeled: The images that could be labeled.
        unlabeled: Outcomes of the other images, and of videos.
        pixels: How many it holds in memory.
        began: When its turn began, by `time.monotonic`.
    """

    labeled: list[tuple[ReadImage, Prediction]]
    unlabeled: list[Outcome]
    pixels: int
    began: float


class RenderedImage(NamedTuple):
    """The files of an image, not written yet.

    Attributes:
        name: Path of its outputs without their suffixes, relative to the output folder.
        outcome: Its outcome, with the files that stay as they are.
        rendered: The content of its other files, and its record.
    """

    name: str
    outcome: Outcome
    rendered: Rendered


def label_in_process(
    claims: Iterable[list[Task]],
    output: Path,
    predictor: Predictor,
    kinds: Sequence[str],
    frames: int = 1,
    limits: ReadingLimits = LIMITS,
    order: PixelOrder = "upright",
    annotations: AnnotationOptions = DEFAULTS,
    videos: VideoSettings = PLAIN_VIDEOS,
) -> Generator[list[Outcome], None, None]:
    """Labels batches in this process and writes their outputs; yields the outcomes of each batch.

    Args:
        claims: Batches of images and videos.
        output: The folder to write to.
        predictor: The net that labels.
        kinds: What to write, some of `OUTPUTS`.
        frames: Most frames of a video that are labeled at once.
        limits: Limits of an image that is read.
        order: Order of the pixels that are labeled.
        annotations: Options of annotations.
        videos: How videos are labeled.

    Raises:
        OutputError: If an output cannot be written.
    """

    def write(batch: LabeledBatch) -> list[Outcome]:
        outcomes = [
            write_image(output, image) if isinstance(image, RenderedImage) else image
            for image in render_batch(batch, kinds, output, annotations)
        ]
        return add_seconds([*outcomes, *batch.unlabeled], batch.began)

    label_video = VideoLabeler(predictor, output, kinds, frames, videos, annotations).label
    if writes_rasters(kinds):
        # One after the other, since each may take hours: the store has those that are labeled.
        for claimed in claims:
            began = time.monotonic()
            yield add_seconds(
                [
                    label_video(task)
                    if task.is_video
                    else label_claimed_raster(predictor, task, output, kinds)
                    for task in claimed
                ],
                began,
            )
        return
    yield from label_batches(claims, predictor, kinds, write, label_video, limits, order)


def label_batches(
    claims: Iterable[list[Task]],
    predictor: Predictor,
    kinds: Sequence[str],
    finish: Callable[[LabeledBatch], T],
    label_video: Callable[[Task], Outcome],
    limits: ReadingLimits,
    order: PixelOrder = "upright",
) -> Generator[T, None, None]:
    """Labels batches and yields what `finish` returns for each; reads the next ones meanwhile.

    Args:
        claims: Batches of images and videos.
        predictor: The net that labels.
        kinds: What to write, some of `OUTPUTS`.
        finish: Called with each labeled batch, in another thread.
        label_video: Called with each video.
        limits: Limits of an image that is read.
        order: Order of the pixels that are labeled.
    """
    budget = _PixelBudget()
    # A pixel, its label and confidence take 8 bytes, and each of its probabilities half of that.
    half_weights = 2 + len(predictor.classes.names) if "probabilities" in kinds else 2

    def count_claims() -> Iterator[list[Task]]:
        for claimed in claims:
            budget.change(_estimate_pixels(claimed) * half_weights // 2)
            yield claimed

    def read(claimed: list[Task]) -> _Batch:
        batch = _read_batch(claimed, reader)
        budget.change(batch.pixels * half_weights // 2 - _estimate_pixels(claimed) * half_weights // 2)
        return batch

    def label(batch: _Batch) -> LabeledBatch:
        labeled, failed = _label(batch.read, predictor, kinds)
        videos = [label_video(video) for video in batch.videos]
        return LabeledBatch(labeled, [*batch.failed, *failed, *videos], batch.pixels, batch.began)

    def finish_and_free(batch: LabeledBatch) -> T:
        pixels = batch.pixels * half_weights // 2
        finished = finish(batch)
        budget.change(-pixels)
        return finished

    with ImageReader(limits, order, predictor.bits) as reader:
        # Not a loop: its variable would keep a batch in memory while the next one is read.
        labels = map(label, map_ahead(read, count_claims(), has_room=budget.has_room))
        # Two ahead: the net continues while one batch is written, and stops soon after a write has failed.
        yield from map_ahead(finish_and_free, labels, ahead=2, has_room=budget.has_room)


def render_batch(
    batch: LabeledBatch, kinds: Sequence[str], output: Path, annotations: AnnotationOptions
) -> Iterator[RenderedImage | Outcome]:
    """Renders the images of a batch one by one; one that does not fit into memory yields a failure."""
    for read, prediction in batch.labeled:
        name = read.claimed.name
        image_path = path_beside(read.claimed.place, output, name)
        try:
            kept = [kind for kind in kinds if SUFFIXES.get(kind) in read.outcome.files]
            rendered = render(kinds, prediction, annotations, image_path=image_path, kept=kept)
            yield RenderedImage(name, read.outcome, rendered)
        except MemoryError:
            yield read.outcome._replace(error=f"cannot be labeled: {NO_MEMORY}")


def add_seconds(outcomes: Sequence[Outcome], began: float) -> list[Outcome]:
    """Returns outcomes with the time that each image of a batch took on average."""
    seconds = (time.monotonic() - began) / len(outcomes)
    return [outcome._replace(seconds=seconds) for outcome in outcomes]


def _estimate_pixels(claimed: Sequence[Task]) -> int:
    """Returns how many pixels images have, as far as that is known before they are read."""
    return sum(image.pixels or _ASSUMED_PIXELS for image in claimed)


def _read_batch(claimed: Sequence[Task], reader: ImageReader) -> _Batch:
    """Reads images, but not videos."""
    began = time.monotonic()
    videos = [task for task in claimed if task.is_video]
    results = [reader.read(task) for task in claimed if not task.is_video]
    read = [result for result in results if isinstance(result, ReadImage)]
    failed = [result for result in results if isinstance(result, Outcome)]
    return _Batch(videos, read, failed, sum(image.image.size // 3 for image in read), began)


def _label(
    read: Sequence[ReadImage], predictor: Predictor, kinds: Sequence[str]
) -> tuple[list[tuple[ReadImage, Prediction]], list[Outcome]]:
    """Labels images; one that cannot be labeled has failed, and the others have not."""
    predictions = predictor.predict_each([image.image for image in read], "probabilities" in kinds)
    labeled: list[tuple[ReadImage, Prediction]] = []
    failed: list[Outcome] = []
    for image, prediction in zip(read, predictions, strict=True):
        if isinstance(prediction, Exception):
            reason = NO_MEMORY if isinstance(prediction, MemoryError) else str(prediction)
            failed.append(image.outcome._replace(error=f"cannot be labeled: {reason}"))
        else:
            prediction.orientation = image.orientation
            labeled.append((image, prediction))
    return labeled, failed


def write_image(output: Path, image: RenderedImage) -> Outcome:
    """Writes the files of one image; returns its outcome when they are in place.

    Raises:
        OutputError: If a file cannot be written, or its name leads out of the folder.
    """
    files = image.rendered.files
    kept = image.outcome.files
    paths = {suffix: output_path(output, f"{image.name}{suffix}") for suffix in (*kept, *files)}
    try:
        for suffix, data in files.items():
            write_bytes(paths[suffix], data)
    except OutputError as error:
        if not name_is_too_long(error):
            raise
        for suffix in files:
            remove(paths[suffix])
        return image.outcome._replace(
            error="cannot be labeled: the name of an output would be too long. Rename the image."
        )
    sizes = {suffix: len(data) for suffix, data in files.items()}
    return image.outcome._replace(files={**kept, **sizes}, record=image.rendered.record)
