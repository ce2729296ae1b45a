"""What `fcn infer` says at the end: what it wrote, and what was there."""

from pathlib import Path

import pytest

from fcn.cli.infer_result import print_result
from fcn.jobs.result import LabelingResult
from fcn.jobs.video_files import VideoFile

FILM = VideoFile(("film.overlay.mp4",), "none")


@pytest.mark.parametrize(
    ("written", "labeled", "videos", "new", "lines"),
    [
        (2, 2, 0, (), ["Wrote labels of 2 images to out/."]),
        (2, 5, 0, (), ["Wrote labels of 2 images to out/. 3 images were labeled already."]),
        (1, 2, 1, (), ["Wrote labels of 1 image to out/. 1 video was labeled already."]),
        (1, 4, 1, (), ["Wrote labels of 1 image to out/. 2 images and 1 video were labeled already."]),
        (
            *(3, 5, 2, (FILM,)),
            [
                "Wrote labels of 2 images to out/. 1 image and 1 video were labeled already.",
                "Wrote 1 labeled video to out/:",
                "  film.overlay.mp4",
            ],
        ),
        (
            *(1, 4, 3, (FILM,)),
            [
                "Wrote 1 labeled video to out/: (1 image and 2 videos were labeled already.)",
                "  film.overlay.mp4",
            ],
        ),
        (0, 3, 1, (), ["Nothing to do: out/ has labels of all 2 images and 1 labeled video."]),
        (0, 2, 2, (), ["Nothing to do: out/ has all 2 labeled videos."]),
    ],
)
def test_images_and_videos_are_counted_apart(
    written: int,
    labeled: int,
    videos: int,
    new: tuple[VideoFile, ...],
    lines: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = LabelingResult(written, (), Path("out"), labeled, videos, new)
    print_result(result, ("palette",), as_document=False)
    assert capsys.readouterr().out.splitlines() == lines
