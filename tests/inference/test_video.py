"""Tests of labeling videos, with videos that OpenCV writes and an engine that looks at brightness."""

import resource
from pathlib import Path

import numpy as np
import pytest
from videos import hide_ffmpeg, read_frames, rotate, write_frames

from fcn.classes import Classes
from fcn.data.image_io import Pixels
from fcn.errors import DataError, OutputError
from fcn.inference.engines.engine import Floats, Labeled
from fcn.inference.predictor import Predictor
from fcn.inference.video import LabeledVideo, VideoOptions, label_video
from fcn.inference.video_reader import VIDEO_SUFFIXES, find_demuxer
from fcn.outputs.overlay import legend_of_classes, tint
from fcn.outputs.overlay_style import OverlayStyle
from fcn.outputs.prediction import Prediction


@pytest.fixture(autouse=True)
def without_ffmpeg(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_ffmpeg(tmp_path_factory.mktemp("path"), monkeypatch)


class BrightnessEngine:
    """Says 1 where a pixel is light and 0 where it is dark."""

    classes = Classes(("background", "light"), ((0, 0, 0), (255, 0, 0)))
    name = "brightness"
    precision = "float32"
    bits = 16

    def __init__(self) -> None:
        self.batches: list[int] = []

    def label(self, images: Pixels) -> Labeled:
        self.batches.append(len(images))
        label = (images.mean(axis=-1) > 127).astype(np.uint8)
        return Labeled(label, np.ones(label.shape, np.float32))

    def logits(self, images: Pixels) -> Floats:
        raise NotImplementedError


def frame(index: int, height: int = 48, width: int = 64) -> Pixels:
    """A dark frame with a light bar, three pixels further down in each."""
    pixels = np.full((height, width, 3), 20, np.uint8)
    top = 3 * index % (height - 10)
    pixels[top : top + 10] = 230
    return pixels


def write_video(path: Path, count: int, height: int = 48, width: int = 64, rate: float = 12.5) -> Path:
    return write_frames(path, [frame(index, height, width) for index in range(count)], rate)


def predictor() -> Predictor:
    return Predictor.from_engine(BrightnessEngine())


class Labels(list[tuple[int, Pixels]]):
    """Collects the labels of frames."""

    def add(self, index: int, prediction: Prediction) -> None:
        self.append((index, prediction.label))


@pytest.mark.parametrize("target_suffix", [".webm", ".mp4"])
@pytest.mark.parametrize("suffix", sorted(VIDEO_SUFFIXES))
def test_each_frame_is_labeled_in_order(suffix: str, target_suffix: str, tmp_path: Path) -> None:
    source = write_video(tmp_path / f"film{suffix}", 7)
    target, labels = tmp_path / "out" / f"film.overlay{target_suffix}", Labels()
    engine = BrightnessEngine()
    result = label_video(Predictor.from_engine(engine), source, target, 3, add_output=labels.add)
    assert result == LabeledVideo(target, 7, 7, "no ffmpeg")
    assert not result.truncated
    assert engine.batches == [3, 3, 1]
    frames, rate = read_frames(target)
    assert (len(frames), rate) == (7, 12.5)
    assert [index for index, _ in labels] == [*range(7)]
    strip = legend_of_classes(engine.classes, (48, 64))
    for (index, label), pixels in zip(labels, frames, strict=True):
        expected = (frame(index)[..., 0] > 127).astype(np.uint8)
        # Lossy: lines at a border may go either way.
        assert np.mean(label != expected) <= 4 / 48
        picture = np.concatenate([tint(frame(index), expected, engine.classes), strip])
        assert pixels.shape[0] - len(picture) in (0, 1)
        assert np.abs(pixels[: len(picture)] - picture).mean() < 12
    assert {path.name for path in target.parent.iterdir()} == {target.name}


@pytest.mark.parametrize(("every", "numbers"), [(2, [0, 2, 4, 6]), (3, [0, 3, 6]), (8, [0])])
def test_some_frames_alone_are_labeled_and_last_as_long(
    every: int, numbers: list[int], tmp_path: Path
) -> None:
    source, target = write_video(tmp_path / "film.avi", 8), tmp_path / "out.webm"
    labels = Labels()
    result = label_video(predictor(), source, target, 2, VideoOptions(every), labels.add)
    assert (result.frames, result.truncated) == (8, False)
    assert [index for index, _ in labels] == numbers
    frames, rate = read_frames(target)
    assert (len(frames), rate) == (len(numbers), pytest.approx(12.5 / every, rel=1e-3))
    for (index, label), pixels in zip(labels, frames, strict=True):
        bar = np.flatnonzero(frame(index)[:, 0, 0] > 127)
        assert np.abs(np.flatnonzero(label[:, 32])[[0, -1]] - bar[[0, -1]]).max() <= 2
        assert pixels[bar[5], 32, 0] - pixels[bar[5], 32, 1] > 60  # tinted red where the bar is then


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_frames_and_labels_are_rotated_as_players_show_them(degrees: int, tmp_path: Path) -> None:
    stored = np.full((48, 64, 3), 20, np.uint8)
    stored[:16, :32] = 230  # in the upper left, and wider than high
    source = rotate(write_frames(tmp_path / "film.mp4", [stored] * 3), degrees)
    labels = Labels()
    label_video(predictor(), source, tmp_path / "out.webm", 2, add_output=labels.add)
    shown = np.rot90(stored, -degrees // 90)
    assert {label.shape for _, label in labels} == {shown.shape[:2]}
    for _, label in labels:
        assert np.mean(label != (shown[..., 0] > 127)) < 0.03
    frames, _ = read_frames(tmp_path / "out.webm")
    reddish = (
        frames[0][: shown.shape[0], : shown.shape[1], 0] - frames[0][: shown.shape[0], : shown.shape[1], 1]
    )
    assert np.mean((reddish > 60) != (shown[..., 0] > 127)) < 0.05


@pytest.mark.parametrize("suffix", [".webm", ".mp4"])
def test_a_video_always_has_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    source, target = write_video(tmp_path / "film.avi", 5), tmp_path / f"out{suffix}"
    contents = set()
    for _ in range(3):
        label_video(predictor(), source, target, 2)
        contents.add(target.read_bytes())
    assert len(contents) == 1


def test_the_legend_is_below_and_the_size_is_even(tmp_path: Path) -> None:
    source = write_video(tmp_path / "film.avi", 3, height=50, width=66)
    label_video(predictor(), source, tmp_path / "film.overlay.webm", 1)
    strip = legend_of_classes(BrightnessEngine.classes, (50, 66))
    frames, _ = read_frames(tmp_path / "film.overlay.webm")
    height = 50 + len(strip)
    assert frames[0].shape == (height + height % 2, 66, 3)
    below = [pixels[50:] for pixels in frames]
    for pixels in below:
        assert np.abs(pixels[: len(strip)] - strip).mean() < 12


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".webm"])
def test_a_video_that_ends_early_is_labeled_as_far_as_it_goes(suffix: str, tmp_path: Path) -> None:
    source = write_video(tmp_path / f"film{suffix}", 20)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 6 // 10])
    result = label_video(predictor(), source, tmp_path / "film.overlay.webm", 4)
    assert 3 < result.frames < 20
    assert result.announced == 20
    assert result.truncated
    assert len(read_frames(result.path)[0]) == result.frames


