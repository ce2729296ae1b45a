"""A `Predictor` in a process that was forked, whose parent's threads are missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, signal, sys
if sys.argv[1] != "jax":
    import lean_keras
import numpy as np
from fcn.errors import BackendError
from fcn.inference.predictor import Predictor

engine, path = sys.argv[1:]

def load():
    return Predictor(path, engine)

def in_a_fork(use):
    sys.stdout.flush()
    child = os.fork()
    if not child:
        signal.alarm(30)  # a hang ends with this signal
        try:
            print(use())
        except BackendError as error:
            print("BackendError:", error)
        sys.stdout.flush()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

image = np.zeros((65, 70, 3), np.uint8)
if engine != "jax":  # which cannot be forked once it is imported
    in_a_fork(lambda: load().predict(image).label.shape)
predictor = load()
in_a_fork(lambda: predictor.predict(image).label.shape)
in_a_fork(lambda: predictor.probabilities(image).shape)
in_a_fork(lambda: predictor.engine.label(image[None]).label.shape)
in_a_fork(lambda: load())
in_a_fork(lambda: Predictor.from_engine(predictor._engine))
print(predictor.predict(image).label.shape)
"""
REMEDY = "load the model after the fork, or use spawn"


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine",
    ["tensorflow", *(pytest.param(name, marks=pytest.mark.exhaustive) for name in ("openvino", "jax"))],
)
def test_a_fork_raises_in_place_of_hanging(engine: str, model_path: Path) -> None:
    pytest.importorskip(engine)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, engine, str(model_path)],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "TF_CPP_MIN_LOG_LEVEL": "3"}
        | {"KERAS_BACKEND": "jax" if engine == "jax" else "tensorflow"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    if engine != "jax":
        assert [lines.pop(0), lines.pop(0)] == ["(65, 70)", "0"]
    assert lines.pop() == "(65, 70)"
    assert lines[1::2] == ["0"] * 5
    for line in lines[::2]:
        assert line.startswith("BackendError:")
        assert REMEDY in line
