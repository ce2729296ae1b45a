"""Encodes videos, and finds out why one could not be encoded."""

import math
import os
from pathlib import Path

import cv2

from fcn.errors import DataError, OutputError

# MPEG-4 Part 2, which FFmpeg encodes by itself; H.264 needs a library that OpenCV may not bring with it.
_CODEC = "mp4v"
# MPEG-4 has 13 bits for a side (ISO/IEC 14496-2, 6.2.3); FFmpeg accepts no more than this.
_MAX_SIDE = 8190
# MPEG-4 writes a rate as a fraction with a numerator of 16 bits. OpenCV uses up to three decimals for it.
_MAX_NUMERATOR = 65_535
_RATE_DECIMALS = 3
# FFmpeg writes smaller blocks, so a disk that refused one has no space for this.
_PROBE = 1 << 20


def encodable_rate(rate: float) -> float:
    """Returns the rate rounded as MPEG-4 requires, by at most one in 10,000.

    Args:
        rate: Frames a second, 0.01 to 1000.

    Example:
        >>> encodable_rate(59.94), encodable_rate(119.967), encodable_rate(1000.0)
        (59.94, 119.97, 1000.0)
    """
    return round(rate, min(_RATE_DECIMALS, math.floor(math.log10(_MAX_NUMERATOR / rate))))


def open_writer(
    temporary: Path, source: Path, target: Path, rate: float, size: tuple[int, int]
) -> cv2.VideoWriter:
    """Opens an encoder of MPEG-4.

    Args:
        temporary: The file to write.
        source: The video that is labeled, for errors.
        target: The final name of the file, for errors.
        rate: Frames a second, 0.01 to 1000.
        size: (height, width), even.

    Raises:
        DataError: If frames of this size or rate cannot be encoded.
        OSError: If the folder cannot be written to or the disk is full.
        OutputError: If OpenCV cannot open a file of this name.
    """
    height, width = size
    if max(size) > _MAX_SIDE:
        raise DataError(
            f"{source}: would have {width} x {height} pixels with its legend; MPEG-4 allows at "
            f"most {_MAX_SIDE} a side. Make the video smaller."
        )
    codec = cv2.VideoWriter.fourcc(*_CODEC)
    try:
        str(temporary).encode()  # OpenCV 4.14 crashes where earlier versions raise this error
        writer = cv2.VideoWriter(str(temporary), cv2.CAP_FFMPEG, codec, encodable_rate(rate), (width, height))
    except UnicodeEncodeError as error:
        raise OutputError(
            f"{target}: has a name that is not valid UTF-8, which OpenCV cannot open. Rename it."
        ) from error
    if not writer.isOpened():
        _check_space(temporary)
        raise DataError(
            f"{source}: {width} x {height} pixels at {rate:g} frames a second cannot be encoded as MPEG-4. "
            "Convert the video or remove it."
        )
    return writer


def check_written(temporary: Path, source: Path, target: Path, frames: int) -> None:
    """Checks the number of frames in the written file: OpenCV reports no error when the disk is full.

    Args:
        temporary: The file that was written.
        source: The video that is labeled, for errors.
        target: The final name of the file, for errors.
        frames: Number of frames that were written.

    Raises:
        DataError: If some could not be encoded.
        OutputError: If the disk is full.
    """
    video = cv2.VideoCapture(str(temporary), cv2.CAP_FFMPEG)
    found = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
    video.release()
    if found == frames:
        return
    try:
        _check_space(temporary)
    except OSError as error:
        raise OutputError(
            f"{target}: {found} of {frames} frames were written ({error.strerror}). "
            "Free space, then run the same command again."
        ) from error
    raise DataError(
        f"{source}: {found} of {frames} frames could be encoded as MPEG-4. Convert the video or remove it."
    )


def _check_space(temporary: Path) -> None:
    """Raises the `OSError` of a folder that cannot be written to or a full disk."""
    with temporary.open("ab") as file:
        file.write(bytes(_PROBE))
        file.flush()
        os.fsync(file.fileno())
