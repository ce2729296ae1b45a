"""Names of the outputs of videos, and what a job knows about them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

VIDEO_MARK = ".overlay"
"""Ends the name of each video in a store; a video has the same stem as an image without a clash."""

OVERLAY_SUFFIXES = (".mp4", ".webm")
"""Endings of videos of overlays, after their names."""

FRAMES, FRAME_AREAS, FRAME_COCO = ".frames", ".areas.csv", ".coco.json"
"""Endings of the outputs about the frames of a video, after its name without the mark."""

FRAME_SUFFIXES = (FRAMES, FRAME_AREAS, FRAME_COCO)


class VideoFile(NamedTuple):
    """A labeled video of a job.

    Attributes:
        files: Its outputs, relative to the output folder: the video of overlays first, a folder with a slash.
        sound: Whether that has the sound of its source, as `fcn.inference.video_writer.Sound`.
    """

    files: tuple[str, ...]
    sound: str


def output_name(name: str, suffix: str) -> str:
    """Returns the name of an output of an image or a video, relative to the output folder.

    Args:
        name: The name in the store.
        suffix: The ending, as the store lists it.

    Example:
        >>> output_name("sub/a.overlay", ".mp4"), output_name("sub/a.overlay", ".frames")
        ('sub/a.overlay.mp4', 'sub/a.frames')
    """
    return f"{name.removesuffix(VIDEO_MARK) if suffix in FRAME_SUFFIXES else name}{suffix}"


def output_size(path: Path) -> int:
    """Returns the size of an output: of a file in bytes, of a folder in entries.

    Raises:
        OSError: If it is not there.
    """
    status = os.stat(path)
    return len(os.listdir(path)) if path.is_dir() else status.st_size


def describe_video(name: str, files: Mapping[str, Any], record: Mapping[str, Any]) -> VideoFile:
    """Returns what a job tells of a labeled video.

    Args:
        name: Its name in the store.
        files: Sizes of its outputs, by suffix.
        record: Its record.

    Example:
        >>> describe_video("a.overlay", {".webm": 9, ".frames": 2}, {"sound": "none"}).files
        ('a.overlay.webm', 'a.frames/')
    """
    names = (f"{output_name(name, suffix)}{'/' if suffix == FRAMES else ''}" for suffix in files)
    return VideoFile(tuple(names), str(record.get("sound", "")))
