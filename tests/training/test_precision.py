"""Tests of what a net computes in."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from fcn.system.bfloat16 import bfloat16_instructions
from fcn.training import precision
from fcn.training.precision import computing_in, usable_precision


def product(seed: int = 0) -> np.ndarray:
    """A matrix product in a new graph, which is rewritten as the options are when it first runs."""
    rng = np.random.default_rng(seed)
    one, other = (tf.constant(rng.normal(size=(256, 256)), tf.float32) for _ in range(2))
    return tf.function(lambda: tf.nn.relu(tf.matmul(one, other) + 0.0) + 0.0)().numpy()


def test_graphs_compute_in_bfloat16_inside_and_in_float32_after() -> None:
    if not bfloat16_instructions():
        pytest.skip("this CPU has no bfloat16 instructions")
    exact = product()
    with computing_in("bfloat16"):
        low = product()
    np.testing.assert_array_equal(product(), exact)
    scale = np.abs(exact).max()
    assert 1e-5 * scale < np.abs(low - exact).max() < 0.05 * scale


def test_a_cpu_without_the_instructions_computes_in_float32(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(precision, "bfloat16_instructions", lambda: ())
    assert usable_precision("bfloat16", (64, 64)) == "float32"
    assert "no instructions for it; computing in float32" in capsys.readouterr().err


def test_whole_images_are_computed_in_float32_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(precision, "bfloat16_instructions", lambda: ("amx_bf16",))
    assert usable_precision("bfloat16", None) == "float32"
    assert "crop_size=null" in capsys.readouterr().err
    assert usable_precision("bfloat16", (64, 64)) == "bfloat16"
    assert usable_precision("float32", None) == "float32"
    assert not capsys.readouterr().err


def test_the_policy_of_the_caller_comes_back() -> None:
    keras.config.set_dtype_policy("float64")
    try:
        with computing_in("float32"):
            assert keras.config.dtype_policy().name == "float32"
        assert keras.config.dtype_policy().name == "float64"
    finally:
        keras.config.set_dtype_policy("float32")
