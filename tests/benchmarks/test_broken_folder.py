"""Tests that the benchmark of broken files measures what it says."""

from contextlib import suppress
from pathlib import Path

import broken_folder as benchmark
import pytest

from fcn.data.image_io import read_image
from fcn.errors import DataError


def test_one_file_in_ten_is_an_image(tmp_path: Path) -> None:
    assert benchmark.write_files(tmp_path, 1005) == 101
    assert [len(list(folder.iterdir())) for folder in sorted(tmp_path.iterdir())] == [1000, 5]
    readable = 0
    for path in tmp_path.rglob("*.*"):
        with suppress(DataError):
            readable += read_image(path).shape == (24, 32, 3)
    assert readable == 101


@pytest.mark.slow
def test_both_commands_are_measured(model_path: Path, tmp_path: Path) -> None:
    benchmark.write_files(tmp_path / "files", 20)
    checkouts = {"now": benchmark.REPOSITORY}
    costs = benchmark.measure(checkouts, model_path, tmp_path / "files", tmp_path / "out", 1, broken=18)
    assert costs.keys() == {("now", "labeling"), ("now", "again")}
    ((labeling,), (again,)) = costs["now", "labeling"], costs["now", "again"]
    assert labeling.cpu_seconds > again.cpu_seconds > 0
    assert not (tmp_path / "out").exists()
