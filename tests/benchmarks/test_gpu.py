"""Tests of the benchmark for GPUs: what its numbers mean, and that it runs."""

import json
import subprocess
import sys
from pathlib import Path

import gpu
import pytest

SCRIPTS = Path(gpu.__file__).parent

FOUND = {
    "matmul": 8192,
    "forward_flops": 2e12,
    "peak_teraflops": {"jax": 100.0},
    "failures": [{"task": "infer", "batch_size": 8, "framework": "torch", "reason": "no memory"}],
}


def test_rows_are_medians_of_images_and_operations() -> None:
    times = {"jax": [0.2, 9.0, 0.4], "torch": [0.6, 0.5, 0.7]}
    ours, theirs = gpu.rows(times, "train", 8, FOUND)
    assert ours["images_per_second"] == pytest.approx(20)
    assert ours["teraflops"] == pytest.approx(20 * 3 * 2)
    assert ours["share_of_peak"] == pytest.approx(1.2)
    assert ours["ratio_to_torch"] == pytest.approx(0.6 / 0.4)
    assert theirs["ratio_to_torch"] == 1
    assert "share_of_peak" not in theirs  # its matrix product was not measured


def test_the_table_says_what_is_missing() -> None:
    rows = gpu.rows({"jax": [0.5]}, "infer", 8, FOUND)
    lines = gpu.table(FOUND | {"rows": rows}).splitlines()
    assert lines[1].split() == ["infer", "8", "ours,", "jax", "16.00", "-", "32", "32.0%"]
    assert lines[-1] == "not measured: infer 8 torch compiled"


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)


@pytest.mark.exhaustive
def test_the_gpu_benchmark_runs_to_its_end(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    output = tmp_path / "gpu.json"
    done = run("gpu.py", "--tiny", "--output", output, "--limit", 800, "--frameworks", "jax")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(output.read_text())
    assert [(row["task"], row["batch_size"]) for row in found["rows"]] == [
        ("train", 1),
        ("infer", 1),
        ("train", 2),
        ("infer", 2),
    ]
    assert all(row["images_per_second"] > 0 and row["share_of_peak"] > 0 for row in found["rows"])
    assert found["failures"] == []


@pytest.mark.exhaustive
def test_the_benchmark_of_a_training_step_runs() -> None:
    size = ("--size", 32, 48, "--width", 1 / 32, "--rounds", 1, "--warm-up", 1)
    done = run("training_step.py", *size, "--variants", "ours bf16")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nkeras plain " in done.stdout
    assert "\nours bf16 " in done.stdout


@pytest.mark.slow
def test_the_plain_net_is_the_same_net() -> None:
    done = run("plain_fcn.py")
    assert done.returncode == 0, done.stdout + done.stderr