def test_one_frame_less_than_announced_is_no_loss() -> None:
    assert not LabeledVideo(Path("a"), 19, 20).truncated
    assert LabeledVideo(Path("a"), 18, 20).truncated
    assert not LabeledVideo(Path("a"), 985, 1000).truncated
    assert not LabeledVideo(Path("a"), 5, 0).truncated


def test_an_mp4_without_its_index_is_refused(tmp_path: Path) -> None:
    source = write_video(tmp_path / "film.mp4", 20)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 6 // 10])
    with pytest.raises(DataError, match=r"film\.mp4: is truncated or cannot be decoded"):
        label_video(predictor(), source, tmp_path / "film.overlay.webm", 4)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"no video at all", "MP4, MOV, AVI, MKV or WebM expected"),
        (b"#EXTM3U\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n", "expected"),
        (b"ffconcat version 1.0\nfile other.mp4\n", "expected"),
    ],
)
def test_what_is_no_video_is_refused_unopened(content: bytes, message: str, tmp_path: Path) -> None:
    source = tmp_path / "film.mp4"
    source.write_bytes(content)
    for refuse in (
        find_demuxer,
        lambda path: label_video(predictor(), path, tmp_path / "out.webm", 1),
    ):
        with pytest.raises(DataError, match=rf"film\.mp4: .*{message}"):
            refuse(source)
    with pytest.raises(DataError, match="No such file"):
        find_demuxer(tmp_path / "missing.mp4")


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    source = write_video(tmp_path / "film.avi", 3)
    data = source.read_bytes()
    source.write_bytes(data[: data.index(b"movi") + 4])
    with pytest.raises(DataError, match=r"film\.avi: "):
        label_video(predictor(), source, tmp_path / "out.webm", 1)
    assert list(tmp_path.iterdir()) == [source]


