"""Labels videos: frames in, a video of overlays out."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from fcn.data.image_io import Pixels
from fcn.errors import DataError
from fcn.inference.engines.engine import BATCH_PIXELS
from fcn.inference.predictor import Predictor
from fcn.inference.video_writer import check_written, open_writer
from fcn.outputs.overlay import legend_of_classes, tint
from fcn.outputs.prediction import Prediction
from fcn.system.files import atomic_path, unreadable
from fcn.system.parallel import map_ahead
from fcn.system.progress import track

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm"})
"""Suffixes of videos, in lower case."""

VIDEO_MARK, VIDEO_ENDING = ".overlay", ".mp4"
"""Endings that follow the stem of a video in the name of its overlay video."""

VIDEO_FORMATS = "MP4, MOV, AVI, MKV or WebM"
"""Formats that can be decoded, in words."""

_FALLBACK_RATE = 25.0
_MIN_RATE, _MAX_RATE = 0.01, 1000.0
# Rates that are meant to be the same differ by this much: 24 and 23.976, or times in milliseconds.
_RATE_TOLERANCE = 0.02
_REMEDY = "Replace the file or remove it."


def is_video(place: str) -> bool:
    """Returns whether a place is a local video, by its name.

    Example:
        >>> is_video("a.MP4"), is_video("a.jpg"), is_video("https://host/a.jpg?next=b.mp4")
        (True, False, False)
    """
    return os.path.splitext(place)[1].lower() in VIDEO_SUFFIXES and "://" not in place


class LabeledVideo(NamedTuple):
    """A labeled video.

    Attributes:
        path: The video of overlays.
        frames: Number of frames that were decoded and labeled.
        announced: Number of frames by the file's header, often estimated from its length in seconds and its
            frame rate; 0 if unknown.
    """

    path: Path
    frames: int
    announced: int

    @property
    def truncated(self) -> bool:
        """Whether more than 2% and more than one of the frames are missing, so the file has lost its end."""
        return self.announced - self.frames > max(1, 0.02 * self.announced)


class _Timing(NamedTuple):
    rate: float
    announced: int


class _Frames(NamedTuple):
    predictions: list[Prediction]
    first: int


def label_video(
    predictor: Predictor, source: Path, target: Path, batch_size: int, labels: Path | None = None
) -> LabeledVideo:
    """Labels the frames of a video in order, and writes a video of overlays with the same size and rate.

    Below each frame is the same legend of all classes. Frames and labels are rotated as players show them.
    Odd sizes are made even by repeating the last row or column. A video that ends early is labeled up to
    there (`LabeledVideo.truncated`). If the frame rate varies, its mean is written. Sound is left out. Memory
    does not grow with the length.

    Args:
        predictor: The net that labels.
        source: An MP4, MOV, AVI, MKV or WebM file.
        target: The MP4 file to write; it appears in one piece when all is done.
        batch_size: Most frames to label at once; fewer if they are large.
        labels: A folder for palette PNGs of the frames, from `000000.png`; None for none.

    Raises:
        DataError: If the video cannot be read, decoded or encoded.
        OutputError: If `target` or `labels` cannot be written to or the disk is full.
        ValueError: If `batch_size` is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"Expected `batch_size` >= 1. Received: {batch_size}.")
    written = 0
    with _open(source) as video, atomic_path(target) as temporary:
        timing = _measure_timing(source, video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_COUNT))
        frames = _read_frames(video)
        first = next(frames, None)
        if first is None:
            raise DataError(f"{source}: has no frame that can be decoded. {_REMEDY}")
        batch_size = max(1, min(batch_size, BATCH_PIXELS // (first.shape[0] * first.shape[1])))
        strip = legend_of_classes(predictor.classes, first.shape[:2], predictor.overlay_style)
        height, width = _add_legend(first, strip).shape[:2]
        writer = open_writer(temporary, source, target, timing.rate, (height, width))

        def label_all() -> Iterator[_Frames]:
            start = 0
            shown = track(
                _chain_frames(first, frames), f"labeling {source.name}", total=timing.announced or None
            )
            while batch := list(islice(shown, batch_size)):
                yield _Frames(predictor.predict_batch(batch), start)
                start += len(batch)

        def write(done: _Frames) -> int:
            for index, frame in enumerate(done.predictions, done.first):
                picture = _add_legend(tint(frame.image, frame.label, frame.classes, frame.style), strip)
                writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
                if labels is not None:
                    frame.save(labels / f"{index:06d}.png")
            return len(done.predictions)

        try:
            # One thread, because frames have an order; the net continues while it draws and encodes.
            for count in map_ahead(write, label_all(), workers=1, ahead=2):
                written += count
        finally:
            writer.release()
        check_written(temporary, source, target, written)
    return LabeledVideo(target, written, timing.announced)


def check_video(source: Path) -> None:
    """Refuses a file that is not a video in one of `VIDEO_FORMATS`, by its first bytes.

    Otherwise a playlist with the suffix of a video could make FFmpeg open other files or addresses.

    Raises:
        DataError: If it is not such a video, or cannot be read.
    """
    try:
        with source.open("rb") as file:
            start = file.read(12)
    except OSError as error:
        raise DataError(f"{source}: {unreadable(error)}") from error
    mpeg = start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"uuid")
    if not (mpeg or start.startswith(b"\x1aE\xdf\xa3") or (start[:4] == b"RIFF" and start[8:12] == b"AVI ")):
        what = "is truncated or not a video" if start else "is empty (0 bytes)"
        raise DataError(f"{source}: {what} ({VIDEO_FORMATS} expected). {_REMEDY}")


@contextmanager
def _open(source: Path) -> Iterator[cv2.VideoCapture]:
    check_video(source)
    try:
        # FFmpeg never takes an absolute path for an address.
        path = str(source.absolute())
        path.encode()  # OpenCV 4.14 crashes where earlier versions raise this error
        video = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    except UnicodeEncodeError as error:
        raise DataError(
            f"{source}: has a name that is not valid UTF-8, which OpenCV cannot open. Rename it."
        ) from error
    try:
        if not video.isOpened():
            raise DataError(f"{source}: is truncated or cannot be decoded. {_REMEDY}")
        yield video
    finally:
        video.release()


def _read_frames(video: cv2.VideoCapture) -> Iterator[Pixels]:
    """Yields frames `uint8[H, W, 3]` RGB of the first frame's size, until one cannot be decoded."""
    size = None
    while True:
        found, frame = video.read()
        if not found:
            return
        size = size or frame.shape
        if frame.shape != size:
            frame = cv2.resize(frame, (size[1], size[0]), interpolation=cv2.INTER_AREA)
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def _chain_frames(first: Pixels, frames: Iterator[Pixels]) -> Iterator[Pixels]:
    yield first
    yield from frames


def _add_legend(picture: Pixels, strip: Pixels) -> Pixels:
    joined = np.concatenate([picture, strip])
    height, width = joined.shape[:2]
    return np.pad(joined, ((0, height % 2), (0, width % 2), (0, 0)), "edge")


def _measure_timing(source: Path, rate: float, count: float) -> _Timing:
    """Returns the rate to write, and the expected number of frames.

    If the frame rate varies, the header holds the highest rate (browsers write 1000 frames a second) and
    often no number of frames, which OpenCV then estimates as length times rate. So the rate is computed from
    the times of all frames, which are read without decoding.

    Args:
        source: The video.
        rate: Frames a second, by the header.
        count: Number of frames, by the header.
    """
    packets, first, last = 0, math.inf, -math.inf
    video = cv2.VideoCapture(str(source.absolute()), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    while video.grab():
        time = video.get(cv2.CAP_PROP_POS_MSEC)
        packets, first, last = packets + 1, min(first, time), max(last, time)
    video.release()
    announced = max(0, int(count))
    measured = 1000 * (packets - 1) / (last - first) if last > first else rate
    known = _MIN_RATE <= rate < math.inf
    if known and abs(measured - rate) > _RATE_TOLERANCE * rate:
        announced = min(announced, round(announced * measured / rate))
        rate = measured
    return _Timing(rate if _MIN_RATE <= rate <= _MAX_RATE else _FALLBACK_RATE, announced)
