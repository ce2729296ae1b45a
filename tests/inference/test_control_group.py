"""Files that once took all memory or minutes, with a full net, in a control group of 4 GB."""

import http.client
import json
import os
import subprocess
import time
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from control_group import memory_limit, most_bytes
from PIL import Image

from fcn.data.image_io import encode_png, read_label
from fcn.models.fcn import FCN

pytestmark = pytest.mark.exhaustive

ROOT = Path(__file__).parents[2]
LIMIT = 4_000_000_000
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def encoded(height: int, width: int, form: str, **options: object) -> bytes:
    rng = np.random.default_rng(0)
    buffer = BytesIO()
    Image.fromarray(rng.integers(0, 4, (height, width, 3), np.uint8)).save(buffer, form, **options)
    return buffer.getvalue()


def scanned(times: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = encoded(2000, 2000, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + times * data[last:-2] + data[-2:]


def flat_tiff(height: int, width: int) -> bytes:
    buffer = BytesIO()
    Image.new("L", (width, height)).save(buffer, "TIFF", compression="tiff_adobe_deflate")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "fcn8s.keras"
    FCN(21).save(path)
    return path


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """Files by name; those that begin with "bad" must be refused, the others labeled.

    In one piece the patches of fc6 would take 3.1 GB for the row, and the maps of block 1 would take as much
    for the square.
    """
    return {
        "row.tif": flat_tiff(1, 1_000_000),
        "column.tif": flat_tiff(200_000, 1),
        "three.png": encode_png(np.zeros((3, 100_000, 3), np.uint8)),
        "square.png": encoded(2500, 2500, "PNG"),
        "bad-row.tif": flat_tiff(1, 60_000_000),
        "bad-row2.tif": flat_tiff(1, 3_000_000),
        "bad-scans.jpg": scanned(300),
        "bad-tile.tif": b"II*\0\x08\0\0\0" + b"\x09\0" + _tags(),
    }


def _tags() -> bytes:
    entries = [
        (256, 16),
        (257, 16),
        (258, 8),
        (259, 1),
        (262, 1),
        (322, 24_000),
        (323, 24_000),
        (324, 8),
        (325, 8),
    ]
    return b"".join(
        tag.to_bytes(2, "little") + b"\x04\0\x01\0\0\0" + value.to_bytes(4, "little")
        for tag, value in entries
    ) + bytes(8)


def test_infer_labels_what_it_can_and_refuses_the_rest(
    net: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    with memory_limit(LIMIT) as command:
        line = command(
            "-m", "fcn", "infer", net, folder, "--output", tmp_path / "out", "--memory", "4", "--json"
        )
        done = subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        print(f"most: {(most_bytes(line) or 0) / 1e9:.2f} GB")
    assert done.returncode == 1, done.stderr
    failed = {Path(entry["path"]).name: entry["reason"] for entry in json.loads(done.stdout)["failed"]}
    assert set(failed) == {name for name in files if name.startswith("bad")}, failed
    assert read_label(tmp_path / "out" / "row.png").shape == (1, 1_000_000)
    assert read_label(tmp_path / "out" / "column.png").shape == (200_000, 1)


def test_the_server_answers_all_of_them_and_goes_on(
    net: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    with memory_limit(LIMIT) as command, ExitStack() as stack:
        log = stack.enter_context((tmp_path / "log").open("wb"))
        line = command(
            "-m", "fcn", "serve", net, "--port", "0", "--memory", "4", "--timeout", "600", "--json"
        )
        process = stack.enter_context(
            subprocess.Popen(line, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=log, text=True)
        )
        try:
            assert process.stdout is not None
            started = json.loads(process.stdout.readline())
            for name, data in [*files.items(), ("small.png", encode_png(np.zeros((30, 40, 3), np.uint8)))]:
                connection = http.client.HTTPConnection(started["host"], started["port"], timeout=600)
                begin = time.monotonic()
                connection.request("POST", "/v1/models/fcn:segment", data)
                answer = connection.getresponse()
                body = answer.read()
                connection.close()
                print(f"{name}: {answer.status}, {time.monotonic() - begin:.1f} s")
                expected = 400 if name.startswith("bad") else 200
                assert answer.status == expected, (name, body[:300])
            print(f"most: {(most_bytes(line) or 0) / 1e9:.2f} GB")
        finally:
            process.terminate()
            begin = time.monotonic()
            process.wait(60)
    assert process.returncode == -15 or process.returncode == 143, (tmp_path / "log").read_text()[-2000:]
    assert time.monotonic() - begin < 30
