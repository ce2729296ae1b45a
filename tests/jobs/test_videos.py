"""Videos among the images of a job."""

import csv
import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import cv2
import job_program
import numpy as np
import pytest
from job_program import Brightness, run_job
from photographs import files_below, write_image, write_video
from progress_lines import without_progress
from pycocotools.coco import COCO
from videos import hide_ffmpeg, needs_ffmpeg

from fcn.data.image_io import Pixels, read_label
from fcn.errors import DataError, OutputError
from fcn.inference.engines.engine import Labeled
from fcn.inference.predictor import Predictor
from fcn.jobs.job import open_job
from fcn.jobs.store import STORE_NAME, JobStore
from fcn.jobs.video_files import VideoFile

TESTS = Path(__file__).parents[1]


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


@pytest.fixture(autouse=True)
def without_ffmpeg(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_ffmpeg(tmp_path_factory.mktemp("path"), monkeypatch)


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
        *("a.areas.csv", "a.overlay.webm", "a.png", "areas.csv", "c.areas.csv", "c.overlay.webm"),
        *("sub/b.areas.csv", "sub/b.overlay.webm"),
    ]
    counts = [frames_of(output / f"{name}.overlay.webm") for name in ("a", "sub/b", "c")]
    assert counts == [7, 5, 3]
    assert engine.batches[0] == (1, 24, 32, 3)  # images come first
    assert sorted(size[0] for size in engine.batches[1:]) == [1, 1, 1, *[2] * 6]
    assert [*rows(output, "status, error, seconds > 0")] == [("done", None, 1)] * 4
    with (output / "areas.csv").open(newline="") as file:
        assert [Path(row["path"]).name for row in csv.DictReader(file)] == ["a.jpg"]
    assert run_job(output, folder, single, kinds=("palette", "areas")).written == 0
    write_video(folder / "a.mp4", 9)
    (output / "c.overlay.webm").unlink()
    assert run_job(output, folder, single, kinds=("palette", "areas")).written == 2
    assert frames_of(output / "a.overlay.webm") == 9


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
    assert {name for name in files_below(output) if name.endswith(".webm")} == {
        *("a.overlay.webm", "sub/b.overlay.webm", "long.overlay.webm")
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
    assert not [name for name in files_below(tmp_path / "out") if ".webm" in name]
    assert run_job(tmp_path / "out", folder).written == 2


def test_each_process_tells_what_it_has_labeled_itself(folder: Path, tmp_path: Path) -> None:
    output, others = tmp_path / "out", []

    class Slow(Brightness):
        def label(self, images: Pixels) -> Labeled:
            """Waits, with the image in hand, until another process has labeled both videos."""
            program = [sys.executable, job_program.__file__, output, "0", "1", folder]
            environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}
            others.append(
                subprocess.Popen([*map(str, program)], env=environment, stdout=subprocess.PIPE, text=True)
            )
            with closing(JobStore(output)) as store:
                while store.count("done") < 2:
                    assert others[0].poll() is None
                    time.sleep(0.1)
            return super().label(images)

    result = run_job(output, folder, engine=Slow())
    assert (result.written, result.new_videos, result.labeled, result.videos) == (1, (), 3, 2)
    assert others[0].communicate()[0] == "2 3 0\n"


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


def make_old(output: Path) -> None:
    """Makes a job one that an earlier version started: its videos are MP4 files, and it has no settings."""
    with closing(sqlite3.connect(output / STORE_NAME)) as connection, connection:
        connection.execute("DELETE FROM settings WHERE name IN ('every', 'smooth', 'videos')")
        connection.execute("UPDATE images SET files = replace(files, '.webm', '.mp4')")
        connection.execute("UPDATE images SET record = '{}' WHERE kind = 'video'")
    for path in output.rglob("*.webm"):
        path.rename(path.with_suffix(".mp4"))


