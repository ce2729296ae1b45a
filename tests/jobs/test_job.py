"""Tests of jobs: what is labeled again and what is not, and which jobs are refused."""

import os
import platform
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from job_program import Brightness, run_job
from photographs import contents_below, files_below, write_image

import fcn.jobs.changes
import fcn.jobs.plan
import fcn.system.progress
from fcn.data.image_io import read_label
from fcn.errors import DataError, OutputError
from fcn.inference.predictor import Predictor
from fcn.jobs.job import open_job
from fcn.jobs.restart import forget_job, restarting
from fcn.jobs.store import STORE_NAME, JobStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.png", "sub/c.bmp"):
        write_image(tmp_path / "in" / name)
    return tmp_path / "in"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


def column(output: Path, name: str) -> list[object]:
    with closing(sqlite3.connect(output / STORE_NAME)) as connection:
        return [value for (value,) in connection.execute(f"SELECT {name} FROM images ORDER BY place")]


def test_a_finished_job_does_nothing(folder: Path, output: Path) -> None:
    first = run_job(output, folder)
    assert (first.written, first.labeled, first.failed) == (3, 3, ())
    before = contents_below(output)
    stamps = {name: (output / name).stat().st_mtime_ns for name in before}
    engine = Brightness()
    again = run_job(output, folder, engine=engine)
    assert (again.written, again.labeled, engine.batches) == (0, 3, [])
    assert {name: (output / name).stat().st_mtime_ns for name in files_below(output)} == stamps


def test_new_and_changed_images_and_lost_outputs_are_labeled_and_no_others(
    folder: Path, output: Path
) -> None:
    run_job(output, folder)
    write_image(folder / "new.jpg")
    (folder / "a.jpg").write_bytes(write_image(folder.parent / "other.jpg", 8, 8).read_bytes())
    os.utime(folder / "b.png")  # touched, not changed
    (output / "sub" / "c.overlay.jpg").unlink()
    result = run_job(output, folder)
    assert (result.written, result.labeled) == (3, 4)
    assert column(output, "labeled") == [2, 1, 1, 2]
    assert read_label(output / "a.png").shape == (8, 8)
    assert run_job(output, folder).written == 0


def test_a_removed_image_is_forgotten_unless_it_is_labeled(folder: Path, output: Path) -> None:
    (folder / "bad.jpg").write_bytes(b"nothing")
    assert [path.name for path, _ in run_job(output, folder).failed] == ["bad.jpg"]
    (folder / "bad.jpg").unlink()
    (folder / "a.jpg").unlink()
    result = run_job(output, folder)
    assert (result.written, result.labeled, result.failed) == (0, 3, ())
    assert (output / "a.png").exists()


def test_what_failed_is_tried_again_if_it_was_replaced_or_when_told_to(folder: Path, output: Path) -> None:
    for name in ("bad.jpg", "worse.jpg"):
        (folder / name).write_bytes(b"nothing")
    run_job(output, folder)
    write_image(folder / "bad.jpg")
    result = run_job(output, folder)
    assert (result.written, [path.name for path, _ in result.failed]) == (1, ["worse.jpg"])
    assert column(output, "attempts") == [1, 1, 2, 1, 1]
    with open_job(output, [folder], {"model": "brightness"}, ("palette", "overlay")) as job:
        job.retry_failed()
        assert job.remaining() == 1
    assert len(run_job(output, folder).failed) == 1
    assert column(output, "attempts") == [1, 1, 2, 1, 2]


def test_what_fails_after_it_was_changed_keeps_no_label(folder: Path, output: Path) -> None:
    run_job(output, folder)
    (folder / "a.jpg").write_bytes(b"nothing")
    assert len(run_job(output, folder).failed) == 1
    assert files_below(output) == {"b.png", "b.overlay.jpg", "sub/c.png", "sub/c.overlay.jpg"}


