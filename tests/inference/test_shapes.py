"""Memory that nets take for images of every shape, measured and estimated."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import ctypes, gc, json, sys
from fcn.system.backend import start_backend
start_backend()
import numpy as np
import tensorflow as tf
from fcn.inference.engines.choose import open_engine
from fcn.inference.engines.tensorflow import TensorFlowEngine
from fcn.inference.tiling.memory import labeling_bytes
from fcn.models.factory import build_model

options, shapes = json.loads(sys.argv[1]), json.loads(sys.argv[2])
in_parts = options.pop("in_parts", False)
net = build_model(options.pop("net"), **options)
engine = open_engine(net)
if in_parts:  # as Keras and earlier exports compute it
    engine = TensorFlowEngine(
        net.classes,
        lambda images: net(tf.cast(images, tf.float32), training=False),
        "float32",
        engine.net,
    )
trim = ctypes.CDLL(None).malloc_trim


def kilobytes(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name + ":"))


def take_free_memory():
    # On CPUs for which TensorFlow uses oneDNN, it keeps what it has freed: a net would be labeled in it.
    taken, fresh = [], 0
    while fresh < 8:
        before = kilobytes("VmRSS")
        taken.append(tf.ones(2**22))
        fresh = fresh + 1 if kilobytes("VmRSS") - before > 2**13 else 0
    return taken


engine.label(np.zeros((1, 33, 33, 3), np.uint8))
taken = []
for height, width in shapes:
    image = np.zeros((1, height, width, 3), np.uint8)
    gc.collect()
    trim(0)
    taken += take_free_memory()
    before = kilobytes("VmRSS")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # forgets the highest so far
    label = engine.label(image)
    most = kilobytes("VmHWM") - before
    print(json.dumps([height, width, most * 1024, labeling_bytes(engine.net, height, width)]), flush=True)
    del label
"""


def check(options: dict[str, object], shapes: list[tuple[int, int]]) -> None:
    """Labels images of some shapes, and checks that the estimates are at most a fifth too low."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(options), json.dumps(shapes)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    print("\n".join(f"{row}: {row[3] / row[2]:.2f}" for row in rows))
    assert len(rows) == len(shapes)
    for height, width, measured, estimated in rows:
        assert measured > 30e6, "too little to be measured"
        assert estimated >= 0.8 * measured, (height, width, measured, estimated)


THIN = {"width": 1 / 8, "fc_channels": 512, "num_classes": 21}


@pytest.mark.slow
@pytest.mark.parametrize("net", ["fcn8s", pytest.param("fcn32s", marks=pytest.mark.exhaustive)])
def test_thin_nets_take_no_more_than_estimated(net: str) -> None:
    check({"net": net} | THIN, [(1, 300_000), (300_000, 1), (3, 150_000), (700, 700)])


@pytest.mark.slow
@pytest.mark.parametrize("in_parts", [False, True])
def test_a_dilated_layer_takes_no_more_than_estimated_for_a_single_row(in_parts: bool) -> None:
    """In parts, it cuts a row into as many as its rate of dilation, each with its own padding."""
    check({"net": "largefov", "in_parts": in_parts} | THIN | {"fc_channels": 1024}, [(1, 60_000)])


@pytest.mark.exhaustive
@pytest.mark.parametrize("net", ["fcn16s", "fcn8s_at_once", "context", "largefov", "fcn8s_largefov"])
def test_other_thin_nets_take_no_more_than_estimated(net: str) -> None:
    check({"net": net} | THIN, [(1, 300_000), (300_000, 1), (3, 150_000), (31, 20_000), (700, 700)])


@pytest.mark.exhaustive
@pytest.mark.parametrize("net", ["fcn32s", "fcn16s", "fcn8s", "context", "largefov", "frontend"])
def test_thin_nets_of_the_published_geometry_take_no_more_than_estimated(net: str) -> None:
    check(
        {"net": net, "geometry": "reference"} | THIN,
        [(1, 6000), (6000, 1), (3, 6000), (31, 6000), (700, 700)],
    )


@pytest.mark.exhaustive
@pytest.mark.parametrize("net", ["fcn8s", "fcn32s", "context", "largefov"])
def test_full_nets_take_no_more_than_estimated(net: str) -> None:
    check(
        {"net": net, "num_classes": 21}, [(1, 100_000), (100_000, 1), (3, 50_000), (31, 10_000), (600, 600)]
    )


@pytest.mark.exhaustive
@pytest.mark.parametrize("input_scale", [0.5, 0.37])
def test_nets_that_make_images_smaller_take_no_more_than_estimated(input_scale: float) -> None:
    options = {"net": "fcn8s", "input_scale": input_scale} | THIN
    check(options, [(1, 600_000), (600_000, 1), (3, 300_000), (1400, 1400)])
