"""Videos that the ffmpeg program writes: H.264, with the sound of their source at its time."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from job_program import Brightness
from videos import ffmpeg, needs_ffmpeg, probe, read_frames, write_frames

from fcn.errors import OutputError
from fcn.inference.ffmpeg import find_ffmpeg
from fcn.inference.predictor import Predictor
from fcn.inference.video import LabeledVideo, VideoOptions, label_video
from fcn.inference.video_writer import choose_suffix

FLASH = 10  # the number of the first white frame, at 10 frames a second
BEEP = "sine=frequency=1000:duration=3,volume='between(t,1,1.2)':eval=frame"


def write_flash(path: Path, frames: int = 30) -> Path:
    """Writes a dark video with two white frames."""
    pixels = [np.full((48, 64, 3), 254 if FLASH <= n < FLASH + 2 else 20, np.uint8) for n in range(frames)]
    return write_frames(path, pixels, 10)


def add_beep(silent: Path, path: Path, *options: object, sound: str = "aac") -> Path:
    """Adds a beep after a second to a video."""
    ffmpeg(*options, "-i", silent, "-f", "lavfi", "-i", BEEP, "-c:v", "copy", "-c:a", sound, path)
    return path


def beep_of(path: Path) -> float:
    """Returns when the sound of a video begins, in seconds from its beginning."""
    late = "aresample=8000:async=1:first_pts=0"
    data = ffmpeg("-i", path, "-map", "0:a:0", "-af", late, "-ac", 1, "-f", "s16le", "pipe:1")
    loud = np.abs(np.frombuffer(data, np.int16).astype(int)) > 500
    return float(np.argmax(loud)) / 8000


def flash_of(path: Path) -> float:
    """Returns when the video becomes light, in seconds from its beginning."""
    frames, rate = read_frames(path)
    return float(np.argmax([frame[:20].mean() > 120 for frame in frames])) / rate


def label(source: Path, target: Path, every: int = 1) -> LabeledVideo:
    return label_video(Predictor.from_engine(Brightness()), source, target, 8, VideoOptions(every))


def streams(path: Path) -> dict[str, Any]:
    return {stream["codec_type"]: stream for stream in probe(path)["streams"]}


@needs_ffmpeg
@pytest.mark.parametrize("every", [1, 2])
def test_a_video_is_h264_with_the_sound_of_its_source(every: int, tmp_path: Path) -> None:
    silent = write_flash(tmp_path / "silent.mp4")
    source = add_beep(silent, tmp_path / "film.mp4", "-itsoffset", 0)
    result = label(source, tmp_path / "out.mp4", every)
    assert result == LabeledVideo(tmp_path / "out.mp4", 30, 30, "kept")
    assert find_ffmpeg()
    assert choose_suffix() == ".mp4"
    found = streams(tmp_path / "out.mp4")
    assert {*found} == {"video", "audio"}
    picture, sound = found["video"], found["audio"]
    assert [picture[name] for name in ("codec_name", "pix_fmt", "color_space")] == [
        "h264",
        "yuv420p",
        "bt709",
    ]
    assert Fraction(picture["avg_frame_rate"]) == Fraction(10, every)
    assert int(picture["nb_frames"]) == 30 / every
    assert sound["codec_name"] == "aac"
    for stream in (picture, sound):
        assert float(stream["duration"]) == pytest.approx(3, abs=0.06)
    assert flash_of(tmp_path / "out.mp4") == 1.0
    assert beep_of(tmp_path / "out.mp4") == pytest.approx(1.0, abs=0.03)
    assert {path.name for path in tmp_path.iterdir()} == {"silent.mp4", "film.mp4", "out.mp4"}


@needs_ffmpeg
@pytest.mark.parametrize(("suffix", "sound"), [(".mkv", "pcm_s16le"), (".mp4", "aac")])
def test_sound_keeps_its_time_where_frames_begin_late(suffix: str, sound: str, tmp_path: Path) -> None:
    silent = write_flash(tmp_path / "silent.mp4")
    source = add_beep(silent, tmp_path / f"film{suffix}", "-itsoffset", 0.5, sound=sound)
    label(source, tmp_path / "out.mp4")
    # The flash is 1.5 s after the sound began, the beep 1.0 s.
    assert flash_of(tmp_path / "out.mp4") == 1.0
    assert beep_of(tmp_path / "out.mp4") == pytest.approx(0.5, abs=0.03)


@needs_ffmpeg
def test_a_video_that_ends_early_has_sound_up_to_there(tmp_path: Path) -> None:
    source = add_beep(write_flash(tmp_path / "silent.mp4"), tmp_path / "film.mkv", "-itsoffset", 0)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 6 // 10])
    result = label(source, tmp_path / "out.mp4")
    assert result.truncated
    assert result.sound == "kept"
    length = float(streams(tmp_path / "out.mp4")["video"]["duration"])
    assert length == pytest.approx(result.frames / 10, abs=0.01)
    assert float(probe(tmp_path / "out.mp4")["format"]["duration"]) == pytest.approx(length, abs=0.06)


@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".webm"])
def test_a_video_without_sound_has_none(suffix: str, tmp_path: Path) -> None:
    result = label(write_flash(tmp_path / f"film{suffix}"), tmp_path / "out.mp4")
    assert result.sound == "none"
    assert {*streams(tmp_path / "out.mp4")} == {"video"}


@needs_ffmpeg
def test_sound_that_cannot_be_decoded_is_left_out(tmp_path: Path) -> None:
    silent = write_flash(tmp_path / "silent.avi")
    source = add_beep(silent, tmp_path / "film.avi", "-itsoffset", 0, sound="pcm_s16le")
    data = bytearray(source.read_bytes())
    form = data.index(b"strf", data.index(b"strf") + 4) + 8
    assert data[form : form + 2] == b"\x01\x00"
    data[form : form + 2] = b"\x34\x12"  # a form of sound that nobody knows
    source.write_bytes(data)
    result = label(source, tmp_path / "out.mp4")
    assert (result.sound, result.frames) == ("not decoded", 30)
    assert {*streams(tmp_path / "out.mp4")} == {"video"}
    assert len(read_frames(tmp_path / "out.mp4")[0]) == 30


@needs_ffmpeg
def test_the_name_of_a_source_is_a_file_whatever_it_looks_like(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    silent = write_flash(tmp_path / "silent.mp4")
    for name in ("-i.mp4", "concat:a|b %03d.mp4", "http:a.mp4"):
        os.replace(add_beep(silent, tmp_path / "film.mp4", "-itsoffset", 0), name)
        assert label(Path(name), Path("out.mp4")).sound == "kept"


@needs_ffmpeg
def test_nothing_else_about_the_source_is_kept(tmp_path: Path) -> None:
    silent = write_flash(tmp_path / "silent.mp4")
    source = tmp_path / "film.mp4"
    place = ["-metadata", "title=secret", "-metadata", "location=+48.1+011.5/"]
    ffmpeg("-i", silent, "-f", "lavfi", "-i", BEEP, "-c:v", "copy", "-c:a", "aac", *place, source)
    assert "secret" in str(probe(source))
    label(source, tmp_path / "out.mp4")
    assert not {"title", "location"} & {*probe(tmp_path / "out.mp4")["format"].get("tags", {})}


@needs_ffmpeg
def test_rates_stay(tmp_path: Path) -> None:
    for rate in (0.5, 30_000 / 1001, 1000.0):
        pixels = [np.full((48, 64, 3), 20 * n, np.uint8) for n in range(6)]
        label(write_frames(tmp_path / "film.avi", pixels, rate), tmp_path / "out.mp4")
        frames, found = read_frames(tmp_path / "out.mp4")
        assert (len(frames), found) == (6, pytest.approx(rate, rel=1e-4))


@needs_ffmpeg
def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    import resource

    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(60)]
    source = write_frames(tmp_path / "film.avi", pixels)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, hard))
    try:
        with pytest.raises(OutputError, match=r"out\.mp4: .* of \d+ frames were written"):
            label(source, tmp_path / "out.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("listed", [" V....D mpeg4\n A....D aac\n", ""])
def test_an_ffmpeg_without_h264_is_not_used(listed: str, tmp_path: Path, monkeypatch) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\nprintf '{listed}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffmpeg() is None
    assert choose_suffix() == ".webm"
    program.write_text("no program")
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    assert find_ffmpeg() is None
