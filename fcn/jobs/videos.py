"""Labels the videos of a job."""

import os
from collections.abc import Sequence
from pathlib import Path

from fcn.errors import DataError, OutputError, RunError
from fcn.inference.predictor import Predictor
from fcn.inference.video import LabeledVideo, label_video
from fcn.inference.video_writer import choose_suffix
from fcn.jobs.integrity import output_path
from fcn.jobs.store import JobStore
from fcn.jobs.task import Outcome, Task
from fcn.jobs.video_files import FRAME_SUFFIXES, OVERLAY_SUFFIXES, output_name, output_size
from fcn.jobs.video_settings import VideoSettings
from fcn.outputs.annotation_options import AnnotationOptions
from fcn.outputs.frames import frame_files
from fcn.system.files import content_hash, name_is_too_long, unreadable

_LEFT_OUT = "left_out"  # in records of videos, if there are any: a number as text, as all of their values are


class VideoLabeler:
    """Labels the videos of a job one by one.

    Args:
        predictor: The net that labels.
        output: The folder of the job.
        kinds: What the job writes, some of `OUTPUTS`.
        batch_size: Most frames that are labeled at once.
        settings: How videos are labeled.
        annotations: Options of annotations of their frames.
    """

    def __init__(
        self,
        predictor: Predictor,
        output: Path,
        kinds: Sequence[str],
        batch_size: int,
        settings: VideoSettings,
        annotations: AnnotationOptions,
    ) -> None:
        self._predictor, self._output, self._batch_size = predictor, output, batch_size
        self._kinds, self._settings = kinds if settings.by_frame else (), settings
        self._annotations = annotations

    def label(self, claimed: Task) -> Outcome:
        """Labels a video; an error is an outcome, not an exception, so that the job continues.

        A video that ends early has failed; its outputs, up to there, are kept.

        Args:
            claimed: The video.

        Raises:
            OutputError: If the folder cannot be written to, the disk is full or the name leads out of it.
        """
        source, outcome = (
            Path(claimed.place),
            Outcome(claimed.id, files=claimed.files if claimed.hash else {}),
        )
        try:
            status = os.stat(source)
            outcome = outcome._replace(size=status.st_size, changed=status.st_mtime_ns)
            outcome = outcome._replace(hash=content_hash([source]))
            if outcome.hash != claimed.hash:
                outcome = outcome._replace(files={})
            kept = self._kept_overlay(claimed) if outcome.hash == claimed.hash else None
            labeled, files, left_out = self._write(source, claimed.name, kept)
        except OSError as error:
            return outcome._replace(error=unreadable(error))
        except (DataError, RunError) as error:
            return outcome._replace(error=str(error).removeprefix(f"{source}: "))
        except MemoryError:
            reason = (
                "there was not enough memory for its frames. Lower --batch-size or give the process more "
                "memory, "
            )
            return outcome._replace(error=f"{reason}then add --retry-failed.")
        except OutputError as error:
            if not name_is_too_long(error):
                raise
            reason = "cannot be labeled: the name of its output would be too long. Rename the video."
            return outcome._replace(error=reason)
        if labeled.truncated:
            reason = (
                f"ends early: {labeled.frames} of {labeled.announced} frames could be decoded; they are in "
                f"{Path(claimed.name).name}{next(iter(files))}. Replace the file or remove it."
            )
            return outcome._replace(error=reason, files=files)
        # The sound of a video that was there is not known here.
        record: dict[str, str] = {} if labeled.path is None else {"sound": labeled.sound}
        record |= {_LEFT_OUT: str(left_out)} if left_out else {}
        return outcome._replace(files=files, record=record)

    def _kept_overlay(self, claimed: Task) -> str | None:
        """Returns the suffix of the video of overlays that an unchanged video has; None if it has none."""
        for suffix in OVERLAY_SUFFIXES:
            path = output_path(self._output, f"{claimed.name}{suffix}")
            if suffix in claimed.files and path.is_file() and output_size(path) == claimed.files[suffix]:
                return suffix
        return None

    def _write(self, source: Path, name: str, kept: str | None) -> tuple[LabeledVideo, dict[str, int], int]:
        """Writes all outputs of a video, but its overlays where `kept` is the suffix of those that it has.

        Returns:
            The video; the sizes of its outputs by suffix, that of the overlays first; and how many regions
            annotations of its frames leave out.
        """
        chosen = kept or (choose_suffix() if self._settings.by_frame else OVERLAY_SUFFIXES[0])
        target = output_path(self._output, f"{name}{chosen}")
        about_frames = {
            suffix: output_path(self._output, output_name(name, suffix)) for suffix in FRAME_SUFFIXES
        }
        classes, options = self._predictor.classes, self._annotations
        with frame_files(self._kinds, classes, options, *about_frames.values()) as (add, written):
            drawn = None if kept else target
            labeled = label_video(
                self._predictor, source, drawn, self._batch_size, self._settings.options, add
            )
        for suffix in {*self._settings.suffixes()} & {*OVERLAY_SUFFIXES} - {chosen}:
            # Of an earlier labeling, with or without ffmpeg.
            _remove_file(output_path(self._output, f"{name}{suffix}"))
        outputs = {chosen: target, **about_frames}
        there = (target, *written.paths)
        sizes = {suffix: output_size(path) for suffix, path in outputs.items() if path in there}
        return labeled, sizes, written.left_out


def count_left_out(store: JobStore) -> int:
    """Returns how many regions the annotations of the frames of a job's videos leave out.

    Raises:
        OutputError: If the store cannot be read.
    """
    query = (
        f"SELECT coalesce(sum(json_extract(record, '$.{_LEFT_OUT}')), 0) FROM images "
        "WHERE kind = 'video' AND status = 'done' AND NOT gone"
    )
    with store.guarded():
        return int(store.connection.execute(query).fetchone()[0])


def _remove_file(path: Path) -> None:
    if path.is_file():
        path.unlink()
