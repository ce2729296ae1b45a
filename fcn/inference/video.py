"""Labels videos: frames in, a video of overlays out, and the label of each frame to whoever wants it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from fcn.data.image_io import Pixels
from fcn.inference.engines.engine import BATCH_PIXELS
from fcn.inference.predictor import Predictor
from fcn.inference.smoothing import Smoother
from fcn.inference.video_reader import FrameReader, measure_timing, open_video
from fcn.inference.video_writer import TARGET_SUFFIXES, Sound, open_writer
from fcn.outputs.overlay import legend_of_classes, tint
from fcn.outputs.prediction import Prediction
from fcn.outputs.probabilities import mixed_confidence, softmax
from fcn.outputs.uncertainty import uncertainty_of
from fcn.system.files import atomic_path
from fcn.system.parallel import map_ahead
from fcn.system.progress import track

FrameOutput = Callable[[int, Prediction], None]
"""Called with the number of each labeled frame, from 0 and in order, and its prediction."""


# Scores of a batch whose probabilities are averaged, 256 MB.
_MOST_SCORES = 1 << 26


class LabeledVideo(NamedTuple):
    """A labeled video.

    Attributes:
        path: The video of overlays; None if none was written.
        frames: Number of frames that were decoded.
        announced: Number of frames by the file's header, often estimated from its length in seconds and its
            frame rate; 0 if unknown.
        sound: Whether it has the sound of its source.
    """

    path: Path | None
    frames: int
    announced: int
    sound: Sound = "none"

    @property
    def truncated(self) -> bool:
        """Whether more than 2% and more than one of the frames are missing, so the file has lost its end."""
        return self.announced - self.frames > max(1, 0.02 * self.announced)


class VideoOptions(NamedTuple):
    """Options of labeling videos.

    Attributes:
        every: One in so many frames is labeled, from the first; the others are left out.
        smoothing: Weight of the frames before, as of `Smoother`; 0 to label each frame by itself.
    """

    every: int = 1
    smoothing: float = 0.0


PLAIN_VIDEO = VideoOptions()
"""Every frame, by itself."""


class _Frames(NamedTuple):
    predictions: list[Prediction]
    first: int


def label_video(
    predictor: Predictor,
    source: Path,
    target: Path | None,
    batch_size: int,
    options: VideoOptions = PLAIN_VIDEO,
    add_output: FrameOutput | None = None,
) -> LabeledVideo:
    """Labels the frames of a video in order, and writes a video of overlays with the same size and length.

    Below each frame is the same legend of all classes. Frames and labels are rotated as players show them.
    Odd sizes are made even by repeating the last row or column. A video that ends early is labeled up to
    there (`LabeledVideo.truncated`). If the frame rate varies, its mean is written. Memory does not grow with
    the length.

    With an ffmpeg program, an MP4 file is H.264 with the sound of the source. Other files are VP9 without
    sound.

    Args:
        predictor: The net that labels.
        source: An MP4, MOV, AVI, MKV or WebM file.
        target: The MP4 or WebM file to write; it appears in one piece when all is done. None to write none.
        batch_size: Most frames to label at once; fewer if they are large.
        options: Which frames are labeled, and how.
        add_output: Called with each labeled frame, in another thread.

    Raises:
        DataError: If the video cannot be read, decoded or encoded.
        OutputError: If `target` cannot be written to or the disk is full.
        ValueError: If `batch_size` or a value of `options` is out of its range, or `target` is another file.
    """
    if target is not None and target.suffix not in TARGET_SUFFIXES:
        raise ValueError(f"Expected a `target` that ends in .mp4 or .webm. Received: {target}.")
    if batch_size < 1 or options.every < 1:
        raise ValueError(f"Expected `batch_size` and `every` >= 1. Received: {batch_size} and {options}.")
    smoother = Smoother(options.smoothing)
    with open_video(source) as video, ExitStack() as stack:
        timing = measure_timing(source, video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_COUNT))
        reader = FrameReader(video, source, options.every)
        size = reader.first.shape[:2]
        batch_size = max(1, min(batch_size, BATCH_PIXELS // (size[0] * size[1])))
        if options.smoothing:
            scores = size[0] * size[1] * len(predictor.classes.names)
            batch_size = max(1, min(batch_size, _MOST_SCORES // scores))
        strip = legend_of_classes(predictor.classes, size, predictor.overlay_style)
        height, width = _add_legend(reader.first, strip).shape[:2]
        rate = timing.rate / options.every

        def label_all() -> Iterator[_Frames]:
            start = 0
            expected = -(-timing.announced // options.every)
            shown = track(iter(reader), f"labeling {source.name}", expected or None, lines=True)
            while batch := list(islice(shown, batch_size)):
                predictions = (
                    _predict_smoothly(predictor, batch, smoother)
                    if options.smoothing
                    else predictor.predict_batch(batch)
                )
                yield _Frames(predictions, start)
                start += len(batch)

        writer = None
        if target is not None:
            temporary = stack.enter_context(atomic_path(target))
            writer = stack.enter_context(open_writer(temporary, source, target, rate, (height, width)))

        def write(done: _Frames) -> None:
            for index, frame in enumerate(done.predictions, done.first):
                if writer is not None:
                    picture = tint(frame.image, frame.label, frame.classes, frame.style)
                    writer.write(_add_legend(picture, strip))
                if add_output is not None:
                    add_output(index * options.every, frame)

        # One thread, because frames have an order; the net continues while it draws and encodes.
        for _ in map_ahead(write, label_all(), workers=1, ahead=2):
            pass
        sound: Sound = "none" if writer is None else writer.finish(rate)
    return LabeledVideo(target, reader.decoded, timing.announced, sound)


def _predict_smoothly(predictor: Predictor, frames: list[Pixels], smoother: Smoother) -> list[Prediction]:
    """Labels frames by the probabilities that the frames before share in."""
    predictions = []
    for given in predictor.predict_batch(frames, with_logits=True):
        # As the net gives them, without temperatures, which are for the confidence of the average.
        probabilities = smoother.smooth(given.image, softmax(given.scores()))
        label = probabilities.argmax(axis=-1).astype(np.uint8)
        highest = mixed_confidence(probabilities, predictor.temperatures)
        labeled, uncertainty = (label, float(highest.mean(dtype=np.float64))), uncertainty_of(highest)
        predictions.append(
            Prediction(given.image, given.classes, labeled, style=given.style, uncertainty=uncertainty)
        )
    return predictions


def _add_legend(picture: Pixels, strip: Pixels) -> Pixels:
    joined = np.concatenate([picture, strip])
    height, width = joined.shape[:2]
    return np.pad(joined, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
