"""Packages and programs that only some features need."""

import importlib.util
import shutil
from typing import NamedTuple

from fcn.doctor.finding import Finding
from fcn.doctor.remedies import installing, installing_program
from fcn.system.installation import DISTRIBUTION


class Extra(NamedTuple):
    """Optional dependencies of this distribution.

    Attributes:
        modules: Modules of their packages.
        purpose: What needs them.
    """

    modules: tuple[str, ...]
    purpose: str


EXTRAS = {
    "serve": Extra(
        ("fastapi", "grpc", "orjson", "prometheus_client", "google.protobuf", "uvicorn"), "for fcn serve"
    ),
    "openvino": Extra(
        ("openvino", "nncf"), "for export --format openvino and --engine openvino, the fastest on CPUs"
    ),
    "onnx": Extra(("onnx", "onnxruntime"), "for export --format onnx and --engine onnx"),
    "litert": Extra(("ai_edge_litert",), "for export --format litert, for phones, and --engine litert"),
    "geo": Extra(("pyogrio", "rasterio"), "for infer --outputs geotiff,geopackage"),
    "heic": Extra(("pi_heif",), "for images in HEIC, as iPhones write them"),
    "remote": Extra(("aiohttp", "fsspec", "gcsfs", "s3fs"), "for infer of http://, s3:// and gs://"),
    "distributed": Extra(("ray",), "for infer --ray, on many machines"),
}
"""The optional dependencies of `pyproject.toml` but "gpu" and "jax", which are backends."""

_FFMPEG = "for H.264 with sound for videos; VP9 without sound if it is missing"


def examine_extras() -> list[Finding]:
    """Returns a finding for each group of optional packages, and for programs."""
    findings = []
    for name, extra in EXTRAS.items():
        missing = [module for module in extra.modules if not _is_there(module)]
        if not missing:
            findings.append(Finding(name, "good", extra.purpose))
            continue
        text = f"{extra.purpose}: {', '.join(missing)} not installed"
        findings.append(Finding(name, "absent", text, installing(f"{DISTRIBUTION}[{name}]")))
    if shutil.which("ffmpeg"):
        findings.append(Finding("ffmpeg", "good", _FFMPEG.partition(";")[0]))
    else:
        findings.append(Finding("ffmpeg", "absent", _FFMPEG, installing_program("ffmpeg")))
    return findings


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:  # of the package around it
        return False
