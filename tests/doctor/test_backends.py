"""Backends that compute or do not, and why one uses no GPU."""

import os
import sys
from pathlib import Path

import pytest

from fcn.doctor.backends import Gpus, _compute, describe_gpus, examine_backends, find_gpus, gpu_flaw

HERE = Gpus(("H200 (driver 570.1)",))
NONE: dict = {"gpus": [], "cuda": None}


@pytest.mark.parametrize(
    ("backend", "found", "gpus", "environment", "platform", "flaw"),
    [
        ("tensorflow", {"gpus": ["gpu:0"], "cuda": None}, HERE, {}, "linux", None),
        ("tensorflow", NONE, Gpus(()), {}, "linux", None),
        ("tensorflow", NONE, HERE, {}, "linux", "pip install 'keras-fcn[gpu]'"),
        ("tensorflow", NONE, HERE, {}, "win32", "WSL2"),
        ("jax", NONE, HERE, {}, "win32", "WSL2"),
        ("torch", {"gpus": [], "cuda": False}, HERE, {}, "win32", "build for CUDA"),
        ("jax", NONE, HERE, {}, "linux", "pip install 'jax[cuda13]'"),
        ("torch", {"gpus": [], "cuda": False}, HERE, {}, "linux", "pip install --force-reinstall torch"),
        ("torch", NONE, HERE, {"CUDA_VISIBLE_DEVICES": "-1"}, "linux", "unset CUDA_VISIBLE_DEVICES"),
        ("torch", NONE, HERE, {"CUDA_VISIBLE_DEVICES": "0"}, "linux", "pip install"),
    ],
)
def test_why_a_backend_uses_no_gpu(
    backend: str,
    found: dict,
    gpus: Gpus,
    environment: dict,
    platform: str,
    flaw: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))  # where its pip is
    said = gpu_flaw(backend, found, gpus, environment, platform)
    assert (said is None) == (flaw is None)
    assert flaw is None or flaw in said[1]


def program(path: Path, text: str, code: int = 0) -> str:
    path.write_text(f"#!/bin/sh\necho '{text}'\nexit {code}\n")
    path.chmod(0o755)
    return str(path)


def test_gpus_and_their_drivers_are_listed(tmp_path: Path) -> None:
    listing = program(tmp_path / "good", "NVIDIA H200, 570.1\nNVIDIA H200, 570.1")
    assert find_gpus(tmp_path, listing).names == ("NVIDIA H200 (driver 570.1)",) * 2
    broken = program(tmp_path / "bad", "Driver/library version mismatch", 18)
    assert find_gpus(tmp_path, broken) == Gpus((), "Driver/library version mismatch")
    assert describe_gpus(find_gpus(tmp_path, broken)).state == "bad"
    assert find_gpus(tmp_path / "none", str(tmp_path / "none")) == Gpus(())
    absent = describe_gpus(find_gpus(tmp_path / "none", broken))
    assert absent.state == "good"
    assert absent.text == "no NVIDIA GPU is here (nvidia-smi: Driver/library version mismatch)"
    assert "none" in find_gpus(tmp_path, str(tmp_path / "none")).flaw  # a device without its program
    assert describe_gpus(Gpus(())).text == "no NVIDIA GPU is here"
    assert "PyTorch alone uses Apple's" in describe_gpus(Gpus(()), "darwin").text


LIBRARY = """
print("a greeting")
class Sum(float):
    sum = lambda self: self
numpy = type("numpy", (), {"ones": lambda count: Sum(TOTAL)})
devices = lambda: [type("Device", (), {"platform": "gpu", "__str__": lambda self: "cuda:0"})()]
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LIBRARY.replace("TOTAL", "2"), {"gpus": ["cuda:0"], "cuda": None}),
        (LIBRARY.replace("TOTAL", "3"), {"error": "ArithmeticError: expected a sum of 2. Received: 3.0"}),
        ("import os\nos._exit(0)", {"error": "its process ended without an answer"}),
    ],
)
def test_what_a_library_prints_is_no_answer(text: str, expected: dict, tmp_path: Path) -> None:
    (tmp_path / "jax.py").write_text(text)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    assert _compute("jax", dict(os.environ) | {"PYTHONPATH": path, "PYTHONOPTIMIZE": "1"}) == expected


@pytest.mark.slow
def test_backends_compute_in_processes_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A package whose process dies as it is imported, as with instructions that a processor lacks.
    (tmp_path / "jax.py").write_text("import os\nos.kill(os.getpid(), 4)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    tensorflow, jax, torch = examine_backends(Gpus(()))
    assert tensorflow.state == "good"
    assert tensorflow.text.endswith("on the CPU; used where KERAS_BACKEND=tensorflow is set")
    assert jax.state == "bad"
    assert "its process ended with code -4" in jax.text
    assert jax.remedy.endswith("pip install --force-reinstall jax")
    assert torch.topic == "PyTorch"
