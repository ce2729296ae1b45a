"""Videos among the images of a job."""

import csv
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import cv2
import pytest
from job_program import Brightness, run_job
from photographs import files_below, write_image, write_video

from fcn.data.image_io import Pixels
from fcn.errors import DataError, OutputError
from fcn.inference.engines.engine import Labeled
from fcn.jobs.store import STORE_NAME, JobStore


def frames_of(path: Path) -> int:
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    count = 0
    while video.read()[0]:
        count += 1
    video.release()
    return count


def rows(output: Path, columns: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(output / STORE_NAME)) as connection:
        return connection.execute(f"SELECT {columns} FROM images ORDER BY place").fetchall()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_image(tmp_path / "in" / "a.jpg")
    write_video(tmp_path / "in" / "a.mp4", 7)
    write_video(tmp_path / "in" / "sub" / "b.AVI", 5, "MJPG")
    return tmp_path / "in"


def test_videos_are_labeled_once_and_again_when_they_change(folder: Path, tmp_path: Path) -> None:
    output, engine = tmp_path / "out", Brightness()
    single = write_video(tmp_path / "c.mov", 3)
    result = run_job(output, folder, single, batch_size=2, kinds=("palette", "areas"), engine=engine)
    assert (result.written, result.labeled, result.failed) == (4, 4, ())
    assert sorted(files_below(output)) == [
        *("a.overlay.mp4", "a.png", "areas.csv", "c.overlay.mp4", "sub/b.overlay.mp4")
    ]
    counts = [frames_of(output / f"{name}.overlay.mp4") for name in ("a", "sub/b", "c")]
    assert counts == [7, 5, 3]
    assert engine.batches[0] == (1, 24, 32, 3)  # images come first
    assert sorted(size[0] for size in engine.batches[1:]) == [1, 1, 1, *[2] * 6]
    assert [*rows(output, "status, error, seconds > 0")] == [("done", None, 1)] * 4
    with (output / "areas.csv").open(newline="") as file:
        assert [Path(row["path"]).name for row in csv.DictReader(file)] == ["a.jpg"]
    assert run_job(output, folder, single, kinds=("palette", "areas")).written == 0
    write_video(folder / "a.mp4", 9)
    (output / "c.overlay.mp4").unlink()
    assert run_job(output, folder, single, kinds=("palette", "areas")).written == 2
    assert frames_of(output / "a.overlay.mp4") == 9


def test_bad_videos_are_recorded_and_the_job_goes_on(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mkv").write_text("no video")
    (folder / "photograph.mp4").write_bytes((folder / "a.jpg").read_bytes())
    write_video(folder / "long.avi", 20, "MJPG")
    data = (folder / "long.avi").read_bytes()
    (folder / "long.avi").write_bytes(data[: len(data) * 6 // 10])
    os.symlink("nowhere.mp4", folder / "lost.mp4")
    too_long = write_video(folder / f"{'x' * 248}.mp4", 2)
    result = run_job(output, folder)
    assert result.labeled == 3
    reasons = {Path(path).name: reason for path, reason in result.failed}
    assert {*reasons} == {"empty.mp4", "text.mkv", "photograph.mp4", "long.avi", "lost.mp4", too_long.name}
    assert reasons["empty.mp4"].startswith("is empty (0 bytes)")
    assert "of 20 frames could be decoded" in reasons["long.avi"]
    assert "Rename" in reasons[too_long.name]
    assert "Check the path" in reasons["lost.mp4"]
    # What there is of a video that ends early is kept.
    assert {name for name in files_below(output) if name.endswith(".mp4")} == {
        *("a.overlay.mp4", "sub/b.overlay.mp4", "long.overlay.mp4")
    }
    again = run_job(output, folder)
    assert (again.written, len(again.failed)) == (0, 6)


def test_a_video_is_in_hand_alone_and_what_came_before_is_kept(folder: Path, tmp_path: Path) -> None:
    class Stops(Brightness):
        def label(self, images: Pixels) -> Labeled:
            if images.shape[1:3] == (48, 64):
                store = JobStore(tmp_path / "out")
                assert (store.count("done"), store.count("doing")) == (10, 1)
                store.close()
                raise KeyboardInterrupt
            return super().label(images)

    for number in range(9):
        write_image(folder / f"{number}.png")
    with pytest.raises(KeyboardInterrupt):
        run_job(tmp_path / "out", folder, engine=Stops())
    assert not [name for name in files_below(tmp_path / "out") if ".mp4" in name]
    assert run_job(tmp_path / "out", folder).written == 2


def test_a_video_that_cannot_be_written_stops_the_job(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").write_text("a file where a folder is needed")
    with pytest.raises((OutputError, DataError), match="sub"):
        run_job(tmp_path / "out", folder)


def test_what_else_is_named_is_told_what_is_expected(folder: Path, tmp_path: Path) -> None:
    (folder / "a.pdf").write_bytes(b"%PDF-1.7")
    result = run_job(tmp_path / "out", folder / "a.pdf", folder / "a.mp4")
    assert "or MP4, MOV, AVI, MKV or WebM videos" in result.failed[0][1]


def test_a_video_whose_name_is_not_utf8_fails_and_others_are_labeled(folder: Path, tmp_path: Path) -> None:
    (folder / "a.mp4").rename(folder / "a \udcff.mp4")
    result = run_job(tmp_path / "out", folder)
    assert (result.labeled, result.videos) == (2, 1)
    [(path, reason)] = result.failed
    assert Path(path).name == "a \udcff.mp4"
    assert "has a name that is not valid UTF-8" in reason


def test_a_folder_for_videos_whose_name_is_not_utf8_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="has a name that is not valid UTF-8"):
        run_job(tmp_path / "out \udcff", folder)
