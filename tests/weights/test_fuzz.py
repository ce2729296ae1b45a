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
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits the address space, as Linux can")


def fuzz(format, examples, samples, folder):
    paths = []
    for variant in FORMATS[format]:
        paths.append(folder / f"{variant}.sample")
        paths[-1].write_bytes(samples[variant][1])
    run = subprocess.run(
        [sys.executable, str(PROGRAM), format, str(examples), str(folder), *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path.cwd(),
    )
    assert run.returncode == 0, f"exit code {run.returncode}: {run.stdout[-2000:]}{run.stderr[-4000:]}"


@pytest.mark.parametrize("format", FORMATS)
def test_40_files_are_read_or_refused(format, samples, tmp_path):
    fuzz(format, 40, samples, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("format", FORMATS)
def test_10000_files_are_read_or_refused(format, samples, tmp_path):
    fuzz(format, 10_000, samples, tmp_path)
