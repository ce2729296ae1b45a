"""Commands that are told to stop at any moment."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import pytest
from weight_files import encode_keras, vgg16_arrays

ROOT = Path(__file__).parents[2]
# A module that catches what is raised while it is imported, as packages do that look for an optional part.
GREEDY = """
import os, signal, time
print("importing", flush=True)
try:
    for _ in range(SENT):
        os.kill(os.getpid(), signal.NAME)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        pass
except BaseException as error:
    print("caught", type(error).__name__, flush=True)
print("imported", flush=True)
"""
PROGRAM = """
import signal, sys, time
from fcn.system.stop_signals import StopSignals
signal.signal(signal.SIGINT, signal.default_int_handler)
stop_signals = StopSignals()
try:
    import greedy
    time.sleep(20)
except KeyboardInterrupt:
    print("interrupted")
    sys.exit(stop_signals.exit_code)
"""


def ended(folder: Path, name: str, sent: int, seconds: float) -> tuple[int, list[str]]:
    """Returns the exit code and the output of a program that gets signals while it imports a module."""
    module = GREEDY.replace("NAME", name).replace("SENT", str(sent)).replace("SECONDS", str(seconds))
    (folder / "greedy.py").write_text(module)
    paths = os.pathsep.join([str(ROOT), str(folder)])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=100,
    )
    return done.returncode, done.stdout.splitlines()


def test_a_signal_waits_for_the_end_of_an_import(tmp_path: Path) -> None:
    assert ended(tmp_path, "SIGTERM", 1, 0.3) == (143, ["importing", "imported"])
    assert ended(tmp_path, "SIGTERM", 3, 0.3) == (143, ["importing", "imported"])
    assert ended(tmp_path, "SIGINT", 1, 0.3) == (130, ["importing", "imported", "interrupted"])


DROPPED = """
import os, signal, sys, time
from fcn.system.stop_signals import StopSignals
signal.signal(signal.SIGINT, signal.default_int_handler)

class Dropping:
    def __del__(self):
        os.kill(os.getpid(), signal.NAME)
        time.sleep(0.1)  # what is raised meanwhile is dropped by Python

def catch():
    try:
        os.kill(os.getpid(), signal.NAME)
        time.sleep(1)
    except BaseException:
        print("caught", flush=True)

stop_signals = StopSignals()
try:
    try:
        WAY
        print("goes on", flush=True)
        time.sleep(30)
        print("not stopped")
    finally:
        time.sleep(1.3)
        print("cleaned up", flush=True)
except KeyboardInterrupt:
    time.sleep(0.7)
    print("interrupted")
    sys.exit(stop_signals.exit_code)
finally:
    stop_signals.close()
"""


@pytest.mark.parametrize(("name", "code", "last"), [("SIGTERM", 143, []), ("SIGINT", 130, ["interrupted"])])
@pytest.mark.parametrize(("way", "caught"), [("Dropping()", []), ("catch()", ["caught"])])
def test_what_is_dropped_on_its_way_is_raised_again_and_does_not_disturb_what_cleans_up(
    name: str, code: int, last: list[str], way: str, caught: list[str]
) -> None:
    """Else a server that is told to stop while it starts serves on."""
    program = DROPPED.replace("NAME", name).replace("WAY", way)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.stdout.splitlines() == [*caught, "goes on", "cleaned up", *last]
    assert done.returncode == code


ENDING = """
import atexit, logging, os, signal
from fcn.system.stop_signals import StopSignals

class Teardown:
    def __del__(self):
        print("Python ends its modules", flush=True)

teardown = Teardown()
stop_signals = StopSignals()
atexit.register(print, "cleaned up at exit")
try:
    print("started")
    STOP
finally:
    stop_signals.close()
"""


@pytest.mark.parametrize(
    ("stop", "code", "last"),
    [("os.kill(os.getpid(), signal.SIGTERM)", 143, []), ("", 0, ["Python ends its modules"])],
)
def test_a_process_told_to_stop_ends_before_python_ends_threads_in_native_code(
    stop: str, code: int, last: list[str]
) -> None:
    """Such a thread aborts the process when the library that started it forbids exceptions."""
    done = subprocess.run(
        [sys.executable, "-c", ENDING.replace("STOP", stop)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.stdout.splitlines() == ["started", "cleaned up at exit", *last]
    assert (done.returncode, done.stderr) == (code, "")


COMMANDS = (
    ("train", "recipe.yaml", "--run", "run"),
    ("evaluate", "net.keras", "--data", "data"),
    ("infer", "net.keras", "data/JPEGImages", "--output", "labels"),
    ("export", "net.keras", "exported"),
    ("serve", "net.keras", "--port", "0"),
    ("import", "vgg16.h5", "--output", "imported"),
    ("convolutionalize", "classifier.keras", "--output", "converted.keras"),
    ("inspect", "net.keras"),
    ("compare", "net.keras", "recipe.yaml", "--output", "compared"),
    ("data", "generate", "generated", "--train", "3000"),
)
RECIPE = """
data: {root: data}
model: {width: 0.03125, fc_channels: 8}
train: {steps: 100000, batch_size: 2, learning_rate: 0.01}
"""


def told_to_stop(command: tuple[str, ...], folder: Path, seconds: float) -> int | None:
    """Starts a command in a folder, and sends SIGTERM after a while.

    Returns:
        Its exit code; None if it had ended before, or was just about to.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "fcn", *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(seconds)
        ended, told = process.poll() is not None, time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(300)
        return None if ended or (code in (0, 2) and time.monotonic() - told < 1) else code
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def folder(make_dataset, model_path: Path, tmp_path: Path) -> Path:
    names = {"train": ["a", "b"], "val": [f"v{number}" for number in range(400)]}
    make_dataset(tmp_path / "data", names)
    (tmp_path / "net.keras").write_bytes(model_path.read_bytes())
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "vgg16.h5").write_bytes(encode_keras(vgg16_arrays()))
    layers = keras.layers
    classifier = [keras.Input((32, 32, 3)), layers.Conv2D(8, 3), layers.Flatten(), layers.Dense(5)]
    keras.Sequential(classifier).save(tmp_path / "classifier.keras")
    return tmp_path


@pytest.mark.slow
def test_sigterm_while_tensorflow_is_imported_is_not_lost(folder: Path) -> None:
    # Before the handler is there, the process ends by the signal itself.
    for seconds in (0.8, 1.6):
        assert told_to_stop(COMMANDS[0], folder, seconds) in (143, -signal.SIGTERM)


@pytest.mark.exhaustive
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_sigterm_at_any_moment_ends_a_command(command: tuple[str, ...], folder: Path) -> None:
    chance, codes = random.Random(0), set()
    for _ in range(50):
        # What an earlier try has written would be refused at once.
        shutil.rmtree(folder / "imported", ignore_errors=True)
        (folder / "converted.keras").unlink(missing_ok=True)
        codes.add(told_to_stop(command, folder, chance.uniform(0, 12)))
    assert codes <= {143, -signal.SIGTERM, None}
    assert 143 in codes
