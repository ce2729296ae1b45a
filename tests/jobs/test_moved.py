"""Tests of images and folders that were moved after they were labeled."""

import csv
import os
import shutil
from io import BytesIO
from pathlib import Path

import pytest
from job_program import Brightness, run_job
from photographs import contents_below, files_below, write_image

from fcn.data.image_io import read_label
from fcn.errors import OutputError
from fcn.jobs.sources.path_list import PathList

KINDS = ("palette", "areas")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("a.jpg", "a.png", "sub/c.bmp", "sub/a.jpg")):
        write_image(tmp_path / "in" / name, 24 + 8 * number, 32)
    return tmp_path / "in"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


def times(output: Path) -> dict[str, int]:
    return {name: (output / name).stat().st_mtime_ns for name in files_below(output) if name.endswith(".png")}


def listed_paths(output: Path) -> set[str]:
    with (output / "areas.csv").open(newline="") as file:
        return {row["path"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("how", ["moved", "copied with its times", "copied", "moved into the old one"])
def test_a_moved_folder_is_recognized(how: str, folder: Path, output: Path) -> None:
    run_job(output, folder, kinds=KINDS)
    before, target = times(output), folder.with_name("elsewhere") / "deep"
    target.parent.mkdir()
    if how == "moved":
        folder.rename(target)
    elif how == "moved into the old one":
        folder.rename(target)
        folder.mkdir()
        target.rename(folder / "deep")
        target = folder / "deep"
    else:
        shutil.copytree(folder, target, copy_function=shutil.copy2 if "times" in how else shutil.copy)
    engine = Brightness()
    result = run_job(output, target, kinds=KINDS, engine=engine)
    assert (result.written, result.labeled, result.failed, engine.batches) == (0, 4, (), [])
    assert times(output) == before
    found = {str(path) for path in target.rglob("*.*")}
    assert listed_paths(output) == found
    # It is the folder of the job from now on.
    write_image(target / "d.jpg")
    assert run_job(output, target, kinds=KINDS).written == 1
    if how == "moved":
        write_image(folder / "e.jpg")
        with pytest.raises(OutputError, match="input folders"):
            run_job(output, folder, kinds=KINDS)


def test_what_changed_on_the_way_is_labeled_and_what_was_lost_is_left_out(folder: Path, output: Path) -> None:
    run_job(output, folder, kinds=KINDS)
    target = folder.rename(folder.with_name("elsewhere"))
    before = times(output)
    write_image(target / "a.png", 8, 8)
    (target / "sub" / "c.bmp").unlink()
    write_image(target / "new.jpg")
    result = run_job(output, target, kinds=KINDS)
    assert (result.written, result.failed) == (2, ())
    assert read_label(output / "a.png.png").shape == (8, 8)
    assert {name for name, time in before.items() if times(output)[name] != time} == {"a.png.png"}
    assert files_below(output) == {*before, "new.png", "areas.csv"}
    assert listed_paths(output) == {str(path) for path in target.rglob("*.*")}


def test_a_folder_that_moved_while_outputs_were_added_is_recognized(folder: Path, output: Path) -> None:
    class Stopping(Brightness):
        def label(self, images):  # type: ignore[no-untyped-def, override]
            if self.batches:
                raise KeyboardInterrupt
            return super().label(images)

    run_job(output, folder, kinds=KINDS)
    before = times(output)
    with pytest.raises(KeyboardInterrupt):
        run_job(output, folder, kinds=("overlay",), engine=Stopping())
    target = folder.with_name("elsewhere")
    shutil.copytree(folder, target)
    write_image(target / "a.png", 8, 8)
    (target / "a.jpg").unlink()  # it is in the old folder alone
    result = run_job(output, target, kinds=("overlay",))
    assert (2 <= result.written <= 3, result.labeled, result.failed) == (True, 4, ())
    assert read_label(output / "a.png.png").shape == (8, 8)
    assert {name for name, time in before.items() if times(output)[name] != time} == {"a.png.png"}
    assert files_below(output) >= {"a.png.overlay.jpg", "sub/c.overlay.jpg", "sub/a.overlay.jpg"}
    assert listed_paths(output) == {str(path) for path in target.rglob("*.*")}


@pytest.mark.parametrize("wrong", ["other images", "too few", "one more folder", "names"])
def test_another_folder_is_refused(wrong: str, folder: Path, output: Path) -> None:
    run_job(output, folder, kinds=KINDS)
    before = contents_below(output)
    target = folder.with_name("elsewhere")
    shutil.copytree(folder, target)
    inputs = [target]
    for path in (*target.glob("*.*"), *target.glob("sub/*.*")):
        if wrong == "other images" or (wrong == "too few" and path.name != "c.bmp"):
            write_image(path, 9, 9)
        elif wrong == "names":
            path.rename(path.with_name(f"x{path.name}"))
    if wrong == "one more folder":
        inputs = [folder, target]
    with pytest.raises(OutputError, match=rf"input folders: {folder}, now .*elsewhere.*--restart"):
        run_job(output, *inputs, kinds=KINDS)
    assert contents_below(output) == before
    assert run_job(output, folder, kinds=KINDS).written == 0


def test_a_folder_is_not_taken_from_a_process_that_labels_it(folder: Path, output: Path) -> None:
    class Meanwhile(Brightness):
        def label(self, images):  # type: ignore[no-untyped-def, override]
            if len(self.batches) == 3:
                target = folder.with_name("elsewhere")
                shutil.copytree(folder, target)
                with pytest.raises(OutputError, match=f"is being labeled by another process, from {folder}"):
                    run_job(output, target, kinds=KINDS)
            return super().label(images)

    write_image(folder / "z.bmp", 99, 99)
    assert run_job(output, folder, kinds=KINDS, engine=Meanwhile()).written == 5


def test_a_moved_file_or_list_is_recognized_once_it_is_gone_from_where_it_was(
    folder: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_job(output, folder / "a.jpg", kinds=KINDS)
    target = folder.with_name("elsewhere")
    shutil.copytree(folder, target)
    assert run_job(output, target / "a.jpg", kinds=KINDS).written == 1  # two images
    assert files_below(output) == {"a.png", "a.jpg.png", "areas.csv"}
    (folder / "a.jpg").unlink()
    third = target.rename(folder.with_name("third"))
    before = times(output)
    os.utime(third / "a.jpg")
    assert run_job(output, third / "a.jpg", kinds=KINDS).written == 0
    assert times(output) == before
    # Lists that are relative to where they are.
    listed = folder.with_name("listed")
    for place in (third, folder.with_name("fourth")):
        monkeypatch.chdir(place)
        result = run_job(listed, PathList(BytesIO(b"a.png\nsub/c.bmp\n")), kinds=KINDS)
        assert (result.written, result.labeled) == (2 if place == third else 0, 2)
        if place == third:
            third.rename(folder.with_name("fourth"))
    assert files_below(listed) == {"a.png", "sub/c.png", "areas.csv"}
