"""Starting Keras' backend, quietly, and together with the other processes of a training."""

import gc
import importlib.util
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fcn.errors import BackendError
from fcn.system.installation import install_command
from fcn.system.optional import missing_package
from fcn.system.stderr import stderr_held_back
from fcn.system.text import in_notebook, print_notice

_BACKENDS = ("tensorflow", "jax", "torch")
"""Backends of Keras, the preferred one first."""
_UNUSED_WITH_JAX = ("IPython", "pandas", "sklearn")
_UNUSED = ("jax", "scipy", *_UNUSED_WITH_JAX)
"""Packages that TensorFlow and Keras import where they are installed, and that nothing here uses."""
_VERBOSITY = "TF_CPP_MIN_LOG_LEVEL"
_PROCESSES = "KERAS_DISTRIBUTION_NUM_PROCESSES"


def start_backend(engine: str = "auto") -> None:
    """Chooses the backend of Keras, and finds its devices.

    An engine that is a backend is chosen, else KERAS_BACKEND, else the first that is installed of TensorFlow,
    JAX and PyTorch. On JAX, the environment variables of `keras.distribution.initialize`
    make this process one of several.

    Args:
        engine: The engine that was asked for; ignored unless it is the name of a backend.

    Raises:
        BackendError: If the backend is not installed, or one process of several does not run on JAX.
    """
    if engine in _BACKENDS:
        os.environ["KERAS_BACKEND"] = engine
    backend = _choose_backend()
    if _PROCESSES in os.environ and backend != "jax":
        raise BackendError(
            f"{_PROCESSES}={os.environ[_PROCESSES]}: expected KERAS_BACKEND=jax, the only backend on "
            f"which several processes train together. Received: {backend}."
        )
    is_first = "keras" not in sys.modules
    if backend == "tensorflow":
        _start_tensorflow()
    elif backend == "jax":
        with _hidden(_UNUSED_WITH_JAX), _without_collection():
            import keras
        if _PROCESSES in os.environ:
            # JAX must know of the other processes before it computes anything.
            keras.distribution.initialize()
            # JAX has installed a handler of its own, which goes on.
            signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    if is_first:
        # Modules stay until the command ends, and hold most of its objects: the collector passes over them.
        gc.freeze()


def prepare_backend() -> None:
    """Chooses a backend for a program that has not; in a notebook TensorFlow starts without its messages.

    Nothing is chosen where the program imported Keras before, set KERAS_BACKEND, or has TensorFlow.

    Raises:
        BackendError: If no backend is installed.
    """
    if "keras" in sys.modules or "tensorflow" in sys.modules:
        return
    has_tensorflow = _is_installed("tensorflow")
    if not has_tensorflow and not os.environ.get("KERAS_BACKEND"):
        _choose_backend()
    if in_notebook() and has_tensorflow and os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
        _start_tensorflow()


@contextmanager
def _hidden(packages: tuple[str, ...]) -> Iterator[None]:
    """Makes importing these packages fail for a while, unless they are imported already.

    With them, importing TensorFlow and Keras takes nearly twice as long (benchmarks/backend_start.py).
    """
    hidden = [package for package in packages if package not in sys.modules]
    # None makes `import` raise an ImportError, as for a package that is not installed.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for package in hidden:
            sys.modules.pop(package, None)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Stops the garbage collector for a while: going through all that many modules make finds no garbage."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _choose_backend() -> str:
    """Returns the backend that Keras will read from the environment."""
    wanted = os.environ.get("KERAS_BACKEND")
    if not wanted:
        wanted = next(filter(_is_installed, _BACKENDS), None)
        if wanted is None:
            raise missing_package("Keras", "tensorflow", remedy="Or install another backend: jax or torch.")
        os.environ["KERAS_BACKEND"] = wanted
    if wanted not in _BACKENDS:
        raise BackendError(f"KERAS_BACKEND={wanted}: expected one of {', '.join(_BACKENDS)}.")
    if not _is_installed(wanted):
        others = ", ".join(filter(_is_installed, _BACKENDS)) or "none is installed"
        raise missing_package(
            f"KERAS_BACKEND={wanted}", wanted, remedy=f"Or choose another backend: {others}."
        )
    return wanted


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ImportError:
        return False


def _start_tensorflow() -> None:
    """Imports TensorFlow and finds its devices.

    Its start-up messages are held back unless the environment sets TF_CPP_MIN_LOG_LEVEL, or something
    fails. GPU memory is taken as it is needed. Warns of an NVIDIA GPU that TensorFlow cannot use, since
    everything would be many times slower than expected.
    """
    if _VERBOSITY in os.environ:
        _import_tensorflow()
    else:
        # Not its errors either: it prints one on every CPU, and raises what goes wrong.
        os.environ[_VERBOSITY] = "3"
        with stderr_held_back():
            _import_tensorflow()
    import tensorflow as tf

    if in_notebook():
        tf.get_logger().setLevel("WARNING")  # there it also tells, twice, where an export has its assets
    if Path("/dev/nvidia0").exists() and not tf.config.list_physical_devices("GPU"):
        print_notice(
            "Warning: there is an NVIDIA GPU, but TensorFlow cannot use it; running on the CPU. "
            f"Install the GPU libraries: {install_command('tensorflow[and-cuda]')}."
        )


def _import_tensorflow() -> None:
    with _hidden(_UNUSED), _without_collection():
        import tensorflow as tf  # imports Keras

    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.constant(0)  # opens the devices, which prints more
