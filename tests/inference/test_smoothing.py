"""Probabilities that are averaged along motion: by hand, and on a video where they flicker less."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from job_program import Brightness
from videos import hide_ffmpeg, write_frames

from fcn.classes import Classes
from fcn.data.image_io import Pixels
from fcn.inference.engines.engine import Floats, Labeled
from fcn.inference.predictor import Predictor
from fcn.inference.smoothing import Smoother
from fcn.inference.video import VideoOptions, label_video
from fcn.outputs.prediction import Prediction

HEIGHT, WIDTH, FRAMES = 96, 128, 16
STEP = (2, 1)  # how far the camera moves between two frames: columns, rows


def texture(seed: int, height: int, width: int, low: int, high: int) -> Pixels:
    """Returns a surface with details of some pixels."""
    coarse = np.random.default_rng(seed).integers(low, high, (height // 5, width // 5, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def scene(index: int) -> tuple[Pixels, Pixels]:
    """Returns a frame and its label: a dark wall, past which the camera goes, and a light ball that flies."""
    wall = texture(0, 200, 300, 20, 90)
    left, top = STEP[0] * index, STEP[1] * index
    frame = wall[top : top + HEIGHT, left : left + WIDTH].copy()
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    x, y = 30 + 4 * index, 50 - index
    ball = np.hypot(rows - y, columns - x) < 18
    surface = texture(1, 300, 300, 150, 240)[100 - y : 100 - y + HEIGHT, 150 - x : 150 - x + WIDTH]
    frame[ball] = surface[ball]
    return frame, ball.astype(np.uint8)


class NoisyEngine:
    """Tells light from dark, with errors that are others in each frame."""

    classes = Classes(("wall", "ball"), ((0, 0, 0), (255, 0, 0)))
    name, precision, bits = "noisy", "float32", 16

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)

    def logits(self, images: Pixels) -> Floats:
        coarse = self._random.normal(0, 5, (len(images), HEIGHT // 6, WIDTH // 6)).astype(np.float32)
        noise = np.stack([cv2.resize(one, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) for one in coarse])
        light = cv2.blur(images.mean(axis=-1).transpose(1, 2, 0), (5, 5)).reshape(HEIGHT, WIDTH, -1)
        score = np.clip((light.transpose(2, 0, 1) - 120) / 10, -3, 3) + noise
        return np.stack([np.zeros_like(score), score], axis=-1).astype(np.float32)

    def label(self, images: Pixels) -> Labeled:
        logits = self.logits(images)
        return Labeled(logits.argmax(axis=-1).astype(np.uint8), np.ones(images.shape[:3], np.float32))


def flicker(labels: list[Pixels]) -> float:
    """Returns the share of points of the wall whose label changes from one frame to the next."""
    columns, rows = STEP
    changes = []
    for index in range(1, len(labels)):
        before, now = labels[index - 1][rows:, columns:], labels[index][:-rows, :-columns]
        wall = (scene(index - 1)[1][rows:, columns:] == 0) & (scene(index)[1][:-rows, :-columns] == 0)
        changes.append(np.mean((before != now)[wall]))
    return float(np.mean(changes))


def accuracy(labels: list[Pixels], of_ball: bool) -> float:
    found = [
        np.mean((label == scene(index)[1])[scene(index)[1] == 1 if of_ball else slice(None)])
        for index, label in enumerate(labels)
    ]
    return float(np.mean(found[4:]))


def test_a_video_flickers_less_and_what_moves_is_not_late(tmp_path: Path, monkeypatch) -> None:
    hide_ffmpeg(tmp_path, monkeypatch)
    source = write_frames(tmp_path / "film.avi", [scene(index)[0] for index in range(FRAMES)])
    results = {}
    for weight in (0.0, 0.8):
        labels: list[Pixels] = []

        def keep(index: int, prediction: Prediction, labels: list[Pixels] = labels) -> None:
            labels.append(prediction.label)

        options = VideoOptions(smoothing=weight)
        predictor = Predictor.from_engine(NoisyEngine())
        label_video(predictor, source, tmp_path / "out.webm", 4, options, keep)
        results[weight] = flicker(labels), accuracy(labels, False), accuracy(labels, True)
    (flicker_before, accuracy_before, ball_before), (flicker_after, accuracy_after, ball_after) = (
        results.values()
    )
    print(results)
    assert flicker_before > 0.2
    assert flicker_after < 0.4 * flicker_before
    assert accuracy_after > accuracy_before + 0.05
    assert ball_after > ball_before


def test_smoothed_frames_tell_what_is_doubtful(tmp_path: Path, monkeypatch) -> None:
    hide_ffmpeg(tmp_path, monkeypatch)
    source = write_frames(tmp_path / "film.avi", [scene(index)[0] for index in range(4)])
    frames: list[Prediction] = []
    predictor, options = Predictor.from_engine(NoisyEngine()), VideoOptions(smoothing=0.8)
    label_video(predictor, source, None, 4, options, lambda _, frame: frames.append(frame))
    # Nothing comes before the first frame, so its probabilities are those of the net.
    score = NoisyEngine().logits(np.stack([frame.image for frame in frames]))[0, ..., 1]
    expected = np.mean(1 / (1 + np.exp(-np.abs(score))) < 0.7)
    assert 0.05 < expected < 0.5
    assert frames[0].doubtful == pytest.approx(expected, abs=0.01)
    assert all(frame.doubtful for frame in frames)


def random_probabilities(seed: int, height: int = 40, width: int = 50, classes: int = 5) -> Floats:
    scores = np.random.default_rng(seed).random((height, width, classes)).astype(np.float32)
    return (scores / scores.sum(axis=-1, keepdims=True)).astype(np.float32)


def test_without_motion_it_is_the_exponential_average() -> None:
    frame, smoother, average = texture(0, 40, 50, 0, 255), Smoother(0.6), None
    for seed in range(4):
        probabilities = random_probabilities(seed)
        expected = probabilities if average is None else 0.4 * probabilities + 0.6 * average
        smoothed = smoother.smooth(frame, probabilities.copy())
        np.testing.assert_allclose(smoothed, expected, atol=1e-3)
        average = expected


def test_it_follows_what_moves() -> None:
    wall, everywhere = texture(0, 100, 120, 0, 255), random_probabilities(9, 100, 120, 3)
    everywhere = cv2.blur(everywhere, (9, 9))
    smoother = Smoother(0.9)
    for step in range(5):
        frame = wall[2 * step : 2 * step + 60, 3 * step : 3 * step + 80]
        smoothed = smoother.smooth(
            frame, everywhere[2 * step : 2 * step + 60, 3 * step : 3 * step + 80].copy()
        )
    # What it has averaged is the same everywhere along the way, so the average is that again.
    inner = np.s_[10:-10, 10:-10]
    assert np.abs(smoothed - everywhere[8:68, 12:92])[inner].max() < 0.02


def test_after_a_cut_a_frame_counts_alone() -> None:
    smoother = Smoother(0.9)
    smoother.smooth(np.full((40, 50, 3), 20, np.uint8), random_probabilities(0))
    after = random_probabilities(1)
    smoothed = smoother.smooth(np.full((40, 50, 3), 220, np.uint8), after.copy())
    np.testing.assert_allclose(smoothed, after, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (17, 16)])
def test_any_size_and_number_of_classes(shape: tuple[int, int]) -> None:
    smoother = Smoother(0.5)
    for seed in range(2):
        frame = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
        smoothed = smoother.smooth(frame, random_probabilities(seed, *shape, 1 + 8 * shape[0] % 7))
    np.testing.assert_allclose(smoothed.sum(axis=-1), 1, atol=1e-5)


def test_no_weight_leaves_all_as_it_is() -> None:
    smoother = Smoother(0)
    for seed in range(3):
        probabilities = random_probabilities(seed)
        np.testing.assert_array_equal(
            smoother.smooth(texture(seed, 40, 50, 0, 255), probabilities.copy()), probabilities
        )


@pytest.mark.parametrize("weight", [-0.1, 1.0, float("nan")])
def test_other_weights_are_refused(weight: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="below 1"):
        Smoother(weight)
    predictor: Any = Predictor.from_engine(Brightness())
    source = write_frames(tmp_path / "film.avi", [scene(0)[0]])
    with pytest.raises(ValueError, match="below 1"):
        label_video(predictor, source, tmp_path / "out.webm", 1, VideoOptions(smoothing=weight))
    assert [path.name for path in tmp_path.iterdir()] == ["film.avi"]
