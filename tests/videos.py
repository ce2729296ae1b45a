"""Videos for tests, written and read without the code that is tested."""

import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".avi": "MJPG", ".mkv": "mp4v", ".webm": "VP80"}

needs_ffmpeg = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")),
    reason="needs ffmpeg and ffprobe: apt-get install ffmpeg",
)


def hide_ffmpeg(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves no program on the PATH."""
    (folder / "no-programs").mkdir()
    monkeypatch.setenv("PATH", str(folder / "no-programs"))


def write_frames(path: Path, frames: list[Any], rate: float = 12.5) -> Path:
    """Writes frames `uint8[H, W, 3]`, RGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2]
    codec = cv2.VideoWriter.fourcc(*CODECS[path.suffix])
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, rate, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path


def read_frames(path: Path) -> tuple[list[npt.NDArray[np.int_]], float]:
    """Returns the frames, RGB, and the rate."""
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames = []
    while True:
        found, pixels = video.read()
        if not found:
            break
        frames.append(pixels[..., ::-1].astype(int))
    rate = video.get(cv2.CAP_PROP_FPS)
    video.release()
    return frames, rate


def rotate(path: Path, degrees: int) -> Path:
    """Makes players turn an MP4 file clockwise, as phones do: by the matrix of its track."""
    data = bytearray(path.read_bytes())
    # ISO/IEC 14496-12, 8.3.2: after version, flags, five numbers, two reserved ones and four short ones.
    place = data.index(b"tkhd") + 4 + 4 + 5 * 4 + 8 + 8
    one = 1 << 16
    a, b = {0: (one, 0), 90: (0, one), 180: (-one, 0), 270: (0, -one)}[degrees]
    data[place : place + 36] = struct.pack(">9i", a, b, 0, -b, a, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def ffmpeg(*arguments: object) -> bytes:
    """Runs ffmpeg; returns what it writes to stdout."""
    command = ["ffmpeg", "-loglevel", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout


def probe(path: Path) -> dict[str, Any]:
    """Returns what ffprobe tells of a file."""
    shown = ["-show_streams", "-show_format", "-of", "json"]
    command = ["ffprobe", "-loglevel", "error", *shown, str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found
