"""Runs, an export and an unfinished job that earlier code wrote (`tests/fixtures`) go on working.

Only commands, and what `import fcn` offers, are used here: files may move inside the package.
"""

import csv
import http.client
import json
import os
import runpy
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import fcn

ROOT = Path(__file__).parents[1]
FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text())
RUNS = tuple(EXPECTED["runs"])
IMAGE = EXPECTED["data"]["image"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
# What is recorded was computed so. With AVX-512, NumPy draws some pixels of the data set otherwise, and
# oneDNN rounds the gradients of these trainings otherwise: their losses differ by a thousandth.
AVX_512 = ("AVX512F", "AVX512CD", "AVX512_SKX", "AVX512_CLX", "AVX512_CNL", "AVX512_ICL", "AVX512_SPR")
AS_RECORDED = ENVIRONMENT | {
    "NPY_DISABLE_CPU_FEATURES": " ".join(("X86_V4", *AVX_512)),
    "TF_ENABLE_ONEDNN_OPTS": "0",
}
# Without graphs, which take longer to trace than the steps that are left.
RESUME = """
import sys, fcn
from fcn.system.backend import start_backend
start_backend()
from eager_training import eager_training
with eager_training():
    for name in sys.argv[1:]:
        fcn.train(f"runs/{name}/config.yaml", f"runs/{name}", resume=True)
"""

Label = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set of the runs, drawn again."""
    folder = tmp_path_factory.mktemp("data")
    command = [sys.executable, "-m", "fcn", "data", "generate", *EXPECTED["data"]["arguments"]]
    subprocess.run(command, cwd=folder, env=AS_RECORDED, check=True, capture_output=True)
    return folder


def copy_fixtures(data: Path, folder: Path) -> None:
    """Copies the fixtures beside their data set."""
    for name in ("runs", "export", "job"):
        shutil.copytree(FIXTURES / name, folder / name)
    (folder / "drawn").symlink_to(data / "drawn")


@pytest.fixture
def place(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of the fixtures beside their data set, in the folder where commands run."""
    copy_fixtures(data, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def resumed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `place`, in which all runs were resumed."""
    folder = tmp_path_factory.mktemp("resumed")
    copy_fixtures(data, folder)
    paths = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-c", RESUME, *RUNS],
        cwd=folder,
        env=AS_RECORDED | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def read_png(path: Path) -> Label:
    """Returns the class ids of a label."""
    with Image.open(path) as image:
        return np.array(image)


def check_label(label: Label, name: str) -> None:
    """Checks a label of the image; rounding may turn a tie, as it differs between processors."""
    expected = read_png(FIXTURES / "expected" / f"{name}.png")
    assert label.shape == expected.shape
    assert len(np.unique(expected)) > 2
    assert (label == expected).mean() >= 0.998


def check_scores(evaluation: Any, expected: dict[str, float]) -> None:
    """Checks scores against those that were recorded."""
    for name, value in expected.items():
        assert getattr(evaluation.scores, name) == pytest.approx(value, abs=2e-3), name


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_loaded_labels_and_scores(name: str, place: Path) -> None:
    run, expected = place / "runs" / name, EXPECTED["runs"][name]
    assert len(fcn.load_model(run / "checkpoints" / "last.keras").class_names) == 7
    predictor = fcn.Predictor(run)  # with the best
    check_label(predictor.predict(IMAGE).label, name)
    evaluation = fcn.evaluate(predictor, "drawn")
    check_scores(evaluation, expected["scores"])
    kept = json.loads((run / "scores.json").read_text())
    check_scores(evaluation, {key: kept[key] for key in expected["scores"]})


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_a_run_goes_on(name: str, resumed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(resumed)
    run, expected = resumed / "runs" / name, EXPECTED["runs"][name]["resumed"]
    with (run / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    steps = [int(row["step"]) for row in rows]
    assert (steps, steps[-1]) == (sorted(steps), expected["step"])
    *_, taken, scored = rows
    assert float(taken["loss"]) == pytest.approx(expected["last_loss"], rel=1e-3)
    for key, value in expected["last_scores"].items():  # of the average of the weights, where there is one
        assert float(scored[key]) == pytest.approx(value, abs=2e-3), key
    last = fcn.load_model(run / "checkpoints" / "last.keras")
    with np.load(FIXTURES / "expected" / f"{name}.npz") as known:
        assert {weight.path.replace("/", ":") for weight in last.weights} == {*known}
        for weight in last.weights:
            samples = known[weight.path.replace("/", ":")]
            np.testing.assert_allclose(
                sample(np.asarray(weight)), samples, rtol=1e-3, atol=1e-5, err_msg=weight.path
            )
    check_scores(fcn.evaluate(run, "drawn"), expected["scores"])


def sample(weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Returns some of the weights of a layer, and the norm of all, as `make.py` recorded them."""
    return np.append(weights.ravel()[:: max(1, weights.size // 16)], np.linalg.norm(weights))


def infer(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """Labels in this process as `infer.py` does; returns its exit code, and what it prints for machines."""
    before, sys.argv = sys.argv, ["infer.py", *map(str, arguments), "--json"]
    try:
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(ROOT / "infer.py"), run_name="__main__")
    finally:
        sys.argv = before
    return int(stopped.value.code or 0), json.loads(capsys.readouterr().out)


@contextmanager
def manifest(job: Path) -> Iterator[sqlite3.Connection]:
    """Opens the file that holds how far a job is."""
    with closing(sqlite3.connect(job / "labels" / ".fcn-job.sqlite", isolation_level=None)) as connection:
        yield connection


def states(job: Path) -> dict[str, tuple[str, int, int]]:
    """Returns how each image of a job is: status, losses, and how many of these it is to blame for."""
    with manifest(job) as connection:
        rows = connection.execute("SELECT path, status, lost, blamed FROM images").fetchall()
    return {Path(os.fsdecode(path)).stem: tuple(state) for path, *state in rows}


def move(job: Path) -> None:
    """Makes a copied job one of the folder where it lies now, and its images as old as they were."""
    changed = EXPECTED["job"]["changed"]
    for path in (job / "images").iterdir():
        os.utime(path, (changed, changed))
    with manifest(job) as connection:
        (setting,) = connection.execute("SELECT value FROM settings WHERE name = 'input folders'").fetchone()
        folder = json.loads(json.loads(setting)[0])[0]
        connection.execute(
            "UPDATE settings SET value = replace(value, ?, ?) WHERE name = 'input folders'",
            (folder, os.path.realpath(job / "images")),
        )
        for (place,) in connection.execute("SELECT place FROM images").fetchall():
            moved = place.replace(os.fsencode(folder), os.fsencode(job / "images"))
            assert moved != place
            connection.execute("UPDATE images SET place = ? WHERE place = ?", (moved, place))


@pytest.mark.slow
def test_a_job_goes_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = place / "job"
    move(job)
    waiting = {"held": ("doing", 0, 0), "lost": ("waiting", 1, 0), "suspect": ("waiting", 3, 2)} | {
        f"waiting_{index}": ("waiting", 0, 0) for index in range(3)
    }
    done = dict.fromkeys(("done_0", "done_1"), ("done", 0, 0))
    failed = {"failed": ("failed", 0, 0), "blamed": ("failed", 4, 3)}
    assert states(job) == {**waiting, **done, **failed}
    labels = job / "labels"
    before = {name: (labels / f"{name}.png").stat().st_mtime_ns for name in done}

    command = ("runs/largefov", "job/images", "--output", "job/labels")
    code, document = infer(*command, capsys=capsys)
    assert (code, document["written"], document["labeled"]) == (1, 6, 8)
    assert {Path(row["path"]).stem for row in document["failed"]} == {*failed}
    # The one that a killed process had in hand is lost once more, the others as often as before.
    finished = {
        name: ("done", max(lost, name == "held"), blamed) for name, (_, lost, blamed) in waiting.items()
    }
    assert states(job) == {**finished, **done, **failed}
    assert {name: (labels / f"{name}.png").stat().st_mtime_ns for name in done} == before
    predictor = fcn.Predictor("runs/largefov")
    for name in (*done, *waiting):
        label = predictor.predict(job / "images" / f"{name}.jpg").label
        assert (read_png(labels / f"{name}.png") == label).mean() >= 0.998, name
    with manifest(job) as connection:
        assert connection.execute("SELECT count(*) FROM workers").fetchone() == (0,)
    assert [path.name for path in labels.glob(".*")] == [".fcn-job.sqlite"]

    code, document = infer(*command, capsys=capsys)
    assert (code, document["written"], document["labeled"]) == (1, 0, 8)
    code, document = infer(*command, "--retry-failed", capsys=capsys)
    assert (code, document["written"], document["labeled"]) == (1, 1, 9)
    assert [Path(row["path"]).stem for row in document["failed"]] == ["failed"]
    shutil.copyfile(job / "images" / "held.jpg", job / "images" / "failed.jpg")
    code, document = infer(*command, capsys=capsys)
    assert (code, document["written"], document["labeled"], document["failed"]) == (0, 1, 10, [])


PACKAGES = {"openvino": "openvino", "onnx": "onnxruntime", "litert": "ai_edge_litert"}


@pytest.mark.parametrize("engine", ["auto", "tensorflow", "openvino", "onnx", "litert"])
def test_an_export_labels_and_scores(engine: str, place: Path) -> None:
    pytest.importorskip(PACKAGES.get(engine, "fcn"))
    predictor = fcn.Predictor("export", engine, "float32")
    check_label(predictor.predict(IMAGE).label, "export")
    check_scores(fcn.evaluate(predictor, "drawn"), EXPECTED["runs"]["largefov"]["scores"])


def read_image() -> Label:
    """Returns the image as a batch of one."""
    with Image.open(IMAGE) as image:
        return np.array(image)[np.newaxis]


def test_an_exports_onnx_labels(place: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession("export/1/onnx/model.onnx")
    (label,) = session.run(["label"], {"images": read_image()})
    check_label(label[0], "export")


def test_an_exports_litert_labels(place: Path) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(
        "export/1/litert/model.tflite"
    )
    predict = interpreter.get_signature_runner("predict")
    check_label(predict(images=read_image())["label"][0], "export")


def test_a_folder_is_labeled_with_an_export(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "images").mkdir()
    shutil.copy(IMAGE, place / "images" / "image.jpg")
    code, document = infer("export", "images", "--output", "labels", capsys=capsys)
    assert (code, document["labeled"]) == (0, 1)
    check_label(read_png(place / "labels" / "image.png"), "export")


def turned(path: Path) -> Label:
    """Writes the image with EXIF orientation 6; returns its stored pixels."""
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(IMAGE) as image:
        image.save(path, quality=95, exif=exif)
    with Image.open(path) as image:
        return np.array(image)


@pytest.mark.slow
def test_a_job_goes_on_in_stored_order_and_says_so(
    place: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = place / "job"
    move(job)
    stored = turned(job / "images" / "turned.jpg")
    predictor = fcn.Predictor("runs/largefov")
    command = ["infer.py", "runs/largefov", "job/images", "--output", "job/labels"]
    for options, pixels, says_so in (([], stored, True), (["--restart"], np.rot90(stored, -1).copy(), False)):
        monkeypatch.setattr(sys, "argv", [*command, *options])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(ROOT / "infer.py"), run_name="__main__")
        assert stopped.value.code == 1  # an image is damaged
        assert ("in stored pixel order" in capfd.readouterr().err) == says_so
        label = read_png(job / "labels" / "turned.png")
        assert label.shape == pixels.shape[:2]
        assert (label == predictor.predict(pixels).label).mean() >= 0.998


def test_an_export_labels_upright_and_says_what_its_graph_does(
    place: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = turned(place / "turned.jpg")
    monkeypatch.setattr(sys, "argv", ["infer.py", "export", "turned.jpg", "--output", "labels"])
    for _ in range(2):
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(ROOT / "infer.py"), run_name="__main__")
        assert not stopped.value.code
    assert capfd.readouterr().err.count("was exported by an older version") == 1
    upright = np.rot90(stored, -1).copy()
    label = fcn.Predictor("export").predict(upright).label
    assert (read_png(place / "labels" / "turned.png") == label).mean() >= 0.998


@pytest.mark.slow
def test_an_export_is_served(place: Path, python: Path) -> None:
    command = [python, "-m", "fcn", "serve", "export", "--port", "0", "--json"]
    with (place / "log").open("wb") as log:
        server = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert server.stdout is not None
        said = json.loads(server.stdout.readline() or "{}")
        connection = http.client.HTTPConnection(said["host"], said["port"], timeout=60)
        with closing(connection):
            connection.request("POST", "/v1/models/fcn:segment?output=ids", Path(IMAGE).read_bytes())
            answer = connection.getresponse()
            (place / "label.png").write_bytes(answer.read())
        assert (answer.status, answer.headers["X-Fcn-Version"]) == (200, "1")
        check_label(read_png(place / "label.png"), "export")
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    finally:
        server.kill()
        server.wait()
    assert server.returncode == 128 + signal.SIGTERM
    assert (place / "log").read_text().count("was exported by an older version") == 1