@pytest.mark.parametrize("kind", ["model", "precision", "input folders"])
def test_another_job_is_refused_with_what_differs_and_what_to_do(
    kind: str, folder: Path, output: Path
) -> None:
    run_job(output, folder)
    before = contents_below(output)
    engine, inputs = Brightness(), [folder]
    if kind == "precision":
        engine.precision = "bfloat16"
    if kind == "input folders":
        inputs = [folder / "sub"]
    write_image(folder / "new.jpg")
    with pytest.raises(
        OutputError, match=rf"{kind}: .*, now .*Choose another output folder.*--restart"
    ) as caught:
        run_job(output, *inputs, engine=engine, model="other" if kind == "model" else "brightness")
    assert str(output) in str(caught.value)
    assert contents_below(output) == before
    forget_job(output)
    result = run_job(output, *inputs, engine=engine, model="other" if kind == "model" else "brightness")
    assert result.written == (1 if kind == "input folders" else 4)


def test_a_job_that_cannot_be_started_over_is_as_it_was(folder: Path, output: Path) -> None:
    run_job(output, folder)
    before = contents_below(output)
    for wrong in (folder / "nowhere", output):
        with pytest.raises(DataError), restarting(output):
            run_job(output, wrong)
        assert contents_below(output) == before
        assert run_job(output, folder).written == 0
    with restarting(output):
        assert run_job(output, folder / "a.jpg", model="other").written == 1
    assert run_job(output, folder / "a.jpg", model="other").written == 0
    assert {path.name for path in output.glob(".*")} == {STORE_NAME}


def test_a_job_without_any_labels_may_become_another(folder: Path, output: Path) -> None:
    class Broken(Brightness):
        def label(self, images: object) -> None:  # type: ignore[override]
            raise RuntimeError("no device")

    with pytest.raises(RuntimeError, match="no device"):
        run_job(output, folder, engine=Broken())
    assert {*column(output, "status")} == {"waiting"}  # given back
    other = Brightness()
    other.precision = "bfloat16"
    with pytest.raises(OutputError, match="precision"):
        run_job(output, folder, engine=other)  # images were claimed: perhaps some were labeled
    wrong = output.parent / "wrong"
    with pytest.raises(DataError):
        run_job(wrong, folder / "nowhere")
    assert not wrong.exists()


