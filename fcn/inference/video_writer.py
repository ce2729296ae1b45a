"""Encodes videos that browsers play, and finds out why one could not be encoded.

With an ffmpeg program they are H.264 in MP4 (`fcn.inference.ffmpeg`), without it VP9, which OpenCV encodes by
itself. MPEG-4 Part 2, which it encodes too, is played by no browser.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

import cv2

from fcn.data.image_io import Pixels
from fcn.errors import DataError, OutputError
from fcn.inference.ffmpeg import FfmpegEncoder, add_sound, find_ffmpeg
from fcn.inference.video_reader import count_frames
from fcn.system.files import temporary_beside
from fcn.system.stderr import stderr_held_back

Sound = Literal["kept", "none", "no ffmpeg", "not decoded"]
"""Whether a video has the sound of its source; "none" if that has none, otherwise why not."""

# Fourccs of VP9 in the two containers. "vp09" is its name in MP4 (VP Codec ISO Media File Format Binding).
_VP9 = {".webm": "VP90", ".mp4": "vp09"}
TARGET_SUFFIXES = tuple(_VP9)
"""Suffixes of the files that can be written."""

# x264 refuses larger frames, and so do decoders of browsers.
_MAX_SIDE = 16_384
# TrackUID and TagTrackUID of eight bytes (RFC 9559, 5.1.4.1.2 and 5.1.8.1.1.3), which come before all frames.
_TRACK_NUMBERS = (b"\x73\xc5\x88", b"\x63\xc5\x88")
_WEBM_START = 4096
# FFmpeg writes smaller blocks, so a disk that refused one has no space for this.
_PROBE = 1 << 20


class VideoEncoder(Protocol):
    """An encoder of one video."""

    def write(self, picture: Pixels) -> bool:
        """Encodes a frame `uint8[H, W, 3]`, RGB; returns whether it was taken."""

    def finish(self) -> bool:
        """Finishes the file; returns whether that succeeded."""

    def close(self) -> None:
        """Frees what it holds, whether the file is finished or not."""

    def reason(self) -> str:
        """Returns what went wrong in a few words; it may be empty."""


class _OpenCVEncoder:
    """OpenCV's encoder of VP9."""

    def __init__(self, writer: cv2.VideoWriter, path: Path) -> None:
        self._writer, self._path = writer, path

    def write(self, picture: Pixels) -> bool:
        self._writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        return True  # it does not tell

    def finish(self) -> bool:
        self._writer.release()
        if self._path.suffix == ".webm":
            _number_track(self._path)
        return True

    def close(self) -> None:
        self._writer.release()

    def reason(self) -> str:
        return ""


class VideoWriter:
    """Writes one video. `open_writer` makes it.

    Attributes:
        written: Number of frames so far.
    """

    def __init__(self, encoder: VideoEncoder, program: str | None, paths: tuple[Path, Path, Path]) -> None:
        self._encoder, self._program = encoder, program
        self._temporary, self._source, self._target = paths
        self.written = 0

    def write(self, picture: Pixels) -> None:
        """Writes a frame `uint8[H, W, 3]`, RGB.

        Raises:
            DataError: If frames cannot be encoded.
            OutputError: If the disk is full.
        """
        if not self._encoder.write(picture):
            raise self._failure()
        self.written += 1

    def finish(self, rate: float) -> Sound:
        """Finishes the video, adds the sound of the source if that can be done, and counts the frames.

        OpenCV reports no error when the disk is full.

        Args:
            rate: Frames a second.

        Raises:
            DataError: If some frames could not be encoded.
            OutputError: If the disk is full.
        """
        if not self._encoder.finish() or count_frames(self._temporary) != self.written:
            raise self._failure()
        if self._program is None:
            return "no ffmpeg"
        with temporary_beside(self._target, self._target.suffix) as with_sound:
            added = add_sound(
                *(self._program, self._temporary, self._source, with_sound), self.written / rate
            )
            if added and count_frames(with_sound) == self.written:
                os.replace(with_sound, self._temporary)
                return "kept"
        if added is None:
            return "none"
        self._check_space()
        return "not decoded"

    def _failure(self) -> DataError | OutputError:
        found = count_frames(self._temporary)
        try:
            _check_space(self._temporary)
        except OSError as error:
            failure = OutputError(
                f"{self._target}: {found} of {self.written} frames were written ({error.strerror}). "
                "Free space, then run the same command again."
            )
            failure.__cause__ = error
            return failure
        reason = self._encoder.reason()
        return DataError(
            f"{self._source}: {found} of {self.written} frames could be encoded"
            f"{f' ({reason})' if reason else ''}. Convert the video or remove it."
        )

    def _check_space(self) -> None:
        """Refuses to go on where a disk is full.

        Raises:
            OutputError: If it is.
        """
        with temporary_beside(self._target, self._target.suffix) as probe:
            try:
                _check_space(probe)
            except OSError as error:
                raise OutputError(
                    f"{self._target}: cannot be written ({error.strerror}). Free space, then run the same "
                    "command again."
                ) from error


def choose_suffix() -> str:
    """Returns the suffix of the videos that can be written best here: `.mp4` with ffmpeg, `.webm` without."""
    return ".mp4" if find_ffmpeg() else ".webm"


@contextmanager
def open_writer(
    temporary: Path, source: Path, target: Path, rate: float, size: tuple[int, int]
) -> Iterator[VideoWriter]:
    """Opens an encoder, and ends it when the block ends.

    Args:
        temporary: The file to write; its suffix, `.mp4` or `.webm`, chooses the format.
        source: The video that is labeled.
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
            f"{source}: would have {width} x {height} pixels with its legend; at most {_MAX_SIDE} a side "
            "can be encoded. Make the video smaller."
        )
    program = find_ffmpeg() if temporary.suffix == ".mp4" else None
    encoder = (
        FfmpegEncoder(program, temporary, rate, size)
        if program
        else _open_vp9(temporary, source, target, rate, size)
    )
    try:
        yield VideoWriter(encoder, program, (temporary, source, target))
    finally:
        encoder.close()


def _open_vp9(
    temporary: Path, source: Path, target: Path, rate: float, size: tuple[int, int]
) -> VideoEncoder:
    height, width = size
    codec = cv2.VideoWriter.fourcc(*_VP9[temporary.suffix])
    try:
        str(temporary).encode()  # OpenCV 4.14 crashes where earlier versions raise this error
        with stderr_held_back():  # it finds no fourcc for WebM, prints that, and goes on without one
            writer = cv2.VideoWriter(str(temporary), cv2.CAP_FFMPEG, codec, rate, (width, height))
    except UnicodeEncodeError as error:
        raise OutputError(
            f"{target}: has a name that is not valid UTF-8, which OpenCV cannot open. Rename it."
        ) from error
    if not writer.isOpened():
        _check_space(temporary)
        raise DataError(
            f"{source}: {width} x {height} pixels at {rate:g} frames a second cannot be encoded as VP9. "
            "Convert the video or remove it."
        )
    return _OpenCVEncoder(writer, temporary)


def _number_track(path: Path) -> None:
    """Replaces the random number of the track of a WebM file by 1: a video always has the same bytes."""
    with path.open("r+b") as file:
        start = file.read(_WEBM_START)
        for element in _TRACK_NUMBERS:
            place = start.find(element)
            if place >= 0:
                file.seek(place + len(element))
                file.write((1).to_bytes(8, "big"))


def _check_space(temporary: Path) -> None:
    """Raises the `OSError` of a folder that cannot be written to or a full disk."""
    with temporary.open("ab") as file:
        file.write(bytes(_PROBE))
        file.flush()
        os.fsync(file.fileno())
