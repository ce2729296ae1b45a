"""Starts TensorFlow the way a command line should: quietly, and without taking a whole GPU's memory."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VERBOSITY = "TF_CPP_MIN_LOG_LEVEL"


def start_tensorflow() -> None:
    """Imports TensorFlow and finds its devices.

    Its start-up notices are held back unless the environment sets TF_CPP_MIN_LOG_LEVEL, or something
    goes wrong. GPU memory is taken as it is needed. Where there is an NVIDIA GPU that TensorFlow
    cannot use, that is said, since everything would be many times slower than expected.
    """
    if _VERBOSITY in os.environ:
        _import_tensorflow()
    else:
        os.environ[_VERBOSITY] = "2"
        with _stderr_held_back():
            _import_tensorflow()
    import tensorflow as tf

    if Path("/dev/nvidia0").exists() and not tf.config.list_physical_devices("GPU"):
        print(
            "Warning: there is an NVIDIA GPU, but TensorFlow cannot use it; running on the CPU. "
            "Install the GPU libraries: pip install 'tensorflow[and-cuda]'.",
            file=sys.stderr,
        )


def _import_tensorflow() -> None:
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.constant(0)  # opens the devices, which says more


@contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Keeps what native code writes to stderr, and shows it only if the block fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
