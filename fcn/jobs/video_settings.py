"""The settings of a job that are about its videos."""

import json
from typing import NamedTuple

from fcn.inference.video import VideoOptions
from fcn.jobs.integrity import damaged
from fcn.jobs.settings import Setting, Settings
from fcn.jobs.store import JobStore
from fcn.jobs.video_files import FRAME_SUFFIXES, OVERLAY_SUFFIXES

EVERY, SMOOTH = "every", "smooth"
"""Settings: one in so many frames is labeled; the weight of the frames before."""

_FORM = "videos"
_MP4_ALONE = Setting("mp4", "MP4 files alone")
_NAMES = (EVERY, SMOOTH, _FORM)
_BY_FRAME = Setting("by frame", "MP4 or WebM files, and labels of frames")


class VideoSettings(NamedTuple):
    """How a job labels videos.

    Attributes:
        options: Options of each.
        by_frame: Whether labels of frames are written, and videos of overlays may be WebM. A job that was
            started before there were any goes on with MP4 files alone.
    """

    options: VideoOptions
    by_frame: bool

    def suffixes(self) -> tuple[str, ...]:
        """Returns the endings that outputs of videos may have."""
        return (*OVERLAY_SUFFIXES, *FRAME_SUFFIXES) if self.by_frame else OVERLAY_SUFFIXES[:1]


PLAIN_VIDEOS = VideoSettings(VideoOptions(), by_frame=True)
"""The settings of a new job without options for videos."""


def has_videos(store: JobStore) -> bool:
    """Returns whether a job has written videos, which those of later have to match."""
    query = "SELECT EXISTS (SELECT 1 FROM images WHERE kind = 'video' AND coalesce(files, '{}') <> '{}')"
    with store.guarded():
        return bool(store.connection.execute(query).fetchone()[0])


def describe_options(options: VideoOptions) -> dict[str, str]:
    """Returns options of videos as settings of a job."""
    return {EVERY: str(options.every), SMOOTH: f"{options.smoothing:g}"}


def with_video_settings(store: JobStore, settings: Settings) -> Settings:
    """Returns the settings of a job with those of its videos: where none are asked for, those that it has.

    A job that an earlier version started gets those that its videos have had. While no video is labeled and
    no other process works on the job, they may change. Call it in a transaction, before other settings are
    written.

    Args:
        store: The store of the job.
        settings: What was asked for.
    """
    known = store.settings()
    defaults = describe_options(VideoOptions())
    if known and _FORM not in known:
        earlier = {name: json.dumps([value, value]) for name, value in defaults.items()}
        store.keep_settings({**earlier, _FORM: json.dumps(_MP4_ALONE)})
    kept = {name: Setting(*json.loads(text)) for name, text in store.settings().items() if name in _NAMES}
    if not has_videos(store) and _works_alone(store):
        asked = {name: text for name, text in settings.items() if name in kept and isinstance(text, str)}
        store.keep_settings({name: json.dumps([text, text]) for name, text in asked.items()})
    return {**defaults, _FORM: _BY_FRAME, **kept, **settings}


def _works_alone(store: JobStore) -> bool:
    with store.guarded():
        return bool(store.connection.execute("SELECT count(*) < 2 FROM workers").fetchone()[0])


def read_video_settings(store: JobStore) -> VideoSettings:
    """Returns how a job labels videos.

    Raises:
        OutputError: If a setting is damaged.
    """
    known = {name: json.loads(text)[0] for name, text in store.settings().items() if name in _NAMES}
    every, smooth = known.get(EVERY, "1"), known.get(SMOOTH, "0")
    try:
        options = VideoOptions(int(every), float(smooth))
    except ValueError as error:
        raise damaged(store.path, f"{EVERY} is {every!r} and {SMOOTH} is {smooth!r}") from error
    if options.every < 1 or not 0 <= options.smoothing < 1:
        raise damaged(store.path, f"{EVERY} is {every!r} and {SMOOTH} is {smooth!r}")
    return VideoSettings(options, known.get(_FORM) == _BY_FRAME.value)
