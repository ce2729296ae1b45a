"""Whether the backends of Keras compute here, and why one does not use a GPU."""

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fcn.doctor.finding import Finding
from fcn.doctor.remedies import installing
from fcn.system.installation import DISTRIBUTION

TITLES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
"""The backends of Keras by the names that KERAS_BACKEND takes, the preferred one first."""

_TEXT: dict[str, Any] = {"encoding": "utf-8", "errors": "replace"}
_SECONDS = 300
"""Time in which a backend starts, also on a slow disk."""

_WITH_GPU = {
    "tensorflow": f"{DISTRIBUTION}[gpu]",
    "jax": "jax[cuda13]",
    "torch": "--force-reinstall torch",
}
"""The package that adds support for NVIDIA GPUs to each backend on Linux."""


class Gpus(NamedTuple):
    """The NVIDIA GPUs of this machine.

    Attributes:
        names: Their names and drivers, as `nvidia-smi` tells them.
        flaw: Why `nvidia-smi` tells nothing; "" if it does, or if neither it nor a device is there.
        has_device: Whether there is a device, if `nvidia-smi` tells nothing.
    """

    names: tuple[str, ...]
    flaw: str = ""
    has_device: bool = True


def find_gpus(device: Path = Path("/dev/nvidia0"), program: str = "nvidia-smi") -> Gpus:
    """Returns the NVIDIA GPUs of this machine, whether or not a library can use them.

    Args:
        device: A file that is there if there is one, on Linux.
        program: NVIDIA's program that lists them.
    """
    command = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, **_TEXT, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Gpus((), str(error) if device.exists() else "")
    if done.returncode:
        said = (done.stdout + done.stderr).strip().partition("\n")[0]
        return Gpus((), said or f"code {done.returncode}", device.exists() or sys.platform == "win32")
    rows = [line.split(", ") for line in done.stdout.splitlines() if line.strip()]
    return Gpus(tuple(f"{row[0]} (driver {row[-1]})" for row in rows))


def describe_gpus(gpus: Gpus, platform: str = sys.platform) -> Finding:
    """Returns what is known of the GPUs themselves.

    Args:
        gpus: The GPUs of this machine.
        platform: As `sys.platform`.
    """
    if gpus.flaw and not gpus.has_device:  # as in a container that was started without a GPU
        return Finding("GPU", "good", f"no NVIDIA GPU is here (nvidia-smi: {gpus.flaw})")
    if gpus.flaw:
        return Finding(
            "GPU", "bad", f"nvidia-smi fails: {gpus.flaw}", "Install NVIDIA's driver for it, then restart."
        )
    if not gpus.names and platform == "darwin":
        return Finding("GPU", "good", "PyTorch alone uses Apple's: install torch, set KERAS_BACKEND=torch")
    return Finding("GPU", "good", "; ".join(gpus.names) or "no NVIDIA GPU is here")


def examine_backends(gpus: Gpus, environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """Returns a finding for each backend of Keras; the one that commands use is named.

    Args:
        gpus: The GPUs of this machine.
        environment: Environment variables.
    """
    versions = {name: _version(name) for name in TITLES}
    wanted = environment.get("KERAS_BACKEND") or next((name for name in TITLES if versions[name]), "")
    findings = []
    for name, title in TITLES.items():
        version = versions[name]
        if version is None:
            needed = name == wanted or (not any(versions.values()) and name == "tensorflow")
            remedy = installing(name) if needed else None
            findings.append(Finding(title, "bad" if needed else "absent", "is not installed", remedy))
            continue
        role = "all commands use it" if name == wanted else f"used where KERAS_BACKEND={name} is set"
        found = _compute(name, environment)
        if "error" in found:
            remedy = installing(f"--force-reinstall {name}")
            findings.append(Finding(title, "bad", f"{version} does not start: {found['error']}", remedy))
            continue
        flaw = gpu_flaw(name, found, gpus, environment)
        if flaw is not None:
            findings.append(Finding(title, "bad", f"{version} on the CPU: {flaw[0]}", flaw[1]))
            continue
        on = ", ".join(found["gpus"]) or "the CPU"
        findings.append(Finding(title, "good", f"{version} on {on}; {role}"))
    if wanted and wanted not in TITLES:
        expected = f"expected one of {', '.join(TITLES)}"
        findings.append(Finding("KERAS_BACKEND", "bad", f"{wanted}: {expected}", "unset KERAS_BACKEND"))
    return findings


def gpu_flaw(
    backend: str,
    found: Mapping[str, Any],
    gpus: Gpus,
    environment: Mapping[str, str],
    platform: str = sys.platform,
) -> tuple[str, str] | None:
    """Returns why a backend uses none of the GPUs that are here, and what mends that; None if it does.

    Args:
        backend: Its name.
        found: What `fcn.doctor.backend_program` has printed.
        gpus: The GPUs of this machine.
        environment: Environment variables.
        platform: As `sys.platform`.
    """
    if found["gpus"] or not gpus.names:
        return None
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return f"CUDA_VISIBLE_DEVICES={visible} hides the GPU", "unset CUDA_VISIBLE_DEVICES"
    if platform == "win32" and backend != "torch":
        return (
            "it uses no GPU on Windows",
            "Use WSL2, or PyTorch's build for CUDA and KERAS_BACKEND=torch (docs/installing.md)",
        )
    remedy = installing(_WITH_GPU[backend])
    if platform == "win32":  # where the usual package is the one for CPUs
        remedy = "Install PyTorch's build for CUDA, with the command of its page Get Started"
    if found["cuda"] is False:
        return "this build of it is for CPUs alone", remedy
    return "it cannot load NVIDIA's libraries", remedy


def _version(package: str) -> str | None:
    for name in (package, f"{package}-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _compute(backend: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Returns what a backend has found, or "error" and why it does not compute."""
    command = [sys.executable, "-m", "fcn.doctor.backend_program", backend]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            **_TEXT,
            timeout=_SECONDS,
            check=False,
            env=dict(environment) | {"KERAS_BACKEND": backend},
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not within {_SECONDS} s"}
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"its process ended with code {done.returncode}"]
        return {"error": said[-1]}
    try:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return {"error": "its process ended without an answer"}
    return found
