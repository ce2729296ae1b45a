"""Support for bfloat16 in the CPU and in TensorFlow."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Linux' names of the instructions that multiply bfloat16 numbers."""


def bfloat16_instructions() -> tuple[str, ...]:
    """Returns Linux' names of the CPU's bfloat16 instructions; none where it does not list them."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ()
    flags = next((line for line in text.splitlines() if line.startswith(("flags", "Features"))), "")
    return tuple(sorted(_BFLOAT16_FLAGS & set(flags.split())))


@contextmanager
def bfloat16_graphs(wanted: bool) -> Iterator[None]:
    """Sets whether TensorFlow rewrites graphs that first run inside for oneDNN's bfloat16 kernels.

    Weights, inputs and outputs of a graph stay float32.

    Args:
        wanted: Whether to rewrite them.
    """
    import tensorflow as tf

    name = "auto_mixed_precision_onednn_bfloat16"
    before = tf.config.optimizer.get_experimental_options().get(name, False)
    tf.config.optimizer.set_experimental_options({name: wanted})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({name: before})
