"""Weight files that hypothesis damages and builds, read in a process whose memory and time are bounded."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent.parent / "weight_fuzz_program.py"
FORMATS = {
    "caffe": ["caffe", "caffe old"],
    "npy": ["npy", "npy protocol 2"],
    "torch zip": ["torch zip"],
    "torch legacy": ["torch legacy"],
    "keras": ["keras"],
    "npz": ["npz", "npz stored"],
    "onnx": ["onnx"],
    "safetensors": ["safetensors"],
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits the address space, as Linux can")


def fuzz(formats, examples, samples, folder):
    arguments = []
    for format in formats:
        for variant in FORMATS[format]:
            path = folder / f"{variant}.sample"
            path.write_bytes(samples[variant][1])
            arguments.append(f"{format}={path}")
    run = subprocess.run(
        [sys.executable, str(PROGRAM), str(examples), str(folder), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path.cwd(),
    )
    assert run.returncode == 0, f"exit code {run.returncode}: {run.stdout[-2000:]}{run.stderr[-4000:]}"


def test_30_files_of_each_format_are_read_or_refused(samples, tmp_path):
    fuzz(FORMATS, 30, samples, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("format", FORMATS)
def test_10000_files_are_read_or_refused(format, samples, tmp_path):
    fuzz([format], 10_000, samples, tmp_path)
