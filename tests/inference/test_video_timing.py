"""Rates of videos: those that MPEG-4 does not take, and frames that come at varying times."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from job_program import Brightness, run_job
from videos import hide_ffmpeg

from fcn.errors import DataError
from fcn.inference.predictor import Predictor
from fcn.inference.video import LabeledVideo, label_video
from fcn.inference.video_writer import open_writer

# IDs of Matroska's elements (RFC 9559): what holds others, and what holds times in milliseconds.
HOLDERS = (0x18538067, 0x1549A966, 0x1F43B675)
DURATION, CLUSTER_TIME, BLOCK = 0x4489, 0xE7, 0xA3


@pytest.fixture(autouse=True)
def without_ffmpeg(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_ffmpeg(tmp_path_factory.mktemp("path"), monkeypatch)


def write_frames(path: Path, count: int, rate: float, codec: str = "MJPG") -> Path:
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), rate, (64, 48))
    assert writer.isOpened()
    for index in range(count):
        writer.write(np.full((48, 64, 3), index % 200, np.uint8))
    writer.release()
    return path


def read_number(data: bytearray, place: int, marked: bool) -> tuple[int, int]:
    """Returns an ID or a length of EBML (RFC 8794), and where it ends."""
    length = 9 - data[place].bit_length()
    value = int.from_bytes(data[place : place + length], "big")
    return (value if marked else value & (1 << 7 * length) - 1), place + length


def slow_down(data: bytearray, factor: int, place: int, end: int) -> None:
    """Multiplies all times of a Matroska file but not the rate that it tells, as what browsers record."""
    while place < end:
        kind, place = read_number(data, place, marked=True)
        size, place = read_number(data, place, marked=False)
        after = place + size
        if kind in HOLDERS:
            slow_down(data, factor, place, after)
        elif kind == DURATION:
            data[place:after] = struct.pack(">d", factor * struct.unpack(">d", data[place:after])[0])
        elif kind == CLUSTER_TIME:
            time = factor * int.from_bytes(data[place:after], "big")
            data[place:after] = time.to_bytes(size, "big")
        elif kind == BLOCK:
            time = factor * struct.unpack(">h", data[place + 1 : place + 3])[0]
            data[place + 1 : place + 3] = struct.pack(">h", time)
        place = after


def timing_of(path: Path) -> tuple[float, int]:
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    timing = video.get(cv2.CAP_PROP_FPS), int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    video.release()
    return timing


@pytest.mark.parametrize("rate", [0.5, 23.976, 59.94, 65.534, 119.967, 211.222, 656.789, 1000.0])
def test_a_video_of_any_rate_is_labeled(rate: float, tmp_path: Path) -> None:
    source, target = write_frames(tmp_path / "film.avi", 7, rate), tmp_path / "out.webm"
    result = label_video(Predictor.from_engine(Brightness()), source, target, 4)
    assert (result, result.truncated) == (LabeledVideo(target, 7, 7, "no ffmpeg"), False)
    labeled_rate, frames = timing_of(target)
    assert frames == 7
    assert labeled_rate == pytest.approx(rate, rel=1e-4)


# At 25 frames a second though the file says 1000.
@pytest.mark.parametrize(("kept", "frames"), [(1.0, 100), (0.6, range(30, 90))])
def test_a_browser_s_video_plays_as_long_as_it_did(kept: float, frames: int | range, tmp_path: Path) -> None:
    source, target = write_frames(tmp_path / "film.webm", 100, 1000.0, "VP80"), tmp_path / "out.webm"
    data = bytearray(source.read_bytes())
    slow_down(data, 40, 0, len(data))
    source.write_bytes(data)
    assert timing_of(source) == (1000.0, 4000)
    source.write_bytes(data[: int(len(data) * kept)])
    result = label_video(Predictor.from_engine(Brightness()), source, target, 8)
    if isinstance(frames, range):
        assert result.frames in frames
        assert result.announced == 100
        assert result.truncated
    else:
        assert (result, result.truncated) == (LabeledVideo(target, frames, 100, "no ffmpeg"), False)
    assert timing_of(target) == (pytest.approx(25, rel=0.001), result.frames)


def test_what_the_codec_refuses_is_told_from_what_the_disk_refuses(tmp_path: Path) -> None:
    target, source = tmp_path / "out.webm", Path("film.avi")
    with (
        pytest.raises(DataError, match=r"film\.avi: 64 x 48 pixels at 1e-06 frames a second cannot be"),
        open_writer(target, source, target, 1e-6, (48, 64)),
    ):
        pass
    missing = tmp_path / "missing" / "out.webm"
    with pytest.raises(FileNotFoundError), open_writer(missing, source, missing, 25, (48, 64)):
        pass
    with open_writer(target, source, target, 25, (48, 64)) as writer:
        for _ in range(7):
            writer.write(np.zeros((48, 64, 3), np.uint8))
        writer.written = 9
        with pytest.raises(DataError, match=r"film\.avi: 7 of 9 frames could be encoded"):
            writer.finish(25)


def test_a_job_goes_on_after_a_video_that_cannot_be_encoded(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    writer = cv2.VideoWriter(
        *(str(tmp_path / "in" / "a.avi"), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 25, (16_400, 16))
    )
    writer.write(np.zeros((16, 16_400, 3), np.uint8))
    writer.release()
    write_frames(tmp_path / "in" / "b.avi", 3, 119.967)
    result = run_job(tmp_path / "out", tmp_path / "in")
    assert [(Path(path).name, "most 16384 a side" in reason) for path, reason in result.failed] == [
        ("a.avi", True)
    ]
    assert result.labeled == 1
