"""The result of labeling files and folders."""

from pathlib import Path
from typing import NamedTuple

from fcn.jobs.video_files import VideoFile


class LabelingResult(NamedTuple):
    """The result of labeling files and folders.

    Attributes:
        written: Number of images and videos that this process labeled in this call.
        failed: Paths or URLs that could not be labeled, now or before, each with the reason; the reason does
            not repeat the path.
        output: The folder with the labels.
        labeled: Number of images and videos with labels in the folder, including those of other processes and
            earlier calls.
        videos: How many of these are videos.
        new_videos: The videos among those of `written`.
    """

    written: int
    failed: tuple[tuple[Path | str, str], ...]
    output: Path
    labeled: int
    videos: int = 0
    new_videos: tuple[VideoFile, ...] = ()
