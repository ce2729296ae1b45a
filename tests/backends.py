"""What the tests of backends and devices share: a thin configuration, and programs of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

from fcn.config import Config
from fcn.data.image_io import encode_label

PROGRAM = Path(__file__).parent / "backend_program.py"
TIMEOUT_SECONDS = 900


def start(backend: str, request: dict, **environment: str) -> subprocess.Popen[str]:
    """Starts a process that Keras runs in on another backend."""
    root = str(PROGRAM.parents[1])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, str(PROGRAM), json.dumps(request, default=str)]
    return subprocess.Popen(
        command,
        env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": paths} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(*processes: subprocess.Popen[str]) -> None:
    """Waits for processes to succeed; none of them outlives this."""
    try:
        for process in processes:
            output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
            assert process.returncode == 0, output
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def write_config(path: Path, root: Path, model: dict | None = None, **train_values) -> Path:
    """Writes a configuration that trains the thinnest net for a few steps; nothing but flips is random."""
    document = {
        "data": {"root": root},
        "augmentation": {"crop_size": (32, 32), "scale": (1.0, 1.0), "color_jitter": 0.0},
        "model": {"net": "fcn32s", "width": 1 / 32, "fc_channels": 8, "dropout": 0.0, **(model or {})},
        "train": {"steps": 4, "batch_size": 4, "learning_rate": 0.05, "log_steps": 1, **train_values},
    }
    path.write_text(Config.model_validate(document).to_yaml())
    return path


def label_fully(root: Path, rng) -> None:
    """Replaces the labels of a data set of 32x32 images and 3 classes by others without void pixels."""
    for path in sorted((root / "SegmentationClass").iterdir()):
        path.write_bytes(encode_label(rng.integers(0, 3, (32, 32), "uint8")))
