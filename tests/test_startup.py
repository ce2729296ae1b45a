import os
import subprocess
import sys

import pytest

QUIET = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=QUIET | environment, capture_output=True, text=True, check=False)


def test_tensorflow_starts_without_a_word() -> None:
    done = python(
        "from fcn.startup import start_tensorflow; start_tensorflow(); import tensorflow as tf; tf.zeros(3)"
    )
    # A machine with a GPU that TensorFlow cannot use hears of that, and of nothing else.
    said = [line for line in done.stderr.splitlines() if "there is an NVIDIA GPU" not in line]
    assert (done.returncode, done.stdout, said) == (0, "", [])


def test_it_talks_when_asked_to() -> None:
    done = python("from fcn.startup import start_tensorflow; start_tensorflow()", TF_CPP_MIN_LOG_LEVEL="0")
    assert done.returncode == 0
    assert done.stderr


@pytest.mark.parametrize("error", ["ImportError('broken')", "KeyboardInterrupt()"])
def test_what_was_held_back_is_shown_when_it_fails(error: str) -> None:
    done = python(
        "import os, fcn.startup as startup\n"
        f"def fail(): os.write(2, b'native trouble'); raise {error}\n"
        "startup._import_tensorflow = fail\n"
        "startup.start_tensorflow()\n"
    )
    assert done.returncode != 0
    assert "native trouble" in done.stderr
    assert error.partition("(")[0] in done.stderr
