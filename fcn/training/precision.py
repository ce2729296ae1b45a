"""What a net computes in while it trains."""

import platform
import sys
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


def set_precision(precision: str) -> None:
    """Makes nets that are built from now on compute in another precision; weights stay float32.

    On a CPU, TensorFlow rewrites its graphs for oneDNN's bfloat16 kernels, which also helps nets built
    before; elsewhere it is Keras' own mixed precision.

    Args:
        precision: "float32" or "bfloat16".
    """
    on_tensorflow_cpu = False
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        on_tensorflow_cpu = not tf.config.list_physical_devices("GPU")
        if on_tensorflow_cpu:
            wanted = precision == "bfloat16" and bool(bfloat16_instructions())
            tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": wanted})
            if precision == "bfloat16" and not wanted:
                print(
                    f"train.precision=bfloat16: this CPU ({platform.machine()}) has no instructions for it; "
                    "computing in float32.",
                    file=sys.stderr,
                )
    mixed = precision == "bfloat16" and not on_tensorflow_cpu
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
