"""Tests of outputs that are added to a job: what is written, and what stays as it is."""

import json
import sqlite3
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from job_program import Brightness, run_job
from photographs import contents_below, write_image

from fcn.data.image_io import read_label
from fcn.errors import OutputError
from fcn.inference.predictor import Predictor
from fcn.jobs.job import open_job
from fcn.jobs.reading import ReadingLimits
from fcn.jobs.schema import STORE_NAME
from fcn.jobs.sources.path_list import PathList
from fcn.outputs.render import OUTPUTS, RASTER_OUTPUTS

ALL = tuple(kind for kind in OUTPUTS if kind not in RASTER_OUTPUTS | {"ids", "rle"})
States = dict[str, tuple[bytes, int, int]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("a.jpg", "b.png", "sub/c.bmp")):
        write_image(tmp_path / "in" / name, 24 + 8 * number, 32)
    return tmp_path / "in"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


def states(output: Path) -> States:
    """Content, time and inode of each file of a job; not of its store."""
    return {
        name: (data, (output / name).stat().st_mtime_ns, (output / name).stat().st_ino)
        for name, data in contents_below(output).items()
    }


def test_each_kind_is_added_and_nothing_else_is_touched(folder: Path, output: Path) -> None:
    # A task of CVAT has the name of the folder, and labelme's files the way to the images.
    whole, output = (output.parent / name / output.name for name in ("whole", "own"))
    run_job(whole, folder, kinds=ALL)
    expected = contents_below(whole)
    run_job(output, folder, kinds=("palette",))
    before = states(output)
    for kind in ALL[1:]:
        engine = Brightness()
        result = run_job(output, folder, kinds=(kind,), engine=engine)
        assert (result.labeled, result.failed) == (3, ())
        # Shares of classes are known of every image.
        assert result.written == (0 if kind == "areas" else 3)
        assert engine.batches == [] or kind != "areas"
        after = states(output)
        assert {name: after[name][:2] for name in before} == {name: before[name][:2] for name in before}
        files = {name for name in before if not name.startswith(("coco", "areas", "labels", "cvat"))}
        assert {name: after[name] for name in files} == {name: before[name] for name in files}
        assert after.keys() > before.keys()
        before = after
    assert contents_below(output) == expected
    assert run_job(output, folder, kinds=ALL).written == 0
    assert run_job(output, folder, kinds=("overlay",)).written == 0
    # A new image has all kinds, whatever is asked for then.
    for one in (whole, output):
        write_image(folder / "d.png")
        run_job(one, folder, kinds=("palette",) if one == output else ALL)
    assert contents_below(output) == contents_below(whole)


def test_outputs_that_exclude_each_other_are_refused(folder: Path, output: Path) -> None:
    run_job(output, folder, kinds=("palette", "rle"))
    before = states(output)
    for kind, reason in (
        ("ids", "only one of palette and ids, which are the same file"),
        ("polygons", "only one of rle and polygons, which are the same file"),
        ("geotiff", "only areas beside geotiff and geopackage, which are written window by window"),
    ):
        with pytest.raises(OutputError, match=rf"palette, rle, now {kind}\)\. .*{reason}.*--restart"):
            run_job(output, folder, kinds=(kind,))
    assert states(output) == before
    assert run_job(output, folder, kinds=("palette", "rle")).written == 0


def test_an_interrupted_job_goes_on_and_keeps_what_is_there(folder: Path, output: Path) -> None:
    class Stopping(Brightness):
        def label(self, images):  # type: ignore[no-untyped-def, override]
            if self.batches:
                raise KeyboardInterrupt
            return super().label(images)

    run_job(output, folder, kinds=("palette", "areas"))
    before = states(output)
    with pytest.raises(KeyboardInterrupt):
        run_job(output, folder, kinds=("overlay",), engine=Stopping())
    assert len(states(output)) < len(before) + 3
    result = run_job(output, folder, kinds=("palette",))
    assert 1 <= result.written <= 3
    after = states(output)
    assert {name: after[name][:2] for name in before} == {name: before[name][:2] for name in before}
    assert after.keys() - before.keys() == {"a.overlay.jpg", "b.overlay.jpg", "sub/c.overlay.jpg"}


def test_a_changed_image_is_written_whole_and_others_keep_their_files(folder: Path, output: Path) -> None:
    run_job(output, folder, kinds=("palette", "areas"))
    before = states(output)
    write_image(folder / "a.jpg", 8, 8)
    run_job(output, folder, kinds=("overlay",))
    after = states(output)
    assert read_label(output / "a.png").shape == (8, 8)
    assert {name for name in before if before[name] != after[name]} == {"a.png", "areas.csv"}


