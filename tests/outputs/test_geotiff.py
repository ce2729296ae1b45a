"""Tests of writing a label from its first row to its last."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from rasters import rasterio

from fcn.classes import VOID, Classes
from fcn.data.raster import Georeference
from fcn.outputs.geotiff import TILE, LabelWriter, label_file

CLASSES = Classes.named(("a", "b"))
NOWHERE = Georeference(None, rasterio.Affine.identity(), ([], None), None)


def write(path: Path, size: tuple[int, int]):
    return label_file(path, path, size, NOWHERE, CLASSES)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_parts_of_any_size_become_tiles_and_what_is_not_given_is_void(tmp_path: Path) -> None:
    size = (3 * TILE + 77, 700)
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, size, np.uint8)
    with write(tmp_path / "a.tif", size) as writer:
        for rows in (slice(0, 100), slice(100, 100), slice(100, 1100), slice(1300, size[0])):
            writer.complete(rows.start)
            for columns in (slice(0, 5), slice(5, 700)):
                writer.put((rows, columns), label[rows, columns])
    label[1100:1300] = VOID
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), label)
    np.testing.assert_array_equal(writer.counts, np.bincount(label.ravel(), minlength=256))
    with rasterio.open(tmp_path / "a.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), label)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_only_tiles_that_are_not_complete_wait(tmp_path: Path) -> None:
    with write(tmp_path / "a.tif", (4 * TILE, 30)) as writer:
        assert isinstance(writer, LabelWriter)
        for top in range(0, 4 * TILE, 64):
            writer.complete(top)
            writer.put((slice(top, top + 64), slice(0, 30)), np.zeros((64, 30), np.uint8))
            assert len(writer._waiting) == 1
        with pytest.raises(ValueError, match=f"rows from {3 * TILE} on"):
            writer.put((slice(0, 1), slice(0, 1)), np.zeros((1, 1), np.uint8))
