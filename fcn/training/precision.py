"""What a net computes in while it trains."""

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

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
def computing_in(precision: str) -> Iterator[None]:
    """Makes nets that are built inside of it compute in another precision; weights stay float32.

    On a CPU, TensorFlow rewrites its graphs for oneDNN's bfloat16 kernels; where that CPU has no instructions
    for it, that is said, and everything stays float32. Elsewhere it is Keras' own mixed precision.

    Args:
        precision: "float32" or "bfloat16".
    """
    policy = keras.config.dtype_policy()
    rewrites = keras.backend.backend() == "tensorflow" and not keras.distribution.list_devices("gpu")
    low = precision == "bfloat16"
    if low and rewrites and not bfloat16_instructions():
        print(
            f"train.precision=bfloat16: this CPU ({platform.machine()}) has no instructions for it; "
            "computing in float32.",
            file=sys.stderr,
        )
        low = False
    keras.config.set_dtype_policy("mixed_bfloat16" if low and not rewrites else "float32")
    if rewrites:
        _rewrite_graphs(low)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
        if rewrites:
            _rewrite_graphs(False)


def _rewrite_graphs(wanted: bool) -> None:
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": wanted})