def test_an_image_that_is_unreadable_now_keeps_its_label(folder: Path, output: Path) -> None:
    run_job(output, folder, kinds=("palette", "areas"))
    before = states(output)
    damaged = folder / "a.jpg"
    data = damaged.read_bytes()
    with open_job(output, [folder], {"model": "brightness"}, ("overlay",)) as job:
        damaged.unlink()  # after it was found
        result = job.run(Predictor.from_engine(Brightness()))
    assert [path.name for path, _ in result.failed] == ["a.jpg"]
    assert states(output)["a.png"] == before["a.png"]
    damaged.write_bytes(data)
    assert run_job(output, folder, kinds=("overlay",)).failed == ()
    assert states(output)["a.png"][0] == before["a.png"][0]


@pytest.mark.parametrize("kind", ["palette", "polygons", "cvat"])
def test_what_is_known_of_an_image_stays_when_a_further_output_fails(
    kind: str, folder: Path, output: Path
) -> None:
    run_job(output, folder, kinds=("areas",))
    before = (output / "areas.csv").read_text()
    with open_job(output, [folder], {"model": "brightness"}, (kind,)) as job:
        job.limits = ReadingLimits(pixels=24 * 32)  # the first image alone
        result = job.run(Predictor.from_engine(Brightness()))
    assert [path.name for path, _ in result.failed] == ["b.png", "c.bmp"]
    assert (output / "areas.csv").read_text() == before
    # Later runs list them too, and say that what they had is there.
    again = run_job(output, folder, kinds=(kind,))
    assert (again.written, again.failed) == (0, result.failed)
    stays = "(its earlier outputs stay, and those that were added are missing)"
    assert [reason.endswith(stays) for _, reason in again.failed] == [True, True]
    # What is not known of them is not taken for nothing.
    written = {"palette": "a.png", "polygons": "coco.json", "cvat": "cvat.xml"}[kind]
    text = (output / written).read_text(errors="replace")
    assert not {name for name in ("b.png", "c.bmp") if name in text}
    # A run with a higher limit completes them.
    with open_job(output, [folder], {"model": "brightness"}, (kind,)) as job:
        job.retry_failed()
        assert job.run(Predictor.from_engine(Brightness())).failed == ()
    assert (output / "areas.csv").read_text() == before
    run_job(output.parent / "whole" / "out", folder, kinds=("areas", kind))
    assert contents_below(output) == contents_below(output.parent / "whole" / "out")


def test_an_image_that_changed_and_fails_is_no_longer_known(folder: Path, output: Path) -> None:
    run_job(output, folder, kinds=("areas",))
    with open_job(output, [folder], {"model": "brightness"}, ("palette",)) as job:
        (folder / "a.jpg").write_bytes(b"nothing")
        ((_, reason),) = job.run(Predictor.from_engine(Brightness())).failed
    assert "earlier outputs" not in reason
    assert "a.jpg" not in (output / "areas.csv").read_text()


def test_images_that_nothing_leads_to_are_left_out_until_they_are_back(
    folder: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)

    def listed(*names: str) -> PathList:
        return PathList(BytesIO("\n".join(names).encode()))

    def summarized() -> set[str]:
        with open(output / "coco.json") as file:
            return {Path(image["file_name"]).name for image in json.load(file)["images"]}

    run_job(output, listed("a.jpg", "b.png"), kinds=("palette", "areas"))
    run_job(output, listed("sub/c.bmp"), kinds=("palette", "areas"))
    data = (folder / "b.png").read_bytes()
    (folder / "b.png").unlink()
    before = states(output)
    # Of earlier lists, what can still be read gets the new kind too.
    run_job(output, listed("sub/c.bmp"), kinds=("polygons",))
    assert summarized() == {"a.jpg", "c.bmp"}
    assert {name for name in before if states(output)[name] != before[name]} == {"areas.csv"}
    (folder / "b.png").write_bytes(data)
    assert run_job(output, listed("b.png"), kinds=("polygons",)).written == 1
    assert summarized() == {"a.jpg", "b.png", "c.bmp"}


def test_no_kind_is_added_while_another_process_labels_without_it(folder: Path, output: Path) -> None:
    class Meanwhile(Brightness):
        def label(self, images):  # type: ignore[no-untyped-def, override]
            with pytest.raises(OutputError, match="by another process, without overlay"):
                run_job(output, folder, kinds=("palette", "overlay"))
            return super().label(images)

    assert run_job(output, folder, kinds=("palette",), engine=Meanwhile()).written == 3
    with closing(sqlite3.connect(output / STORE_NAME)) as connection:
        (setting,) = connection.execute("SELECT value FROM settings WHERE name = 'outputs'").fetchone()
    assert json.loads(setting)[0] == "palette"
