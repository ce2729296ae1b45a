"""Tests that the benchmark of sparse layers computes what it says, and runs."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sparse_layers as benchmark
from sparse_layers import Layer, build_model, compile_case, draw_weights, find_layers

from fcn.inference.engines.openvino import import_openvino
from fcn.inspection.facts import inspect_model

LAYER = Layer("some", (6, 10), (8, 5), 3)


def test_layers_are_those_of_the_net(thin_net) -> None:
    net = thin_net(8, width=1 / 16, fc_channels=32)
    expected = {one.name: one.multiply_adds for one in inspect_model(net, (44, 60)).layers}
    layers = find_layers((44, 60), 1 / 16, 32)
    found = {layer.name: round(layer.gflop * 1e9 / 2) for layer in layers[:-1]}
    assert found == {name: expected[name] for name in found}
    assert len({layer[1:] for layer in layers}) == len(layers) == 12
    assert layers[-1].gflop == layers[-2].gflop


@pytest.mark.parametrize("layer", [LAYER, LAYER._replace(channels=(64, 48)), LAYER._replace(kernel=0)])
def test_weights_are_as_sparse_as_said(layer: Layer) -> None:
    read, made = layer.channels
    dense, half, tenth = (draw_weights(layer, kind) for kind in ("dense", "half", "tenth"))
    assert dense.all()
    groups = (half != 0).reshape(made, read // 4, 4, -1).sum(axis=2)
    assert (groups == 2).all()
    blocks = -(-read // 16) * -(-made // 16)
    kept = (tenth.reshape(made, read, -1)[:: benchmark.BLOCK, :: benchmark.BLOCK, 0] != 0).sum()
    assert kept == max(1, blocks // 10)
    np.testing.assert_array_equal(tenth[tenth != 0], dense[tenth != 0])


def test_winograd_is_the_products_of_a_convolution() -> None:
    height, width = LAYER.size
    rng = np.random.default_rng(0)
    image = rng.standard_normal((8, height, width))
    kernel = rng.standard_normal((5, 8, 3, 3))
    # The matrices of F(2x2, 3x3) in section 4.1 of Lavin & Gray.
    to_map = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
    to_kernel = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    to_tile = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    tiles = [
        to_map @ padded[:, row : row + 4, column : column + 4] @ to_map.T
        for row in range(0, height, 2)
        for column in range(0, width, 2)
    ]
    maps = np.stack(tiles).transpose(2, 3, 0, 1).reshape(16, -1, 8)
    model = build_model(LAYER, "float32", "winograd")
    assert [tuple(each.get_shape()) for each in model.inputs] == [maps.shape[1:]] * 16
    assert [tuple(each.get_shape()) for each in model.outputs] == [(maps.shape[1], 5)] * 16
    products = maps @ (to_kernel @ kernel @ to_kernel.T).transpose(2, 3, 1, 0).reshape(16, 8, 5)
    made = to_tile @ products.reshape(4, 4, -1, 5).transpose(2, 3, 0, 1) @ to_tile.T
    made = made.reshape(height // 2, width // 2, 5, 2, 2).transpose(2, 0, 3, 1, 4).reshape(5, height, width)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    np.testing.assert_allclose(made, np.einsum("ihwrc,oirc->ohw", windows, kernel), atol=1e-9)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_zeros_are_what_is_computed(precision: str) -> None:
    for kind in ("half", "tenth"):
        case = compile_case(LAYER, precision, kind, 1)
        (found,) = case.request.infer([*case.inputs]).values()
        padded = np.pad(case.inputs[0][0], ((0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        expected = np.einsum("ihwrc,oirc->ohw", windows, draw_weights(LAYER, kind))
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found[0], expected, atol=(0.02 if precision == "int8" else 1e-4) * scale)


@pytest.mark.slow
def test_the_benchmark_runs() -> None:
    script = Path(benchmark.__file__)
    options = ["--size", "32", "48", "--width", "0.0625", "--fc-channels", "16", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, script, *options, "--rounds", "1", "--warm-up", "1"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(script.parents[1])},
    )
    assert done.returncode == 0, done.stderr
    assert import_openvino().__version__ in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if " ms" in line]
    assert {row[0] for row in rows} >= {"block1_conv1", "block4_conv2", "fc6", "fc7"}
    dense = [row for row in rows if row[-6] == "dense"]
    assert len(dense) == 24
    assert all(float(row[-3]) == 1 for row in dense)
    # OpenVINO did compute in int8 what is called so.
    assert all(row[-1].upper().endswith(("I8", "U8")) == ("int8" in row) for row in rows)
