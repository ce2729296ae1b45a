"""Labeling videos: frames in, a video of overlays out."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from fcn.data.image_io import Pixels, write_label
from fcn.errors import DataError, OutputError
from fcn.files import atomic_path
from fcn.inference.engine import BATCH_PIXELS, Engine
from fcn.inference.outputs.overlay import legend_of_classes, tint
from fcn.parallel import map_ahead
from fcn.progress import track

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm"})
"""Suffixes, in lower case, of the files that are taken for videos."""

VIDEO_MARK, VIDEO_ENDING = ".overlay", ".mp4"
"""What the name of a labeled video ends in, behind the stem of the video."""

VIDEO_FORMATS = "MP4, MOV, AVI, MKV or WebM"
"""What can be decoded, for messages."""

# MPEG-4 Part 2, which FFmpeg encodes by itself; H.264 needs a library that OpenCV may not bring with it.
_CODEC = "mp4v"
_FALLBACK_RATE = 25.0
_MOST_RATE = 1000.0
_REMEDY = "Replace the file or take it out."
# MPEG-4 has 13 bits for a side (ISO/IEC 14496-2, 6.2.3), of which FFmpeg uses no more than this.
_MOST_SIDE = 8190


def is_video(place: str) -> bool:
    """Tells local videos by their names.

    Example:
        >>> is_video("a.MP4"), is_video("a.jpg"), is_video("https://host/a.jpg?next=b.mp4")
        (True, False, False)
    """
    return os.path.splitext(place)[1].lower() in VIDEO_SUFFIXES and "://" not in place


class LabeledVideo(NamedTuple):
    """What came of a video.

    Attributes:
        path: The video of overlays.
        frames: How many frames were decoded and labeled.
        announced: How many the file says it has, often by its length in seconds; 0 where it does not say.
    """

    path: Path
    frames: int
    announced: int

    @property
    def truncated(self) -> bool:
        """Whether so many frames are missing, over 2% and over one, that the file must have lost its end."""
        return self.announced - self.frames > max(1, 0.02 * self.announced)


class _Frames(NamedTuple):
    images: Pixels
    labels: Pixels
    first: int


def label_video(
    engine: Engine, source: Path, target: Path, batch_size: int, labels: Path | None = None
) -> LabeledVideo:
    """Labels the frames of a video in order, and writes a video of overlays with the same size and rate.

    Below each frame is the legend of all classes, which never changes. Frames are as players show them,
    turned as the video says; their labels are too. Odd sizes are made even by repeating the last row or
    column. A video that ends early is labeled as far as it goes; `LabeledVideo.truncated` tells. Sound is
    left out. Memory does not grow with the length.

    Args:
        engine: What labels.
        source: An MP4, MOV, AVI, MKV or WebM file.
        target: The MP4 file to write, in one piece when all is done: a player never meets half of it.
        batch_size: How many frames to label at once, at most; fewer where they are large.
        labels: A folder for palette PNGs of the frames, `000000.png` and on; None for none.

    Raises:
        DataError: If the video cannot be read or has no frame that can be decoded.
        OutputError: If `target` or `labels` cannot be written to or the disk is full.
        ValueError: If `batch_size` is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"Expected `batch_size` >= 1. Received: {batch_size}.")
    written = 0
    with _open(source) as video, atomic_path(target) as temporary:
        announced = max(0, int(video.get(cv2.CAP_PROP_FRAME_COUNT)))
        frames = _read_frames(video)
        first = next(frames, None)
        if first is None:
            raise DataError(f"{source}: has no frame that can be decoded. {_REMEDY}")
        batch_size = max(1, min(batch_size, BATCH_PIXELS // (first.shape[0] * first.shape[1])))
        strip = legend_of_classes(engine.classes, first.shape[:2])
        height, width, _ = shape = _add_legend(first, strip).shape
        if max(height, width) > _MOST_SIDE:
            raise DataError(
                f"{source}: would be a video of {width} x {height} pixels with its legend; MPEG-4 has at "
                f"most {_MOST_SIDE} a side. Make the video smaller."
            )
        writer = _open_writer(temporary, target, video.get(cv2.CAP_PROP_FPS), shape)

        def label_all() -> Iterator[_Frames]:
            start = 0
            shown = track(_chain(first, frames), f"labeling {source.name}", total=announced or None)
            while batch := list(islice(shown, batch_size)):
                images = np.stack(batch)
                yield _Frames(images, engine.label(images).label, start)
                start += len(batch)

        def write(done: _Frames) -> int:
            for index, (image, label) in enumerate(zip(done.images, done.labels, strict=True), done.first):
                picture = _add_legend(tint(image, label, engine.classes), strip)
                writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
                if labels is not None:
                    write_label(labels / f"{index:06d}.png", label, engine.classes)
            return len(done.images)

        try:
            # One thread, because a video has an order; the net goes on while it draws and encodes.
            for count in map_ahead(write, label_all(), workers=1, ahead=2):
                written += count
        finally:
            writer.release()
        _check_written(temporary, target, written)
    return LabeledVideo(target, written, announced)


def check_video(source: Path) -> None:
    """Refuses a file that is no video in one of `VIDEO_FORMATS` by its first bytes.

    A list of other files that calls itself a video would otherwise have them, or addresses, opened.

    Raises:
        DataError: If it is none, or cannot be read.
    """
    try:
        with source.open("rb") as file:
            start = file.read(12)
    except OSError as error:
        raise DataError(
            f"{source}: cannot be read ({error.strerror}). Check the path and its permissions."
        ) from error
    mpeg = start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"uuid")
    if not (mpeg or start.startswith(b"\x1aE\xdf\xa3") or (start[:4] == b"RIFF" and start[8:12] == b"AVI ")):
        what = "is truncated, or no video" if start else "is empty (0 bytes)"
        raise DataError(f"{source}: {what} ({VIDEO_FORMATS} expected). {_REMEDY}")


@contextmanager
def _open(source: Path) -> Iterator[cv2.VideoCapture]:
    check_video(source)
    try:
        # An absolute path is never taken for an address.
        video = cv2.VideoCapture(str(source.absolute()), cv2.CAP_FFMPEG)
    except UnicodeEncodeError as error:
        raise DataError(
            f"{source}: has a name that is no UTF-8, which OpenCV cannot open. Rename it."
        ) from error
    try:
        if not video.isOpened():
            raise DataError(f"{source}: is truncated, or no video that can be decoded. {_REMEDY}")
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


def _chain(first: Pixels, frames: Iterator[Pixels]) -> Iterator[Pixels]:
    yield first
    yield from frames


def _add_legend(picture: Pixels, strip: Pixels) -> Pixels:
    joined = np.concatenate([picture, strip])
    height, width = joined.shape[:2]
    return np.pad(joined, ((0, height % 2), (0, width % 2), (0, 0)), "edge")


def _open_writer(temporary: Path, target: Path, rate: float, shape: tuple[int, ...]) -> cv2.VideoWriter:
    known = math.isfinite(rate) and 0 < rate <= _MOST_RATE
    try:
        writer = cv2.VideoWriter(
            str(temporary),
            cv2.CAP_FFMPEG,
            cv2.VideoWriter.fourcc(*_CODEC),
            rate if known else _FALLBACK_RATE,
            (shape[1], shape[0]),
        )
    except UnicodeEncodeError as error:
        raise OutputError(
            f"{target}: has a name that is no UTF-8, which OpenCV cannot open. Rename it."
        ) from error
    if not writer.isOpened():
        raise OutputError(
            f"{target}: cannot be written as a video of {shape[1]} x {shape[0]} pixels. Choose a folder you "
            "may write to, with space."
        )
    return writer


def _check_written(temporary: Path, target: Path, frames: int) -> None:
    """Reads back how many frames there are: OpenCV says nothing when the disk is full."""
    video = cv2.VideoCapture(str(temporary), cv2.CAP_FFMPEG)
    found = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
    video.release()
    if found != frames:
        raise OutputError(
            f"{target}: {found} of {frames} frames were written; the disk may be full. "
            "Free space, then run the same command again."
        )
