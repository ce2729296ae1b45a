"""What a CPU and TensorFlow can do in bfloat16."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
"""What Linux calls the instructions of a CPU that multiply bfloat16 numbers."""


def bfloat16_instructions() -> tuple[str, ...]:
    """Returns which bfloat16 instructions the CPU has, as Linux calls them; none where nobody can tell."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ()
    flags = next((line for line in text.splitlines() if line.startswith(("flags", "Features"))), "")
    return tuple(sorted(_BFLOAT16_FLAGS & set(flags.split())))


@contextmanager
def bfloat16_graphs(wanted: bool) -> Iterator[None]:
    """Has TensorFlow rewrite the graphs that first run inside of it for oneDNN's bfloat16 kernels, or not.

    Weights stay float32, and so does what goes into a graph and what comes out.

    Args:
        wanted: Whether to.
    """
    import tensorflow as tf

    name = "auto_mixed_precision_onednn_bfloat16"
    before = tf.config.optimizer.get_experimental_options().get(name, False)
    tf.config.optimizer.set_experimental_options({name: wanted})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({name: before})
