"""Reads the frames of videos, upright and in order, and measures how fast they follow each other."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from fcn.data.image_io import Pixels
from fcn.errors import DataError
from fcn.system.files import unreadable

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm"})
"""Suffixes of videos, in lower case."""

VIDEO_FORMATS = "MP4, MOV, AVI, MKV or WebM"
"""Formats that can be decoded, in words."""

_FALLBACK_RATE = 25.0
_MIN_RATE, _MAX_RATE = 0.01, 1000.0
# Rates that are meant to be the same differ by this much: 24 and 23.976, or times in milliseconds.
_RATE_TOLERANCE = 0.02
_REMEDY = "Replace the file or remove it."
_MPEG_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"uuid")


class Timing(NamedTuple):
    """How fast the frames of a video follow each other.

    Attributes:
        rate: Frames a second, 0.01 to 1000; the mean if it varies.
        announced: Number of frames by the file's header, often estimated from its length in seconds and its
            frame rate; 0 if unknown.
    """

    rate: float
    announced: int


def is_video(place: str) -> bool:
    """Returns whether a place is a local video, by its name.

    Example:
        >>> is_video("a.MP4"), is_video("a.jpg"), is_video("https://host/a.jpg?next=b.mp4")
        (True, False, False)
    """
    return os.path.splitext(place)[1].lower() in VIDEO_SUFFIXES and "://" not in place


def find_demuxer(source: Path) -> str:
    """Returns FFmpeg's name for the format of a video, by its first bytes; refuses what is none.

    Otherwise a playlist with the suffix of a video could make FFmpeg open other files or addresses.

    Raises:
        DataError: If it is not a video in one of `VIDEO_FORMATS`, or cannot be read.
    """
    try:
        with source.open("rb") as file:
            start = file.read(12)
    except OSError as error:
        raise DataError(f"{source}: {unreadable(error)}") from error
    if start[4:8] in _MPEG_BOXES:
        return "mov"
    if start.startswith(b"\x1aE\xdf\xa3"):
        return "matroska"
    if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        return "avi"
    what = "is truncated or not a video" if start else "is empty (0 bytes)"
    raise DataError(f"{source}: {what} ({VIDEO_FORMATS} expected). {_REMEDY}")


@contextmanager
def open_video(source: Path) -> Iterator[cv2.VideoCapture]:
    """Opens a video for decoding.

    Raises:
        DataError: If it is not a video, or cannot be read or decoded.
    """
    find_demuxer(source)
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


class FrameReader:
    """Reads the frames of an open video, all of the size of the first, rotated as players show them.

    Args:
        video: The open video.
        source: Its file, for errors.
        every: Only each frame with a number that this divides is returned; the first has the number 0.

    Attributes:
        first: The first frame, `uint8[H, W, 3]`, RGB.
        decoded: Number of frames that were decoded so far, returned or not.

    Raises:
        DataError: If no frame can be decoded.
    """

    def __init__(self, video: cv2.VideoCapture, source: Path, every: int = 1) -> None:
        self._video, self._every, self.decoded = video, every, 0
        first = self._read()
        if first is None:
            raise DataError(f"{source}: has no frame that can be decoded. {_REMEDY}")
        self.first: Pixels = first

    def __iter__(self) -> Iterator[Pixels]:
        """Yields the frames `uint8[H, W, 3]`, RGB, until one cannot be decoded."""
        yield self.first
        height, width = self.first.shape[:2]
        while self._skip() and (frame := self._read()) is not None:
            if frame.shape[:2] != (height, width):
                frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
            yield frame

    def _skip(self) -> bool:
        for _ in range(self._every - 1):
            if not self._video.grab():
                return False
            self.decoded += 1
        return True

    def _read(self) -> Pixels | None:
        found, frame = self._video.read()
        if not found:
            return None
        self.decoded += 1
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def measure_timing(source: Path, rate: float, count: float) -> Timing:
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
    for time in _packet_times(source):
        packets, first, last = packets + 1, min(first, time), max(last, time)
    announced = max(0, int(count))
    measured = 1000 * (packets - 1) / (last - first) if last > first else rate
    known = _MIN_RATE <= rate < math.inf
    if known and abs(measured - rate) > _RATE_TOLERANCE * rate:
        announced = min(announced, round(announced * measured / rate))
        rate = measured
    return Timing(rate if _MIN_RATE <= rate <= _MAX_RATE else _FALLBACK_RATE, announced)


def count_frames(path: Path) -> int:
    """Returns the number of frames in a file, without decoding them; 0 if it is not a video."""
    return sum(1 for _ in _packet_times(path))


def _packet_times(path: Path) -> Iterator[float]:
    """Yields the time of each frame in milliseconds, without decoding it."""
    video = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    try:
        while video.grab():
            yield video.get(cv2.CAP_PROP_POS_MSEC)
    finally:
        video.release()