def test_an_interruption_while_a_job_is_compared_is_one(
    folder: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_job(output, folder)

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fcn.jobs.changes, "choose_verdict", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_job(output, folder)
    assert run_job(output, folder).written == 0


def test_an_interruption_between_two_statements_is_one(output: Path) -> None:
    store = JobStore(output)
    store.connection.execute("BEGIN IMMEDIATE")  # and SIGTERM right after it
    assert store.release("worker") == 0
    store.close()


def test_single_files_may_come_and_go(folder: Path, output: Path) -> None:
    assert run_job(output, folder / "a.jpg").written == 1
    assert run_job(output, folder / "b.png").written == 1
    assert run_job(output, folder / "a.jpg", folder / "b.png").written == 0
    # A later one of the same name gets its full name; the first keeps its own.
    write_image(folder / "a.png")
    assert run_job(output, folder / "a.png").written == 1
    assert {name for name in files_below(output) if "overlay" not in name} == {"a.png", "b.png", "a.png.png"}


def test_batches_have_one_size_and_do_not_change(folder: Path, output: Path) -> None:
    for number in range(5):
        write_image(folder / f"{number}.jpg", 40, 40)
    (folder / "cut.jpg").write_bytes((folder / "0.jpg").read_bytes()[:-100])  # its header is whole
    (folder / "empty.jpg").write_bytes(b"")
    engine = Brightness()
    result = run_job(output, folder, batch_size=4, engine=engine)
    assert (result.written, len(result.failed)) == (8, 2)
    # The large ones first; of six in two batches one cannot be decoded.
    assert engine.batches == [(4, 40, 40, 3), (1, 40, 40, 3), (3, 24, 32, 3)]
    batches = column(output, "batch")
    assert batches == [1, 1, 1, 1, 2, 3, 3, 2, 4, 3]
    write_image(folder / "6.jpg", 40, 40)
    assert run_job(output, folder).written == 1
    assert [*column(output, "batch")] == [1, 1, 1, 1, 2, 5, 3, 3, 2, 4, 3]


def test_a_batch_of_large_images_is_smaller(
    folder: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcn.jobs.plan, "BATCH_PIXELS", 5000)
    for number in range(3):
        write_image(folder / f"{number}.png", 60, 40)
    engine = Brightness()
    run_job(output, folder, batch_size=8, engine=engine)
    assert [size[0] for size in engine.batches] == [2, 1, 3]


def test_bad_files_are_recorded_and_the_job_goes_on(folder: Path, output: Path) -> None:
    from PIL import Image

    frames = [Image.new("RGB", (20, 10), color) for color in ("red", "blue")]
    frames[0].save(folder / "animated.png", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "animated.webp", save_all=True, append_images=frames[1:])
    # Of a GIF the first frame counts.
    frames[0].save(folder / "gif.jpg", "GIF", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "mislabeled.jpg", "PNG")
    (folder / "text.png").write_text("no image")
    (folder / "cut.jpg").write_bytes((folder / "a.jpg").read_bytes()[:200])
    os.symlink("nowhere.jpg", folder / "lost.jpg")
    os.symlink("circle.jpg", folder / "circle.jpg")
    long = write_image(folder / f"{'x' * 251}.jpg").name
    odd = folder / os.fsdecode(b"\xff \n.jpg")
    odd.write_bytes((folder / "a.jpg").read_bytes())
    result = run_job(output, folder)
    failed = {path.name for path, _ in result.failed}
    assert failed == {"text.png", "cut.jpg", "lost.jpg", "circle.jpg", long, "animated.webp", "animated.png"}
    assert result.labeled == 13 - len(failed)
    assert read_label(output / os.fsdecode(b"\xff \n.png")).shape == (24, 32)
    assert read_label(output / "mislabeled.png").shape == (10, 20)
    assert not {name for name in files_below(output) if ".tmp" in name or "xxx" in name}


def test_another_machine_is_kept_out(folder: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Meanwhile(Brightness):
        def label(self, images):  # type: ignore[no-untyped-def, override]
            with monkeypatch.context() as elsewhere:
                elsewhere.setattr(platform, "node", lambda: "elsewhere")
                with pytest.raises(OutputError, match=f"process {os.getpid()} on .* on one machine"):
                    run_job(output, folder)
            with pytest.raises(OutputError, match="by another process"):
                forget_job(output)
            return super().label(images)

    assert run_job(output, folder, engine=Meanwhile()).written == 3


def test_lines_about_progress_count_what_another_worker_has_labeled(
    folder: Path, output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Meanwhile(Brightness):
        def label(self, images):  # type: ignore[no-untyped-def, override]
            if not self.batches:
                with open_job(output, [folder], {"model": "brightness"}, ("palette", "overlay")) as job:
                    processor = job.processor(Predictor.from_engine(Brightness()))
                    for outcomes in processor(iter([job.store.claim(job.lease.name)])):
                        job.store.finish(job.lease.name, outcomes)
            return super().label(images)

    for number in range(17):
        write_image(folder / f"{number}.jpg")
    monkeypatch.setattr(fcn.system.progress, "LINE_SECONDS", 0)
    assert run_job(output, folder, batch_size=1, engine=Meanwhile()).written == 19
    lines = capsys.readouterr().err.splitlines()
    counts = [int(line.split()[1]) for line in lines if line.startswith("labeling: ")]
    assert counts == [*range(2, 21)]


def test_a_damaged_store_is_named(folder: Path, output: Path) -> None:
    output.mkdir()
    (output / STORE_NAME).write_bytes(b"no database" * 1000)
    with pytest.raises(OutputError, match=rf"{STORE_NAME}: is damaged.*Delete it"):
        run_job(output, folder)


def test_a_worker_with_another_list_does_not_forget_what_others_wait_for(folder: Path, output: Path) -> None:
    class Meanwhile(Brightness):
        def label(self, images):  # type: ignore[no-untyped-def, override]
            if not self.batches:
                settings = {"model": "brightness"}
                with open_job(output, [folder / "b.png"], settings, ("palette", "overlay")) as job:
                    assert job.remaining() == 13
            return super().label(images)

    files = [write_image(folder / f"{number}.jpg") for number in range(12)]
    result = run_job(output, *files, engine=Meanwhile())
    assert result.labeled == 13
    assert {*column(output, "labeled")} == {1}