def test_a_job_of_before_goes_on_with_its_names(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run_job(output, folder, kinds=("ids", "areas"))
    for frames in (output / "a.frames", output / "sub" / "b.frames"):
        for path in frames.iterdir():
            path.unlink()
        frames.rmdir()
    for path in output.rglob("?.areas.csv"):
        path.unlink()
    with closing(sqlite3.connect(output / STORE_NAME)) as connection, connection:
        for ending in (".frames", ".areas.csv"):
            query = f"UPDATE images SET files = json_remove(files, '$.\"{ending}\"')"
            connection.execute(f"{query} WHERE kind = 'video'")
    make_old(output)
    write_image(folder / "film.frames" / "000000.jpg")  # no clash where no frames are written
    assert run_job(output, folder, kinds=("ids", "areas")).written == 1
    write_video(folder / "film.mp4", 4)
    result = run_job(output, folder, kinds=("ids", "areas"))
    assert [video.files for video in result.new_videos] == [("film.overlay.mp4",)]
    assert frames_of(output / "film.overlay.mp4") == 4
    assert {name for name in files_below(output) if "overlay" in name} == {
        *("a.overlay.mp4", "sub/b.overlay.mp4", "film.overlay.mp4")
    }
    assert (output / "film.frames" / "000000.png").exists()
    with (
        pytest.raises(OutputError, match="every: 1, now 2"),
        open_job(output, [folder], {"model": "brightness", "every": "2"}, ("ids", "areas")),
    ):
        pass


def test_a_job_of_before_says_that_frames_get_no_labels(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    run_job(output, folder, kinds=("palette",))
    make_old(output)
    # Overlays are of whole videos, as before; a job without videos has nothing to say either.
    run_job(output, folder, kinds=("palette", "overlay"))
    run_job(tmp_path / "images", folder / "a.jpg", kinds=("ids",))
    make_old(tmp_path / "images")
    run_job(tmp_path / "images", folder / "a.jpg", kinds=("areas",))
    assert without_progress(capsys.readouterr().err) == ""
    result = run_job(output, folder, kinds=("rle", "areas"))
    assert (result.written, result.new_videos) == (1, ())
    notice = capsys.readouterr().err
    assert "videos get overlays in MP4 files alone, and no rle or areas of their frames" in notice
    assert "--restart" in notice
    assert not [*output.rglob("a.areas.csv")]


@needs_ffmpeg
def test_a_video_that_is_labeled_again_in_another_form_has_one_overlay(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    run_job(output, folder)
    write_video(folder / "a.mp4", 9)
    monkeypatch.undo()
    result = run_job(output, folder)
    assert result.new_videos == (VideoFile(("a.overlay.mp4",), "none"),)
    overlays = {"a.overlay.mp4", "a.overlay.jpg", "sub/b.overlay.webm"}
    assert {name for name in files_below(output) if "overlay" in name} == overlays


def test_labels_of_frames_are_a_file_or_a_line_for_each(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    kinds = ("ids", "rle", "areas")
    result = run_job(output, folder, kinds=kinds)
    assert {video.files for video in result.new_videos} == {
        (f"{name}.overlay.webm", f"{name}.frames/", f"{name}.areas.csv", f"{name}.coco.json")
        for name in ("a", "sub/b")
    }
    names = [f"a.frames/{number:06d}.png" for number in range(7)]
    assert sorted(name for name in files_below(output) if name.startswith("a.frames")) == names
    with (output / "a.areas.csv").open(newline="") as file:
        rows_of_frames = [*csv.DictReader(file)]
    assert [row["path"] for row in rows_of_frames] == names
    coco = COCO(output / "a.coco.json")
    assert [image["file_name"] for image in coco.loadImgs(coco.getImgIds())] == names
    for image, row in zip(coco.loadImgs(coco.getImgIds()), rows_of_frames, strict=True):
        ids = read_label(output / image["file_name"])
        assert ids.shape == (48, 64)
        shares = {name: float(row[name]) for name in ("dark", "grey", "light")}
        counts = np.bincount(ids.ravel(), minlength=3) / ids.size
        assert [*shares.values()] == pytest.approx([*counts], abs=1e-6)
        covered = sum(int(coco.annToMask(one).sum()) for one in coco.loadAnns(coco.getAnnIds(image["id"])))
        assert covered > 0
    # Frame 6 of `write_video` is the first that is "grey".
    assert [float(row["grey"]) > 0.9 for row in rows_of_frames] == [number >= 5 for number in range(7)]
    with (output / "areas.csv").open(newline="") as file:
        assert [Path(row["path"]).name for row in csv.DictReader(file)] == ["a.jpg"]
    assert run_job(output, folder, kinds=kinds).written == 0
    write_video(folder / "a.mp4", 3)
    (output / "sub" / "b.frames" / "000002.png").unlink()
    assert run_job(output, folder, kinds=kinds).written == 2
    assert len([*(output / "a.frames").iterdir()]) == 3
    assert len([*(output / "sub" / "b.frames").iterdir()]) == 5
    assert not [*output.rglob(".*.tmp*")]


def test_images_in_a_folder_that_is_called_as_the_frames_keep_their_labels(tmp_path: Path) -> None:
    write_video(tmp_path / "in" / "a.mp4", 3)
    write_image(tmp_path / "in" / "a.frames" / "000000.jpg", 20, 30)
    result = run_job(tmp_path / "out", tmp_path / "in", kinds=("ids",))
    assert result.new_videos[0].files == ("a.mp4.overlay.webm", "a.mp4.frames/")
    assert read_label(tmp_path / "out" / "a.frames" / "000000.png").shape == (20, 30)
    assert len([*(tmp_path / "out" / "a.mp4.frames").iterdir()]) == 3


def test_options_of_videos_may_change_until_there_are_videos(tmp_path: Path) -> None:
    output, folder = tmp_path / "out", tmp_path / "in"
    write_image(folder / "a.jpg")

    def label(**options: str) -> None:
        with open_job(output, [folder], {"model": "brightness", **options}, ("areas",)) as job:
            job.run(Predictor.from_engine(Brightness()))

    label(every="3")
    write_video(folder / "film.mp4", 7)
    label(every="2", smooth="0.5")
    write_video(folder / "film2.mp4", 5)
    label()
    with pytest.raises(OutputError, match=r"every: 2, now 3; smooth: 0\.5, now 0\)"):
        label(every="3", smooth="0")
    numbers = [(output / f"{name}.areas.csv").read_text().count(".png") for name in ("film", "film2")]
    assert numbers == [4, 3]


def test_a_damaged_record_of_a_video_is_refused(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run_job(output, folder)
    for record in ("[1]", "nothing", json.dumps({"sound": 1})):
        with closing(sqlite3.connect(output / STORE_NAME)) as connection, connection:
            connection.execute("UPDATE images SET record = ? WHERE kind = 'video'", (record,))
        with pytest.raises(OutputError, match=r"wrong value in images\.record"):
            run_job(output, folder)
    with closing(sqlite3.connect(output / STORE_NAME)) as connection, connection:
        connection.execute("UPDATE images SET record = '{}' WHERE kind = 'video'")
        connection.execute("UPDATE settings SET value = '[\"0\", \"0\"]' WHERE name = 'every'")
    with (
        pytest.raises(OutputError, match="every is '0'"),
        open_job(output, [folder], {"model": "brightness", "every": "0"}, ("palette", "overlay")),
    ):
        pass


def test_labels_of_frames_can_be_added(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run_job(output, folder, kinds=("palette",))
    before = (output / "a.png").stat().st_mtime_ns
    overlay = (output / "a.overlay.webm").stat().st_ino
    result = run_job(output, folder, kinds=("areas",))
    assert {video.files for video in result.new_videos} == {
        (f"{name}.overlay.webm", f"{name}.areas.csv") for name in ("a", "sub/b")
    }
    assert (output / "a.png").stat().st_mtime_ns == before
    assert (output / "a.overlay.webm").stat().st_ino == overlay
    assert (output / "areas.csv").exists()
    assert run_job(output, folder, kinds=("areas",)).written == 0
    # What only images have lets videos be.
    result = run_job(output, folder, kinds=("overlay",))
    assert (result.written, result.new_videos) == (1, ())
    (folder / "sub" / "b.AVI").unlink()
    run_job(output, folder, kinds=("rle",))
    assert (output / "a.coco.json").exists()
    assert (output / "sub" / "b.overlay.webm").exists()


def test_a_finished_video_stays_where_labels_of_its_frames_cannot_be_added(
    folder: Path, tmp_path: Path
) -> None:
    class Refuses(Brightness):
        def label(self, images: Pixels) -> Labeled:
            raise MemoryError

    output = tmp_path / "out"
    run_job(output, folder, kinds=("palette",))
    overlay = (output / "a.overlay.webm").read_bytes()
    (folder / "a.jpg").unlink()
    result = run_job(output, folder, kinds=("areas",), engine=Refuses())
    assert [path.name for path, _ in result.failed] == ["a.mp4", "b.AVI"]
    assert all("its earlier outputs stay" in reason for _, reason in result.failed)
    assert (output / "a.overlay.webm").read_bytes() == overlay
    with open_job(output, [folder], {"model": "brightness"}, ("areas",)) as job:
        job.retry_failed()
        assert job.run(Predictor.from_engine(Brightness())).failed == ()
    assert (output / "a.overlay.webm").read_bytes() == overlay
    assert (output / "a.areas.csv").exists()


@needs_ffmpeg
def test_a_finished_video_stays_where_labels_of_frames_are_added_without_ffmpeg(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    monkeypatch.undo()
    run_job(output, folder, kinds=("palette",))
    overlay = output / "a.overlay.mp4"
    before = overlay.read_bytes()
    hide_ffmpeg(tmp_path, monkeypatch)
    result = run_job(output, folder, kinds=("areas",))
    assert overlay.read_bytes() == before
    assert VideoFile(("a.overlay.mp4", "a.areas.csv"), "") in result.new_videos
    assert not [*output.rglob("*.webm")]
    assert run_job(output, folder, kinds=("areas",)).written == 0
    write_video(folder / "a.mp4", 9)  # now the overlays are of another video
    assert run_job(output, folder, kinds=("areas",)).new_videos[0].files[0] == "a.overlay.webm"
    assert not overlay.exists()
