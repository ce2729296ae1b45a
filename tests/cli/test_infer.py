"""`fcn infer` as a user types it."""

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from eager_training import eager_training
from infer_command import run
from photographs import contents_below, write_image
from progress_lines import without_progress
from videos import hide_ffmpeg, needs_ffmpeg, write_frames

from fcn.data.image_io import encode_jpeg
from fcn.inference.predictor import Predictor
from fcn.jobs.store import STORE_NAME

HERE = Path(__file__).parents[2]
# A graph, traced for each command, takes longer than a few images.
eagerly = pytest.mark.usefixtures("without_graphs")


@pytest.fixture
def without_graphs() -> Iterator[None]:
    with eager_training():
        yield


def start(*arguments: object) -> subprocess.Popen[str]:
    quiet = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.Popen(
        [sys.executable, str(HERE / "infer.py"), *(str(argument) for argument in arguments)],
        env=quiet | {"PYTHONPATH": str(HERE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "sub/b.png"):
        write_image(tmp_path / "in" / name)
    return tmp_path / "in"


@eagerly
def test_the_same_command_goes_on(model_path: Path, folder: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "out"
    command = [model_path, folder, "--output", output, "--overlay"]
    loading = f"Loading {model_path} to label 2 files.\n"
    assert run(command, capsys) == (0, f"Wrote labels and overlays of 2 images to {output}/.\n", loading)
    nothing = f"Nothing to do: {output}/ has labels and overlays of all 2 images.\n"
    assert run(command, capsys) == (0, nothing, "")
    (folder / "bad\n.jpg").write_bytes(b"nothing")
    code, _, errors = run(command, capsys)
    assert (code, errors.count("\n")) == (1, 4)
    assert errors.startswith(f"Loading {model_path} to label 1 file.\n")
    assert "bad\\n.jpg': is truncated or not an image" in errors
    assert "--retry-failed" in errors
    code, answer, _ = run([*command, "--retry-failed", "--json"], capsys)
    document = json.loads(answer)
    assert (code, document["written"], document["labeled"], len(document["failed"])) == (1, 0, 2, 1)
    (folder / "bad\n.jpg").unlink()
    assert run(command, capsys)[0] == 0


@pytest.mark.slow
@eagerly
def test_another_job_needs_another_folder_or_a_restart(
    model_path: Path, folder: Path, tmp_path: Path, capsys
) -> None:
    output = tmp_path / "out"
    assert run([model_path, folder, "--output", output], capsys)[0] == 0
    before = contents_below(output)
    command = [model_path, folder, "--output", output, "--outputs", "ids"]
    code, _, errors = run(command, capsys)
    assert (code, errors.count("\n")) == (2, 1)
    assert "outputs: palette, now ids" in errors
    assert contents_below(output) == before
    assert run([*command, "--restart"], capsys)[:2] == (0, f"Wrote ids of 2 images to {output}/.\n")


@eagerly
def test_further_outputs_are_added(model_path: Path, folder: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "out"
    command = [model_path, folder, "--output", output]
    assert run(command, capsys)[0] == 0
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in output.rglob("*.png")}
    assert len(before) == 2
    for option, words in (("--overlay", "overlays"), ("--outputs=areas", "areas")):
        assert run([*command, option], capsys)[:2] == (0, f"Wrote {words} of 2 images to {output}/.\n")
    assert {*contents_below(output)} == {
        *(f"{stem}{end}" for stem in ("a", "sub/b") for end in (".png", ".overlay.jpg")),
        "areas.csv",
    }
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before
    # The job goes on with all of them.
    nothing = f"Nothing to do: {output}/ has palette, overlay, areas of all 2 images.\n"
    assert run(command, capsys) == (0, nothing, "")


def test_the_largest_image_may_be_chosen(model_path: Path, tmp_path: Path, capsys) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((1001, 1000, 3), np.uint8))
    command = [model_path, tmp_path / "a.png", "--output", tmp_path / "out"]
    code, _, errors = run([*command, "--max-megapixels", 1], capsys)
    assert (code, "expected at most 1000000 pixels. Received: 1000 x 1001 pixels" in errors) == (2, True)
    # The job keeps it.
    code, _, errors = run([*command, "--retry-failed"], capsys)
    assert (code, "expected at most 1000000 pixels" in errors) == (2, True)
    assert run([*command, "--max-megapixels", 2, "--retry-failed"], capsys)[0] == 0
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((1500, 1000, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "c.png"), np.zeros((1500, 1400, 3), np.uint8))
    code, _, errors = run([*command[:2], tmp_path / "b.png", tmp_path / "c.png", *command[2:]], capsys)
    assert (code, errors.count("expected at most 2000000 pixels")) == (1, 1)
    for wrong in (0, 1001, "many"):
        code, _, errors = run([*command, "--max-megapixels", wrong], capsys)
        assert (code, "expected a whole number of 1 to 1000" in errors) == (2, True)


def test_whole_images_and_windows_exclude_each_other(model_path: Path, folder: Path, capsys) -> None:
    command = [model_path, folder, "--output", folder.parent / "out", "--outputs", "geotiff"]
    code, _, errors = run([*command, "--overlay"], capsys)
    assert (code, errors.startswith("Error: --overlay: not with --outputs geotiff")) == (2, True)
    assert not (folder.parent / "out").exists()


@eagerly
def test_ray_is_refused_for_a_job_that_writes_geotiffs(model_path: Path, tmp_path: Path, capsys) -> None:
    write_raster = pytest.importorskip("rasters", reason="needs the extra geo").write_raster
    write_raster(tmp_path / "in" / "a.tif", np.zeros((30, 40, 3), np.uint8), photometric="RGB")
    command = [model_path, tmp_path / "in", "--output", tmp_path / "out", "--outputs"]
    assert run([*command, "geotiff,areas"], capsys)[0] == 0
    write_raster(tmp_path / "in" / "b.tif", np.zeros((30, 40, 3), np.uint8), photometric="RGB")
    code, _, errors = run([*command, "areas", "--ray"], capsys)
    assert (code, errors.startswith("Error: --outputs geotiff: not with --ray")) == (2, True)
    assert not (tmp_path / "out" / "b.tif").exists()
    assert run([*command, "areas"], capsys)[0] == 0
    assert (tmp_path / "out" / "b.tif").exists()


@eagerly
def test_videos_are_labeled_too(model_path: Path, folder: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    hide_ffmpeg(tmp_path, monkeypatch)
    writer = cv2.VideoWriter(str(folder / "a.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for value in (0, 100, 200):
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()
    output = tmp_path / "out"
    command = [model_path, folder, "--output", output]
    written = (
        f"Wrote labels of 2 images to {output}/.\n"
        f"Wrote 1 labeled video to {output}/:\n"
        "  a.overlay.webm\n"
        "Any sound was left out, since there is no ffmpeg program with libx264 and aac on the PATH.\n"
    )
    assert run(command, capsys)[:2] == (0, written)
    assert {*contents_below(output)} == {"a.png", "a.overlay.webm", "sub/b.png"}
    nothing = f"Nothing to do: {output}/ has labels of all 2 images and 1 labeled video.\n"
    assert run(command, capsys) == (0, nothing, "")
    code, _, errors = run([*command, "--every", "2"], capsys)
    assert (code, "every: 1, now 2" in errors) == (2, True)
    code, _, errors = run([*command, "--smooth", "0.7"], capsys)
    assert (code, "smooth: 0, now 0.7" in errors) == (2, True)
    assert run([*command, "--smooth", "0.7", "--restart"], capsys)[:2] == (0, written)
    assert run(command, capsys) == (0, nothing, "")  # the job keeps its own
    code, _, errors = run([*command, "--smooth", "0"], capsys)
    assert (code, "smooth: 0.7, now 0" in errors) == (2, True)
    (folder / "cut.mp4").write_bytes((folder / "a.mp4").read_bytes()[:500])
    code, _, errors = run(command, capsys)
    assert (code, errors.count("cut.mp4")) == (1, 1)


@needs_ffmpeg
@eagerly
def test_the_outputs_of_each_video_are_named(model_path: Path, folder: Path, tmp_path: Path, capsys) -> None:
    writer = cv2.VideoWriter(str(folder / "a.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for value in (0, 100, 200):
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()
    output = tmp_path / "out"
    command = [model_path, folder / "a.mp4", "--output", output, "--outputs", "ids,areas,rle"]
    listed = "  a.overlay.mp4, a.frames/, a.areas.csv, a.coco.json\n"
    written = (0, f"Wrote 1 labeled video to {output}/:\n{listed}")
    assert run([*command, "--every", "2"], capsys)[:2] == written
    frames = {f"a.frames/{number:06d}.png" for number in (0, 2)}
    names = {"a.overlay.mp4", "a.areas.csv", "a.coco.json"}
    assert {*contents_below(output)} == {*frames, *names}  # there are no images for areas.csv and coco.json
    (output / "a.frames" / "000002.png").unlink()
    assert run([*command, "--every", "2"], capsys)[:2] == written
    assert json.loads(run([*command, "--every", "2", "--json"], capsys)[1])["videos"] == []


@eagerly
def test_small_regions_of_frames_are_counted(model_path: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    hide_ffmpeg(tmp_path, monkeypatch)
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(3)]
    source = write_frames(tmp_path / "a.avi", frames)

    def label(name: str, outputs: str, *options: object) -> str:
        command = [model_path, source, "--output", tmp_path / name, "--outputs", outputs, *options]
        code, _, errors = run(command, capsys)
        assert code == 0
        return "".join(line for line in errors.splitlines(True) if not line.startswith("Loading"))

    assert label("all", "polygons", "--coco-background", "--min-area", 0) == ""
    regions = json.loads((tmp_path / "all" / "a.coco.json").read_text())["annotations"]
    assert len(regions) >= 3
    told = label("none", "polygons,areas", "--coco-background", "--min-area", 4000)
    assert told.startswith(f"Frames of videos: {len(regions):,} regions below 4000 pixels were left out;")
    assert label("none", "polygons,areas") == ""  # nothing was written


@pytest.mark.parametrize("option", ["--restart", "--retry-failed"])
@pytest.mark.parametrize("wrong", ["nowhere", "--memory=0.5", "--engine=jax"])
@eagerly
def test_nothing_is_forgotten_where_the_command_is_wrong(
    option: str, wrong: str, model_path: Path, folder: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    output = tmp_path / "out"
    (folder / "bad.jpg").write_bytes(b"nothing")
    command = [model_path, folder, "--output", output]
    assert run(command, capsys)[0] == 1
    with closing(sqlite3.connect(output / STORE_NAME)) as connection:
        before = connection.execute("SELECT * FROM images").fetchall()
    assert run([*command, option, wrong], capsys)[0] == 2
    with closing(sqlite3.connect(output / STORE_NAME)) as connection:
        assert connection.execute("SELECT * FROM images").fetchall() == before


@pytest.mark.slow
@eagerly
def test_a_job_goes_on_with_other_memory(model_path: Path, folder: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "out"
    command = [model_path, folder, "--output", output]
    kept = []
    for number, options in enumerate([["--memory", 3.5], [], ["--memory", 3]]):
        write_image(folder / f"new{number}.jpg")
        assert run([*command, *options], capsys)[0] == 0
        with closing(sqlite3.connect(output / STORE_NAME)) as connection:
            kept += connection.execute("SELECT value FROM settings WHERE name = 'memory'").fetchone()
    assert kept == ["3.5", "3.5", "3.0"]


class Interrupting(io.RawIOBase):
    """A list whose reader is interrupted, as by Ctrl-C."""

    def readable(self) -> bool:
        return True

    def readinto(self, _: object) -> int:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("option", "way"), [((), "The same command"), (("--restart",), "The same command without --restart")]
)
def test_who_interrupts_it_is_told_how_to_go_on(
    option: tuple[str, ...],
    way: str,
    model_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Interrupting())))
    code, output, errors = run([model_path, "-", "--output", tmp_path / "labels", *option], capsys)
    assert (code, output) == (130, "")
    assert errors.endswith(f"Interrupted. What was written so far is intact. {way} goes on from there.\n")


@eagerly
def test_a_list_comes_from_stdin(
    model_path: Path, folder: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for end, options in (("\n", []), ("\0", ["--null"]), ("\0", ["-0"])):
        output = tmp_path / f"out{len(options)}{options}"
        text = f"a.jpg{end}sub/b.png{end}".encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        assert run([model_path, "-", "--output", output, *options], capsys)[0] == 0
        assert {*contents_below(output)} == {"a.png", "sub/b.png"}


def test_engines_and_numbers_that_there_are_not_are_named(model_path: Path, folder: Path, capsys) -> None:
    for option, expected in (
        ("--engine=abacus", "expected one of auto, tensorflow"),
        ("--precision=int1", "expected one of auto, float32"),
        ("--batch-size=0", "expected a whole number of 1 or more"),
        ("--memory=much", "expected gigabytes"),
        ("--memory=0.5", "at least 2."),
        ("--outputs=palette,ids", "one of palette and ids"),
        ("--scales=0", "above 0"),
        ("--smooth=1", "from 0 to below 1"),
        ("--smooth=nan", "from 0 to below 1"),
    ):
        code, _, errors = run([model_path, folder, "--output", "out", option], capsys)
        assert code == 2
        assert expected in errors


def test_an_engine_of_another_backend_is_refused_here_and_nothing_is_left(
    model_path: Path, folder: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    code, _, errors = run([model_path, folder, "--output", tmp_path / "out", "--engine=jax"], capsys)
    assert code == 2
    assert "KERAS_BACKEND=jax" in errors
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_an_engine_chooses_the_backend(
    model_path: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")  # for two images only
    process = start(model_path, folder, "--output", tmp_path / "out", "--engine=jax")
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "2 images" in output


@pytest.mark.slow
def test_sigterm_stops_at_once_and_leaves_nothing_half_written(
    model_path: Path, folder: Path, tmp_path: Path, capsys
) -> None:
    for number in range(200):
        write_image(folder / f"{number:03}.jpg", 100, 100)
    command = [model_path, folder, "--output", tmp_path / "out", "--overlay"]
    process = start(*command)
    try:
        for _ in range(6000):
            if len([*(tmp_path / "out").glob("*.png")]) >= 20 or process.poll() is not None:
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert (process.returncode, without_progress(errors)) == (
        143,
        f"Loading {model_path} to label 202 files.\n",
    )
    left = [path.name for path in (tmp_path / "out").rglob(".*")]
    assert left == [STORE_NAME]
    labeled = len([*(tmp_path / "out").rglob("*.png")])
    assert 20 <= labeled < 202
    code, output, _ = run([*command, "--json"], capsys)
    assert code == 0
    document = json.loads(output)
    assert document["labeled"] == 202
    # The last few labels may have been in place, and not yet in the job's store.
    assert 202 - labeled <= document["written"] < 202


def test_labels_cannot_be_written_elsewhere(
    model_path: Path, folder: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, errors = run([model_path, folder, "--output", "s3://bucket/labels"], capsys)
    assert code == 2
    assert "--output: expected a folder on this machine, received 's3://bucket/labels'" in errors
    assert not (tmp_path / "s3:").exists()


@pytest.mark.slow
@eagerly
def test_overlays_have_the_colors_and_the_opacity_that_are_asked_for(
    model_path: Path, folder: Path, tmp_path: Path, capsys
) -> None:
    predictor = Predictor(model_path)
    colors = tmp_path / "colors.txt"
    colors.write_text(
        "".join(f"{name}:9,{index},255\n" for index, name in enumerate(predictor.classes.names))
    )
    for number, options in enumerate(
        [
            {},
            {"palette": "voc"},
            {"opacity": 0.25},
            {"palette": str(colors), "opacity": 0.75},
        ]
    ):
        output = tmp_path / f"out{number}"
        arguments = [
            f"--{'overlay-opacity' if name == 'opacity' else name}={value}" for name, value in options.items()
        ]
        assert run([model_path, folder, "--output", output, "--overlay", *arguments], capsys)[0] == 0
        prediction = predictor.predict(folder / "a.jpg")
        expected = prediction.overlay(**options)
        assert (output / "a.overlay.jpg").read_bytes() == encode_jpeg(expected)


def test_colors_that_cannot_be_used_are_named(model_path: Path, folder: Path, tmp_path: Path, capsys) -> None:
    colors, output = tmp_path / "colors.txt", tmp_path / "out"
    colors.write_text("nothing:1,2,3\n")
    for option, expected in (
        ("--palette=none.txt", "none.txt: cannot be read (No such file"),
        (f"--palette={colors}", "colors.txt: has no color for"),
        ("--overlay-opacity=60", "from 0 to 1, such as 0.5, received '60'"),
        ("--overlay-opacity=half", "received 'half'"),
    ):
        code, _, errors = run([model_path, folder, "--output", output, "--overlay", option], capsys)
        assert (code, expected in errors) == (2, True), errors
        assert not output.exists()
