"""What `fcn infer` prints at the end: what was written, and what could not be labeled."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fcn.errors import DataError, PartialError
from fcn.system.text import counted, print_json, print_lines

if TYPE_CHECKING:
    from fcn.jobs.result import LabelingResult

_SHOWN_FAILURES = 50
_SHOWN_VIDEOS = 20
# Names of the most common outputs in messages; others go by their own names.
_KINDS = {("palette",): "labels", ("overlay",): "overlays", ("palette", "overlay"): "labels and overlays"}
_WHY_SILENT = {
    "no ffmpeg": "Any sound was left out, since there is no ffmpeg program with libx264 and aac on the PATH.",
    "not decoded": "Sound was left out of {videos}, since ffmpeg could not decode it.",
}


def print_result(result: "LabelingResult", kinds: tuple[str, ...], as_document: bool) -> None:
    """Prints the result.

    Args:
        result: The result.
        kinds: What was to be written of each image.
        as_document: Whether it is printed as JSON.

    Raises:
        DataError: If nothing could be labeled.
        PartialError: If something could not be labeled.
    """
    if as_document:
        failed = [{"path": str(path), "reason": reason} for path, reason in result.failed]
        document = {"written": result.written, "labeled": result.labeled, "failed": failed}
        videos = [{"files": video.files, "sound": video.sound} for video in result.new_videos]
        print_json(document | {"videos": videos, "output": str(result.output)})
    elif lines := list(_describe(result, _KINDS.get(kinds, f"{', '.join(kinds)}"))):
        print_lines(*lines)
    if result.failed:
        lines = [f"  {_shown(path)}: {reason}" for path, reason in result.failed[:_SHOWN_FAILURES]]
        more = len(result.failed) - len(lines)
        lines += [f"  and {more} more; --json lists them all"] if more else []
        kind_of_error = PartialError if result.labeled else DataError
        raise kind_of_error(
            f"{len(result.failed)} {'file' if len(result.failed) == 1 else 'files'} could not be labeled:",
            *lines,
            "Replace what is damaged and run the same command again, or try all of them again with "
            "--retry-failed.",
        )


def _describe(result: "LabelingResult", kind: str) -> Iterator[str]:
    """Yields lines about what was written."""
    output, videos = f"{_shown(result.output)}/", result.new_videos
    images = result.written - len(videos)
    before = _describe_earlier(result.labeled - result.videos - images, result.videos - len(videos))
    if images:
        yield f"Wrote {kind} of {_count(images)} to {output}.{before and f' {before}'}"
        before = ""
    if videos:
        yield f"Wrote {counted(len(videos), 'labeled video')} to {output}:{before and f' ({before})'}"
        yield from (f"  {', '.join(map(_shown, video.files))}" for video in videos[:_SHOWN_VIDEOS])
        if len(videos) > _SHOWN_VIDEOS:
            yield f"  and {len(videos) - _SHOWN_VIDEOS} more; --json lists them all"
        for sound, reason in _WHY_SILENT.items():
            silent = [video.files[0] for video in videos if video.sound == sound]
            if silent:
                yield reason.format(videos=_shown(silent[0]) if len(silent) == 1 else f"{len(silent)} videos")
    if not images and not videos and result.labeled:
        images = result.labeled - result.videos
        labeled = [f"{kind} of {_all_of(_count(images))}"] if images else []
        labeled += [_all_of(counted(result.videos, "labeled video"))] if result.videos else []
        yield f"Nothing to do: {output} has {' and '.join(labeled)}."


def _describe_earlier(images: int, videos: int) -> str:
    """Returns a sentence about what was labeled before; an empty one if nothing was.

    Example:
        >>> _describe_earlier(2, 1), _describe_earlier(0, 1)
        ('2 images and 1 video were labeled already.', '1 video was labeled already.')
    """
    counts = [_count(images)] if images > 0 else []
    counts += [counted(videos, "video")] if videos > 0 else []
    were = "was" if len(counts) == 1 and counts[0].startswith("1 ") else "were"
    return f"{' and '.join(counts)} {were} labeled already." if counts else ""


def _all_of(counted_things: str) -> str:
    return counted_things if counted_things.startswith("1 ") else f"all {counted_things}"


def _count(number: int) -> str:
    return "1 image" if number == 1 else f"{number} images"


def _shown(path: Path | str) -> str:
    """Returns a path, in quotes if something in it must be escaped."""
    text = str(path)
    return text if text.isprintable() else ascii(text)
