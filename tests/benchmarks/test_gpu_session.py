"""Tests of a session on a GPU: that its parts end, and that all of them run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gpu_session
import limited_parts
import pytest
from half_weights import halve
from limited_parts import Part, run_parts, table

ENVIRONMENT = dict(os.environ)
# Not None in `sys.modules`: Keras takes that for TensorFlow, and asks it whether a graph is traced.
WITHOUT_TENSORFLOW = """
import sys

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent)
"""


def printed(text: str) -> str:
    return text.strip()


def session(output: Path, parts: dict[str, Part], limit: float = 30, total: float = 60) -> dict[str, Any]:
    rows = run_parts(parts, dict.fromkeys(parts, limit), total, output, ENVIRONMENT)
    assert json.loads((output / "session.json").read_text()) == rows
    return {row["part"]: (row["status"], row["result"]) for row in rows}


def test_a_part_that_fails_does_not_end_the_others(tmp_path: Path) -> None:
    parts = {
        "first": Part(("-c", "print('broken'); raise SystemExit(3)"), printed),
        "second": Part(("-c", "print(7)"), printed),
        "third": Part(("-c", "print(8)"), lambda text: str({}[text])),
        "fourth": Part(("-c", "print(9)"), printed, needs=tmp_path / "run"),
    }
    assert session(tmp_path, parts) == {
        "first": ("failed with 3, see first.log", "broken"),
        "second": ("ok", "7"),
        "third": ("ok", "no result (KeyError)"),
        "fourth": ("skipped: there is no net", ""),
    }


def test_a_part_ends_at_its_limit_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited_parts, "GRACE_SECONDS", 0.2)
    deaf = (
        "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    start = time.monotonic()
    found = session(tmp_path, {"deaf": Part(("-c", deaf), printed)}, limit=2)
    assert time.monotonic() - start < 30
    status, child = found["deaf"]
    assert status == "stopped after 2 s"
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("the process that the part started is alive")


def test_parts_for_which_there_is_no_time_are_skipped(tmp_path: Path) -> None:
    parts = {"late": Part(("-c", "print(1)"), printed)}
    assert session(tmp_path, parts, total=0)["late"] == ("skipped: time is up", "")


def test_a_table_has_a_line_for_each_part() -> None:
    row = {"part": "train", "status": "ok", "seconds": 61.2, "result": "step 3"}
    assert table([row]).splitlines()[1].split() == ["train", "61", "ok", "step", "3"]


def test_the_last_object_of_a_log_is_found() -> None:
    text = 'Starting\n{"a": 1}\n{not one}\n{\n  "b": {\n    "c": 2\n  }\n}\nWrote it.\n'
    assert gpu_session.last_json(text) == {"b": {"c": 2}}
    assert gpu_session.last_json("nothing") == {}


def test_the_speed_and_the_best_score_of_a_training_are_read(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("step,images_per_second,mean_iou\n1,2.0,\n2,8.0,\n2,,0.5\n3,4.0,\n3,,0.25\n")
    assert gpu_session.describe_training(log) == "step 3, 4.0 images/s, best mean IoU 0.500"


@pytest.mark.exhaustive
def test_a_quick_session_runs_to_its_end(camvid_root: Path, tmp_path: Path) -> None:
    pytest.importorskip("jax")
    whole = Path(os.environ["FCN_DATA"]) / "weights" / "vgg16_imagenet_notop.h5"
    if not whole.exists():
        pytest.skip(f"needs {whole.name}")
    halve(whole, tmp_path / "half.h5")
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_TENSORFLOW)
    limits = [f"--limit={name}=900" for name in gpu_session.LIMITS]
    done = subprocess.run(
        [
            *(sys.executable, gpu_session.__file__, "--quick", "--camvid", camvid_root, "--total", "3600"),
            *("--weights", tmp_path / "half.h5", "--output", tmp_path / "session", *limits),
        ],
        env=ENVIRONMENT | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "session" / "session.json").read_text())
    assert [row["part"] for row in rows] == ["train", "score", "infer", "folder", "serve", "compare"]
    assert all(row["result"] for row in rows)
