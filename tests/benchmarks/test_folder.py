"""Tests that the benchmark of folders measures what it says."""

from pathlib import Path

import folder as benchmark
import numpy as np
import pytest

from fcn.data.image_io import encode_jpeg
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN


@pytest.fixture
def source(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for index in range(3):
        path = tmp_path / "source" / f"{index}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode_jpeg(rng.integers(0, 256, (20, 30, 3), np.uint8)))
    return tmp_path / "source"


def test_parts_hold_all_copies(source: Path, tmp_path: Path) -> None:
    folders = benchmark.copies(source, 7, tmp_path, 2)
    assert [len(list(folder.iterdir())) for folder in folders] == [4, 3]


@pytest.mark.slow
def test_each_part_is_labeled_both_ways(source: Path, net: FCN, tmp_path: Path) -> None:
    folders = benchmark.copies(source, 4, tmp_path, 2)
    measured = list(benchmark.measure(Predictor(net), folders, tmp_path / "output"))
    assert len(measured) == 2
    assert all(value > 0 for row in measured for value in row)
    assert len(list((tmp_path / "output").rglob("*.png"))) == 4
    assert len(list((tmp_path / "output").rglob("*.overlay.jpg"))) == 4
