"""Labels as people have them become a trained net in two commands: import, train."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TRAIN = (
    *("train.py", "configs/quickstart.yaml", "--set", "train.steps=20", "--set", "train.warmup_steps=5"),
    *("--set", "model.width=0.0625", "--set", "train.batch_size=2", "--set", "train.learning_rate=0.02"),
)
SOURCES = {  # options, classes, images
    "coco_tiny": ([], 81, 6),
    "labelme_line": ([], 2, 16),
    "labelme_voc_example": ([], 21, 3),
    "labelme2voc_cracks": ([], 3, 40),
    "rgb_masks_soybean": (["--color-tolerance", "64"], 4, 8),
    "mixed_masks_village": ([], 5, 24),
    "size_mismatch_lines": (["--fit", "pad"], 2, 12),
}
FIRST = "labelme2voc_cracks"


def go(*arguments: object) -> str:
    """Runs a command as a user does; returns what it prints."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=900, check=False)
    print(f"$ {shlex.join(['python', *command[1:]])}", done.stdout, done.stderr, sep="\n")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [FIRST, *(pytest.param(name, marks=pytest.mark.exhaustive) for name in SOURCES if name != FIRST)]
)
def test_two_commands_train_a_net(own_root: Path, tmp_path: Path, name: str) -> None:
    options, classes, images = SOURCES[name]
    root, run = tmp_path / "root", tmp_path / "run"
    go("-m", "fcn", "data", "import", own_root / name, "--output", root, *options)
    document = json.loads((root / "import.json").read_text())
    assert sum(document["images"].values()) == images
    assert len((root / "labels.txt").read_text().splitlines()) == classes
    go(*TRAIN, "--run", run, "--set", f"data.root={root}")
    scores = json.loads((run / "scores.json").read_text())
    assert scores["num_images"] == document["images"]["val"]
    assert 0 <= scores["mean_iou"] <= 1
