"""Commands where modules, names and rules of Windows hold, as far as `sitecustomize.py` imitates them."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from textwrap import indent

import cv2
import httpx
import numpy as np
import pytest

from fcn.data.generated.dataset import generate_dataset
from fcn.data.image_io import read_image
from fcn.jobs.plan import _found_row
from fcn.jobs.sources.search import FoundImage

HERE = Path(__file__).parent
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent), str(HERE.parents[1])]),
    "PYTHONWARNDEFAULTENCODING": "1",
    "WINDOWS_LIKE": "1",
}
EXPORT = HERE.parent / "fixtures" / "export"
SMALL = (
    *("data.root=data", "augmentation.crop_size=[32,32]", "model.width=0.03125", "model.fc_channels=8"),
    *("train.steps=2", "train.checkpoint_steps=1", "train.keep_checkpoints=2"),
)
PROGRAM = """
import json, sys
from fcn.cli.main import main

for command in json.loads(sys.argv[1]):
    try:
        main(command)
    except SystemExit as end:
        if end.code:
            sys.exit(f"{command}: {end.code}")
"""
# A graph for a few steps takes longer than they do.
EAGER_PROGRAM = f"""
from fcn.system.backend import start_backend
start_backend()
from eager_training import eager_training

with eager_training():
{indent(PROGRAM, "    ")}
"""


def run(folder: Path, program: str, *arguments: str) -> str:
    """Returns what a program prints; it and the processes that it starts find what Windows has."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_the_imitation_lacks_what_windows_lacks(tmp_path: Path) -> None:
    (tmp_path / "open.txt").touch()
    program = """
from pathlib import Path
from fcn.system import atomic_folder, files, memory, stop_signals

path = Path("open.txt")
with path.open() as file:
    files.remove(path)
print(path.exists(), hasattr(stop_signals.signal, "setitimer"), files.os.name)
print(memory.sys.platform, memory._peak_elsewhere())
"""
    assert run(tmp_path, program).split("\n")[:2] == ["True False nt", "win32 None"]


@pytest.mark.slow
def test_a_net_is_trained_resumed_and_labels_images(tmp_path: Path) -> None:
    generate_dataset(tmp_path / "data", num_train=4, num_val=2, seed=1)
    images = tmp_path / "images"
    images.mkdir()
    image = read_image(next((tmp_path / "data" / "JPEGImages").iterdir()))
    # TIFF is decoded in another process, which gets a socket.
    for name in ("straße.jpg", "b.tiff"):
        (images / name).write_bytes(cv2.imencode(Path(name).suffix, image[..., ::-1])[1].tobytes())
    sets = [part for value in SMALL for part in ("--set", value)]
    commands = [
        ["train", "quickstart", "--run", "run", *sets],
        ["train", "--resume", "run", "--set", "train.steps=3"],
        ["infer", "run", "images", "--output", "labels", "--outputs", "ids,areas,labelme"],
        ["data", "export", "labels", "--format", "labelme", "--output", "to_correct"],
        ["data", "import", "to_correct", "--output", "again"],
    ]
    printed = run(tmp_path, EAGER_PROGRAM, json.dumps(commands))
    assert "Next: python infer.py run" in printed
    assert {"straße.png", "b.png", "areas.csv"} <= set(os.listdir(tmp_path / "labels"))
    assert len(os.listdir(tmp_path / "again" / "JPEGImages")) == 2


@pytest.mark.slow
def test_two_processes_label_images(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in "abc":
        cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), np.zeros((32, 40, 3), np.uint8))
    command = ["infer", str(EXPORT), "images", "--output", "labels", "--workers", "2"]
    run(tmp_path, PROGRAM, json.dumps([command]))
    assert {"a.png", "b.png", "c.png"} <= set(os.listdir(tmp_path / "labels"))


@pytest.mark.slow
def test_a_server_starts_and_labels_an_image(tmp_path: Path) -> None:
    command = ["serve", str(EXPORT), "--port", "0"]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps([command])],
            cwd=tmp_path,
            env=ENVIRONMENT,
            stdout=log,
            stderr=log,
        ) as server,
    ):
        try:
            for _ in range(3000):
                printed = (tmp_path / "log").read_text(encoding="utf-8")
                address = re.search(r"http://127\.0\.0\.1:\d+", printed)
                if address or server.poll() is not None:
                    break
                time.sleep(0.1)
            assert address, printed[-4000:]
            data = cv2.imencode(".png", np.zeros((32, 40, 3), np.uint8))[1].tobytes()
            answer = httpx.post(f"{address[0]}/v1/models/fcn:segment", content=data, timeout=300)
        finally:
            server.kill()  # what `terminate` does on Windows
    assert answer.status_code == 200, answer.text
    label = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert label.shape[:2] == (32, 40)


def test_names_of_outputs_have_slashes_on_every_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sep", "\\")
    found = FoundImage(str(tmp_path / "a.jpg"), "cats\\old\\a.jpg", "cats\\old")
    row = _found_row(found, tmp_path)
    assert row[2:6] == (b"cats/old", b"cats/old/a", b"cats/old/a.jpg", b"cats/old/a.jpg")
