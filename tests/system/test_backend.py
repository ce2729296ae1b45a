import os
import subprocess
import sys

import pytest

QUIET = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=QUIET | environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_tensorflow_starts_without_a_word() -> None:
    done = python(
        "from fcn.system.backend import start_backend; start_backend(); import tensorflow as tf; tf.zeros(3)"
    )
    # A machine with a GPU that TensorFlow cannot use hears of that, and of nothing else.
    said = [line for line in done.stderr.splitlines() if "there is an NVIDIA GPU" not in line]
    assert (done.returncode, done.stdout, said) == (0, "", [])


@pytest.mark.exhaustive
def test_it_talks_when_asked_to() -> None:
    done = python("from fcn.system.backend import start_backend; start_backend()", TF_CPP_MIN_LOG_LEVEL="0")
    assert done.returncode == 0
    assert done.stderr


@pytest.mark.parametrize("error", ["ImportError('broken')", "KeyboardInterrupt()"])
def test_what_was_held_back_is_shown_when_it_fails(error: str) -> None:
    done = python(
        "import os, fcn.system.backend as startup\n"
        f"def fail(): os.write(2, b'native trouble'); raise {error}\n"
        "startup._import_tensorflow = fail\n"
        "startup.start_backend()\n"
    )
    assert done.returncode != 0
    assert "native trouble" in done.stderr
    assert error.partition("(")[0] in done.stderr


def choose(installed: set[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Starts a backend in a process that finds some packages only."""
    return python(
        "import os, fcn.system.backend as startup\n"
        "from fcn.errors import FcnError\n"
        f"startup._is_installed = {installed!r}.__contains__\n"
        "startup._start_tensorflow = lambda: None\n"
        "try: startup.start_backend(); print(os.environ['KERAS_BACKEND'])\n"
        "except FcnError as error: print('Error:', error)\n",
        **{"KERAS_BACKEND": "", **environment},
    )


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [
        ({"tensorflow", "jax", "torch"}, "tensorflow"),
        ({"jax", "torch"}, "jax"),
        ({"torch"}, "torch"),
    ],
)
def test_the_first_backend_that_is_installed_is_chosen(installed: set[str], chosen: str) -> None:
    assert choose(installed).stdout.strip() == chosen


@pytest.mark.parametrize(
    ("installed", "set_before", "chosen"),
    [
        ({"tensorflow", "jax"}, "", "nothing"),  # Keras chooses TensorFlow itself
        ({"jax", "torch"}, "", "jax"),
        ({"torch"}, "", "torch"),
        ({"jax", "torch"}, "torch", "torch"),
        (set(), "", "the package tensorflow is not installed"),
    ],
)
def test_a_program_gets_a_backend_that_is_installed(
    installed: set[str], set_before: str, chosen: str
) -> None:
    done = python(
        "import os, fcn, fcn.system.backend as startup\n"
        f"startup._is_installed = {installed!r}.__contains__\n"
        "fcn.load_config; assert not os.environ['KERAS_BACKEND'] or os.environ['KERAS_BACKEND'] == 'torch'\n"
        "try: startup.prepare_backend(); print(os.environ['KERAS_BACKEND'] or 'nothing')\n"
        "except fcn.errors.FcnError as error: print(error)\n",
        KERAS_BACKEND=set_before,
    )
    assert chosen in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("installed", "wanted", "reason"),
    [
        (set(), "", "the package tensorflow is not installed"),
        ({"tensorflow"}, "jax", "the package jax is not installed"),
        ({"tensorflow"}, "theano", "expected one of tensorflow, jax, torch"),
    ],
)
def test_a_backend_that_cannot_be_had_is_refused(installed: set[str], wanted: str, reason: str) -> None:
    said = choose(installed, KERAS_BACKEND=wanted).stdout
    assert said.startswith("Error:")
    assert reason in said


def test_several_processes_need_jax() -> None:
    said = choose({"tensorflow"}, KERAS_DISTRIBUTION_NUM_PROCESSES="2").stdout
    assert "expected KERAS_BACKEND=jax" in said


@pytest.fixture(scope="module")
def started() -> list[str]:
    """What a process prints that starts TensorFlow twice."""
    done = python(
        "import gc, sys; from fcn.system.backend import start_backend; start_backend()\n"
        "print([name for name in ('IPython', 'jax', 'pandas', 'scipy', 'sklearn') if name in sys.modules])\n"
        "frozen = gc.get_freeze_count(); kept = [[]]; start_backend()\n"
        "print(gc.isenabled(), frozen > 100_000, gc.get_freeze_count() == frozen)\n"
        "import scipy.ndimage; print(scipy.ndimage.label([1, 0, 1])[1])",
        KERAS_BACKEND="tensorflow",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_packages_that_nothing_here_uses_are_not_imported(started: list[str]) -> None:
    assert started[0] == "[]"
    assert started[2] == "2"


@pytest.mark.slow
def test_the_collector_passes_over_modules_and_not_over_what_a_program_makes_later(
    started: list[str],
) -> None:
    assert started[1] == "True True True"
