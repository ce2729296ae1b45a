"""The newcomer's first command, from an empty folder."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "quickstart.py"


@pytest.mark.slow
def test_quickstart_goes_the_whole_road(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "runs" / "quickstart"
    scores = json.loads((run / "scores.json").read_text())
    assert scores["mean_iou"] >= 0.75
    assert scores["num_images"] == 100
    assert json.loads((run / "scores_other_seed.json").read_text())["mean_iou"] >= 0.70
    assert (run / "export" / "1" / "saved_model.pb").exists()
    assert (run / "report.html").stat().st_size > 100_000
    assert len(list((run / "labels").glob("*.png"))) == 100
    assert len(list((run / "labels").glob("*.overlay.jpg"))) == 100
    for text in ("mean IoU", "Try next", "report.html"):
        assert text in done.stdout
