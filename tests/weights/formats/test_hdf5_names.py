import struct

import h5py
import pytest

from fcn.errors import RunError
from fcn.weights.formats import hdf5_names
from fcn.weights.formats.hdf5_names import check_heaps


def with_heap(path, objects):
    """An HDF5 file and one heap of so many empty texts."""
    with h5py.File(path, "w"):
        pass
    heap = struct.pack("<5s3xQ", b"GCOL\1", 16 + 16 * objects) + struct.pack("<HHIQ", 1, 0, 0, 0) * objects
    path.write_bytes(path.read_bytes() + heap)
    return path


def test_texts_of_all_heaps_are_counted(tmp_path, monkeypatch):
    path = with_heap(tmp_path / "net.h5", 1000)
    check_heaps(path)
    monkeypatch.setattr(hdf5_names, "_MAX_HEAP_OBJECTS", 1000)
    check_heaps(path)
    monkeypatch.setattr(hdf5_names, "_MAX_HEAP_OBJECTS", 999)
    with pytest.raises(RunError, match="more than 999 texts"):
        check_heaps(path)


def test_the_heaps_of_a_file_fit_into_it(tmp_path):
    path = with_heap(tmp_path / "net.h5", 10)
    data = path.read_bytes()
    heap = data[data.index(b"GCOL\1") :]
    path.write_bytes(data + heap)
    check_heaps(path)
    # The second is in the content of an object of the first.
    first = struct.pack("<5s3xQ", b"GCOL\1", 32 + len(heap)) + struct.pack("<HHIQ", 1, 0, 0, len(heap))
    path.write_bytes(first + heap)
    with pytest.raises(RunError, match="larger than the file"):
        check_heaps(path)
