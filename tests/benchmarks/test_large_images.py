"""Tests that the benchmark of large images compares ways with the same items, and runs."""

import subprocess
import sys
from pathlib import Path

import large_images as benchmark
import pytest

from fcn.config.sections import AugmentationConfig
from fcn.data.stream import TrainingStream


def test_ways_with_other_items_are_refused(tmp_path: Path) -> None:
    examples = benchmark.write_examples(tmp_path, 200)
    crops = AugmentationConfig(crop_size=(16, 16))
    streams = {str(seed): TrainingStream(examples, 6, crops, seed) for seed in (0, 1)}
    benchmark.check_same({"a": streams["0"], "b": streams["0"]}, 2)
    with pytest.raises(ValueError, match="Item 0 differs"):
        benchmark.check_same(streams, 2)


@pytest.mark.slow
def test_the_benchmark_runs() -> None:
    script = Path(benchmark.__file__)
    options = ("--side", "300", "--crop", "32", "--rounds", "1", "--items", "3")
    done = subprocess.run([sys.executable, script, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[-3:]]
    assert [row[0] for row in rows] == ["a.jpg", "b.png", "c.tif"]
    assert all(float(value) > 0 for row in rows for value in row[1:4])
