"""Shared by tests of backends, devices and killed trainings: a thin configuration, programs, comparisons."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
from keras.ops import convert_to_numpy

from fcn.config.file import Config
from fcn.data.image_io import encode_label
from fcn.runs.model_file import RunFolder, load_average, load_model, load_state
from fcn.training import loss, optimizer

assert loss, optimizer  # Keras finds by name what is imported

PROGRAM = Path(__file__).parent / "backend_program.py"
TIMEOUT_SECONDS = 900
_COMPILED = tempfile.TemporaryDirectory(prefix="jax-")
# JAX need not compile the same program in every process of a test, nor optimize what runs for a few steps.
_JAX = {
    "JAX_COMPILATION_CACHE_DIR": _COMPILED.name,
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    "XLA_FLAGS": "--xla_backend_optimization_level=0",
}


def start(backend: str, request: dict, **environment: str) -> subprocess.Popen[str]:
    """Starts a process that Keras runs in on another backend."""
    root = str(PROGRAM.parents[1])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, str(PROGRAM), json.dumps(request, default=str)]
    return subprocess.Popen(
        command,
        env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": paths} | _JAX | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def start_together(request: dict, count: int = 2, **environment: str) -> list[subprocess.Popen[str]]:
    """Starts processes that do the same, together, on JAX."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together = environment | {
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{port}",
        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(count),
        "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo",
    }
    return [
        start("jax", request, KERAS_DISTRIBUTION_PROCESS_ID=str(index), **together) for index in range(count)
    ]


def finish(*processes: subprocess.Popen[str]) -> list[str]:
    """Waits for processes to succeed, none of which outlives this; returns what they printed."""
    outputs = []
    try:
        for process in processes:
            output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
            assert process.returncode == 0, output
            outputs.append(output)
        return outputs
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
    """Replaces the labels of a data set of 32x32 images and 3 classes by others without void pixels.

    In each, most pixels are of one class, so that the loss depends on which images a batch holds.
    """
    for number, path in enumerate(sorted((root / "SegmentationClass").iterdir())):
        label = rng.integers(0, 3, (32, 32), "uint8")
        label[rng.random((32, 32)) < 0.7] = number % 3
        path.write_bytes(encode_label(label))


def assert_same_training(one: RunFolder, other: RunFolder) -> None:
    """Checks that two trainings have left the same, bit by bit.

    That is weights, averages, the optimizer's variables, the place of random generators, and the best net.
    """
    assert load_state(one.last) == load_state(other.last)
    models = [keras.models.load_model(run.last) for run in (one, other)]
    assert_same_arrays(*(model.optimizer.variables for model in models))
    assert_same_arrays(*(model.weights for model in models))
    if one.load_config().train.ema is not None:
        averages = [keras.models.load_model(run.last, compile=False) for run in (one, other)]
        for average, run in zip(averages, (one, other), strict=True):
            load_average(average, run.last)
        assert_same_arrays(*(average.weights for average in averages))
    assert_same_arrays(*(load_model(run.best).weights for run in (one, other)))


def assert_same_arrays(expected: list[keras.Variable], found: list[keras.Variable]) -> None:
    """Checks that variables are the same, bit by bit."""
    assert len(expected) > 25
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(convert_to_numpy(one), convert_to_numpy(other), err_msg=one.path)