def test_a_place_that_cannot_be_written_to_is_an_output_error(tmp_path: Path) -> None:
    source = write_video(tmp_path / "film.mp4", 2)
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="taken"):
        label_video(predictor(), source, tmp_path / "taken" / "film.mp4", 1)
    assert {path.name for path in tmp_path.iterdir()} == {"film.mp4", "taken"}


def test_a_batch_holds_a_frame_at_least(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        label_video(predictor(), tmp_path / "film.mp4", tmp_path / "out.webm", 0)
    with pytest.raises(ValueError, match=r"\.mp4 or \.webm"):
        label_video(predictor(), tmp_path / "film.mp4", tmp_path / "out.avi", 1)
    with pytest.raises(ValueError, match="every"):
        label_video(predictor(), tmp_path / "film.mp4", tmp_path / "out.webm", 1, VideoOptions(0))


def test_an_interrupted_job_leaves_what_was_there(tmp_path: Path) -> None:
    source, target = write_video(tmp_path / "film.mp4", 12), tmp_path / "out.webm"
    target.write_bytes(b"an earlier one")
    engine = BrightnessEngine()

    def stop(images: Pixels) -> Labeled:
        if len(engine.batches) == 2:
            raise KeyboardInterrupt
        return BrightnessEngine.label(engine, images)

    engine.label = stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        label_video(Predictor.from_engine(engine), source, target, 2)
    assert target.read_bytes() == b"an earlier one"
    assert {path.name for path in tmp_path.iterdir()} == {"film.mp4", "out.webm"}


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    height, width = 240, 320
    short = write_video(tmp_path / "short.mp4", 12, height, width)
    long = write_video(tmp_path / "long.mp4", 240, height, width)
    label_video(predictor(), short, tmp_path / "out.webm", 2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    label_video(predictor(), long, tmp_path / "out.webm", 2)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    # All frames together are 55 MB.
    assert grown < 240 * height * width * 3 / 3


def test_a_disk_that_fills_up_is_an_output_error(tmp_path: Path) -> None:
    source = write_video(tmp_path / "film.mp4", 40)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
    try:
        with pytest.raises(OutputError, match=r"out\.webm: .* of 40 frames were written"):
            label_video(predictor(), source, tmp_path / "out.webm", 8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == [source]


def test_frames_and_legend_have_the_style_of_the_predictor(tmp_path: Path) -> None:
    source, target = write_video(tmp_path / "film.mp4", 2), tmp_path / "film.overlay.mp4"
    style = OverlayStyle("colors.txt", 0.9, (("light", (0, 0, 255)),))
    label_video(predictor().with_overlay_style(style), source, target, 2)
    frames, _ = read_frames(target)
    expected = (frame(0)[..., 0] > 127).astype(np.uint8)
    classes = BrightnessEngine.classes
    drawn = tint(frame(0), expected, classes, style)
    assert np.abs(frames[0][:48] - drawn).mean() < 12
    assert np.abs(drawn.astype(int) - tint(frame(0), expected, classes)).mean() > 24
    strip = legend_of_classes(classes, (48, 64), style)
    assert np.abs(frames[0][48:][: len(strip)] - strip).mean() < 12
