"""A browser plays the videos that are written, to the end and in the right colors."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from job_program import Brightness
from page_browser import open_browser
from videos import ffmpeg, hide_ffmpeg, needs_ffmpeg, write_frames

from fcn.inference.predictor import Predictor
from fcn.inference.video import label_video
from fcn.outputs.overlay import tint

pytestmark = pytest.mark.slow

PLAY = """
const bytes = Uint8Array.from(atob(given[0]), (letter) => letter.charCodeAt(0));
const video = document.createElement("video");
video.muted = true;
const happens = (name) => new Promise((resolve, reject) => {
  video.addEventListener(name, resolve, { once: true });
  video.addEventListener("error", () => reject(video.error.message), { once: true });
});
const loaded = happens("loadeddata");
video.src = URL.createObjectURL(new Blob([bytes], { type: given[1] }));
await loaded;
const canvas = document.createElement("canvas");
[canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
const context = canvas.getContext("2d");
const colors = [];
for (const [time, expected] of given[2]) {
  const seeked = happens("seeked");
  video.currentTime = time;
  await seeked;
  let color;
  for (let waited = 0; waited < 100; waited += 1) {  // a slow machine shows the frame some time later
    context.drawImage(video, 0, 0);
    color = [...context.getImageData(32, 24, 1, 1).data].slice(0, 3);
    if (color.every((value, channel) => Math.abs(value - expected[channel]) < 16)) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  colors.push(color);
}
const ended = happens("ended");
video.currentTime = 0;
await video.play();
await ended;
const decoded = new OfflineAudioContext(1, 1, 8000).decodeAudioData(bytes.buffer);
const sound = await decoded.then((found) => found.duration, () => 0);
return { colors, duration: video.duration, sound };
"""
TIMES = [0.05, 0.55, 0.95]
LEVELS = [20, 120, 230]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with open_browser(tmp_path_factory.mktemp("downloads")) as page:
        page.driver.get("about:blank")
        yield page


def expected_colors() -> list[list[int]]:
    colors = []
    for level in LEVELS:
        pixels = np.full((48, 64, 3), level, np.uint8)
        colors.append(tint(pixels, pixels[..., 0] // 86, Brightness.classes)[24, 32].tolist())
    return colors


def play(browser: Any, path: Path) -> Any:
    kind = {".webm": "video/webm", ".mp4": "video/mp4"}[path.suffix]
    times = [*zip(TIMES, expected_colors(), strict=True)]
    return browser.run(PLAY, base64.b64encode(path.read_bytes()).decode(), kind, times)


def write_steps(path: Path) -> Path:
    """Writes a second of three colors."""
    levels = np.repeat(LEVELS, 4)[:10].tolist()
    return write_frames(path, [np.full((48, 64, 3), level, np.uint8) for level in levels], 10)


def check(found: Any) -> None:
    assert found["duration"] == pytest.approx(1, abs=0.06)
    # Lossy, and browsers differ in how they turn colors of old videos without a form of color into RGB.
    assert np.abs(np.subtract(found["colors"], expected_colors())).max() < 16


@pytest.mark.parametrize("suffix", [".webm", ".mp4"])
def test_vp9_is_played(suffix: str, browser: Any, tmp_path: Path, monkeypatch) -> None:
    with monkeypatch.context() as patched:
        hide_ffmpeg(tmp_path, patched)
        source = write_steps(tmp_path / "film.avi")
        label_video(Predictor.from_engine(Brightness()), source, tmp_path / f"out{suffix}", 4)
    found = play(browser, tmp_path / f"out{suffix}")
    check(found)
    assert found["sound"] == 0


@needs_ffmpeg
def test_h264_with_sound_is_played(browser: Any, tmp_path: Path) -> None:
    silent, source = write_steps(tmp_path / "silent.mp4"), tmp_path / "film.mp4"
    ffmpeg(*("-i", silent, "-f", "lavfi", "-i", "sine=duration=1", "-c:v", "copy", "-c:a", "aac", source))
    label_video(Predictor.from_engine(Brightness()), source, tmp_path / "out.mp4", 4)
    found = play(browser, tmp_path / "out.mp4")
    check(found)
    assert found["sound"] == pytest.approx(1, abs=0.06)


def test_mpeg4_as_before_is_not_played(browser: Any, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no supported streams"):
        play(browser, write_steps(tmp_path / "film.mp4"))
