"""Tests of the benchmark of bounds: what its numbers mean, and that it runs."""

import subprocess
import sys
from pathlib import Path

import bounds
import numpy as np
import pytest

from fcn.data import image_header
from fcn.data.image_io import encode_jpeg
from fcn.errors import DataError


def test_variants_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []

    def variant(name: str, seconds: float) -> bounds.Seconds:
        def run() -> float:
            order.append(name)
            return seconds * len(order)

        return run

    times = bounds.measure({"a": variant("a", 1), "b": variant("b", 10)}, 2)
    assert order == ["b", "a", "a", "b", "b", "a"]
    assert times == {"a": [3, 6], "b": [40, 50]}


def test_more_is_the_median_of_ratios_within_a_round(capsys: pytest.CaptureFixture[str]) -> None:
    bounds.report("loading", {"unchecked": [0.1, 0.2, 0.4], "checked": [0.2, 0.21, 0.404]})
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["loading", "unchecked", "200.000", "ms", "100.000", "ms", "+0.0%"]
    assert second.split() == ["loading", "checked", "210.000", "ms", "200.000", "ms", "+5.0%"]


def test_without_bounds_nothing_is_refused_and_afterwards_it_is() -> None:
    with bounds.without_bounds():
        image_header.check_sides(1, 2**21, "image")
    with pytest.raises(DataError):
        image_header.check_sides(1, 2**21, "image")


@pytest.mark.exhaustive
def test_the_benchmark_runs(tmp_path: Path, plain_export: Path, model_path: Path) -> None:
    image = tmp_path / "image.jpg"
    image.write_bytes(encode_jpeg(np.zeros((40, 50, 3), np.uint8)))
    here = Path(bounds.__file__)
    command = [here, image, "--before", here.parents[1], "--exported", plain_export, "--keras", model_path]
    done = subprocess.run(
        [sys.executable, *map(str, command), "--rounds", "1", "--images", "3", "--size", "20", "30"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    for title in ("decoding", "loading a SavedModel", "loading a .keras file", "labeling 3 of 64x64"):
        assert sum(line.startswith(title) for line in lines) in (2, 6), title
