"""Runs the program ffmpeg: encodes frames as H.264, and adds the sound of the video that they come from."""

import shutil
import subprocess
import tempfile
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple

from fcn.data.image_io import Pixels
from fcn.inference.video_reader import find_demuxer

ENCODER = "libx264"
"""The encoder of H.264 that is used; not every ffmpeg has it."""

_QUIET = ("-hide_banner", "-loglevel", "error", "-nostats", "-y")
# x264's own default, at which people hardly see a difference; and a preset that keeps up with a net.
_QUALITY, _PRESET = "23", "veryfast"
_SOUND_RATE = "160k"
# Denominators up to this give all usual rates exactly, such as 30000/1001.
_MAX_DENOMINATOR = 100_000
_PROBE_SECONDS = 60
# Players take RGB for BT.709 in videos of this form; FFmpeg by itself would encode BT.601.
_COLORS = (
    *("-vf", "scale=out_color_matrix=bt709:out_range=tv"),
    *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"),
)


def find_ffmpeg() -> str | None:
    """Returns the path of an ffmpeg program that encodes H.264 and AAC; None without one."""
    program = shutil.which("ffmpeg")
    return program if program and _encodes_mp4(program) else None


@lru_cache(maxsize=8)
def _encodes_mp4(program: str) -> bool:
    try:
        listed = subprocess.run(
            [program, "-hide_banner", "-encoders"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    return {ENCODER.encode(), b"aac"} <= {*listed.split()}


class FfmpegEncoder:
    """A process that encodes frames as H.264 in an MP4 file.

    Args:
        program: Path of ffmpeg.
        path: The file to write.
        rate: Frames a second.
        size: (height, width), even.

    Raises:
        OSError: If the program cannot be started.
    """

    def __init__(self, program: str, path: Path, rate: float, size: tuple[int, int]) -> None:
        height, width = size
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        fraction = Fraction(rate).limit_denominator(_MAX_DENOMINATOR)
        self._process = subprocess.Popen(
            [
                *(
                    program,
                    *_QUIET,
                    "-f",
                    "rawvideo",
                    "-pix_fmt",
                    "rgb24",
                    "-video_size",
                    f"{width}x{height}",
                ),
                *("-framerate", f"{fraction.numerator}/{fraction.denominator}", "-i", "pipe:0"),
                *("-c:v", ENCODER, "-preset", _PRESET, "-crf", _QUALITY, "-pix_fmt", "yuv420p", *_COLORS),
                *("-movflags", "+faststart", "-f", "mp4", f"file:{path.absolute()}"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C is for this process, which ends that one
        )

    def write(self, picture: Pixels) -> bool:
        """Encodes a frame `uint8[H, W, 3]`, RGB; returns whether the process took it."""
        try:
            self._stdin.write(picture.tobytes())
        except OSError:  # it has ended
            return False
        return True

    def finish(self) -> bool:
        """Finishes the file; returns whether that succeeded."""
        with suppress(OSError):  # the process has ended
            self._stdin.close()
        return self._process.wait() == 0

    def close(self) -> None:
        """Ends the process, whether the file is finished or not."""
        self._process.kill()
        with suppress(OSError):  # the process has ended
            self._stdin.close()
        self._process.wait()
        self._errors.close()

    def reason(self) -> str:
        """Returns the first line that the process printed about an error; it may be empty."""
        self._errors.seek(0)
        return self._errors.readline(500).decode(errors="replace").strip()

    @property
    def _stdin(self) -> IO[bytes]:
        stream = self._process.stdin
        if stream is None:
            raise RuntimeError("The process has no stdin.")
        return stream


class _Streams(NamedTuple):
    """What is known of a video with sound.

    Attributes:
        delay: Seconds from the beginning of the file to its first frame.
    """

    delay: float


def add_sound(program: str, silent: Path, source: Path, target: Path, seconds: float) -> bool | None:
    """Writes an MP4 file with the frames of one video and the sound of another, as AAC.

    The sound begins with the first frame and ends with the last one. Titles, places and other data about the
    source are left out.

    Args:
        program: Path of ffmpeg.
        silent: An MP4 file without sound.
        source: The video with the sound, which `find_demuxer` has accepted.
        target: The file to write.
        seconds: Length of `silent`.

    Returns:
        Whether it was written; None if the source has no sound. If it was not, what is there is no video.
    """
    streams = _probe(program, source)
    if streams is None:
        return None
    done = _run(
        *(program, *_QUIET, "-nostdin", "-i", f"file:{silent.absolute()}"),
        *("-ss", f"{streams.delay:.6f}", "-t", f"{seconds:.6f}", *_input(source)),
        *("-map", "0:v:0", "-map", "1:a:0", "-map_metadata", "-1", "-map_chapters", "-1"),
        *("-c:v", "copy", "-c:a", "aac", "-b:a", _SOUND_RATE, "-movflags", "+faststart"),
        *("-f", "mp4", f"file:{target.absolute()}"),
    )
    return done.returncode == 0


def _probe(program: str, source: Path) -> _Streams | None:
    """Returns what is known of a video; None if it has no sound."""
    found = _run(
        *(program, *_QUIET, "-nostdin", *_input(source), "-map", "0:V:0", "-map", "0:a:0"),
        *("-c", "copy", "-frames:v", "1", "-frames:a", "1", "-f", "framecrc", "pipe:1"),
    )
    # First lines such as "#tb 0: 1/12800", then one for each packet: stream, dts, pts, ...
    bases: dict[str, Fraction] = {}
    for line in found.stdout.decode(errors="replace").splitlines():
        words = line.replace(",", " ").split()
        if line.startswith("#tb "):
            bases[words[1].rstrip(":")] = Fraction(words[2])
        elif words and words[0] == "0" and found.returncode == 0:
            return _Streams(max(0.0, float(int(words[2]) * bases["0"])))
    return None


def _input(source: Path) -> tuple[str, ...]:
    """Returns the arguments of an input that may be hostile: it can name no other file or address."""
    path = source.absolute()
    return ("-protocol_whitelist", "file", "-f", find_demuxer(source), "-i", f"file:{path}")


def _run(*command: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
