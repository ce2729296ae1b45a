"""Tests of reading SBD's labels, from files that SciPy writes and from damaged and hostile ones."""

import signal
import struct
import tracemalloc
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat
from scipy.sparse import csc_array

from fcn.data.sbd import find_sbd, read_sbd_label
from fcn.errors import DataError

HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"


def write_sbd_label(path: Path, label: Any, compress: bool = True) -> Path:
    """Writes a label with all that SBD's own hold."""
    borders = np.empty((20, 1), object)
    for index in range(20):
        borders[index, 0] = csc_array((np.asarray(label) == index + 1).astype(float))
    classes = np.setdiff1d(np.unique(label), [0]).astype(np.uint8)[:, None]
    content = {"Boundaries": borders, "Segmentation": label, "CategoriesPresent": classes}
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"GTcls": content}, do_compression=compress)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_sbd_label(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("shape", [(500, 375), (375, 500), (1, 7), (7, 1), (1, 1)])
def test_a_label_is_read_as_it_was_written(
    tmp_path: Path, rng: np.random.Generator, shape: tuple[int, int], compress: bool
) -> None:
    label = rng.integers(0, 21, shape, np.uint8)
    found = read_sbd_label(write_sbd_label(tmp_path / "a.mat", label, compress))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, label)


def test_a_label_full_of_what_looks_like_matrices_is_read(tmp_path: Path) -> None:
    label = np.zeros((500, 500), np.uint8)
    label[::24, :] = 14  # columns are stored one after the other; motorbikes, as a fence
    np.testing.assert_array_equal(read_sbd_label(write_sbd_label(tmp_path / "a.mat", label)), label)


@pytest.mark.parametrize(
    "content",
    [
        {"other": 1},
        {"GTcls": 1},
        {"GTcls": {"Boundaries": 1}},
        {"GTcls": {"Segmentation": np.zeros((4, 4), np.int32)}},
        {"GTcls": {"Segmentation": np.zeros((4, 4, 3), np.uint8)}},
        {"GTcls": {"Segmentation": np.zeros((0, 4), np.uint8)}},
        {"GTcls": {"Segmentation": "text"}},
        {"GTcls": {"Segmentation": {"nested": 1}}},
        {"GTcls": np.zeros((0, 1), [("Segmentation", object)])},
    ],
)
def test_other_matlab_files_are_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    savemat(tmp_path / "a.mat", content)
    refusal(tmp_path / "a.mat")


@pytest.mark.parametrize("content", [b"", b"MATLAB", HEAD, HEAD + b"123", b"\x89HDF\r\n" * 30, HEAD * 10])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mat").write_bytes(content)
    refusal(tmp_path / "a.mat")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "none.mat")


@pytest.mark.parametrize("compress", [True, False])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, rng: np.random.Generator, compress: bool) -> None:
    whole = write_sbd_label(tmp_path / "a.mat", rng.integers(0, 21, (9, 9), np.uint8), compress).read_bytes()
    for end in range(0, len(whole) - 1, 13):
        (tmp_path / "cut.mat").write_bytes(whole[:end])
        refusal(tmp_path / "cut.mat")


@pytest.mark.parametrize("compress", [True, False])
def test_a_damaged_byte_gives_a_label_or_a_refusal(
    tmp_path: Path, rng: np.random.Generator, compress: bool
) -> None:
    label = rng.integers(0, 21, (9, 9), np.uint8)
    whole = write_sbd_label(tmp_path / "a.mat", label, compress).read_bytes()
    refused = 0
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[rng.integers(128, len(whole))] = rng.integers(256)
        (tmp_path / "damaged.mat").write_bytes(damaged)
        try:
            found = read_sbd_label(tmp_path / "damaged.mat")
        except DataError:
            refused += 1
        else:
            assert found.size == 81
    assert refused > 10


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    buffer = BytesIO()
    savemat(buffer, {"GTcls": {"Segmentation": np.zeros((5000, 5000), np.uint8)}}, do_compression=True)
    assert len(buffer.getvalue()) < 100_000
    (tmp_path / "a.mat").write_bytes(buffer.getvalue())
    assert "unpacks to more than" in refusal(tmp_path / "a.mat")
    (tmp_path / "a.mat").write_bytes(HEAD + bytes(1 << 22))
    assert "more than 4194304 bytes" in refusal(tmp_path / "a.mat")


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def test_files_of_the_other_byte_order_are_read(tmp_path: Path) -> None:
    """Written out by hand, since SciPy writes only its own machine's order."""

    def big(kind: int, content: bytes) -> bytes:
        return struct.pack(">II", kind, len(content)) + content + bytes(-len(content) % 8)

    def matrix(kind: int, height: int, width: int, name: bytes) -> bytes:
        return big(6, struct.pack(">II", kind, 0)) + big(5, struct.pack(">ii", height, width)) + big(1, name)

    size = struct.pack(">HHi", 4, 5, 16)  # four bytes of type 5 in the tag itself
    names = big(1, b"Other".ljust(16, b"\0") + b"Segmentation".ljust(16, b"\0"))
    other = big(14, matrix(9, 1, 1, b"") + struct.pack(">HHi", 1, 2, 0))
    label = big(14, matrix(9, 2, 3, b"") + big(2, bytes([1, 4, 2, 5, 3, 6])))
    content = big(14, matrix(2, 1, 1, b"GTcls") + size + names + other + label)
    (tmp_path / "a.mat").write_bytes(HEAD[:-4] + b"\1\0MI" + big(14, matrix(9, 1, 1, b"x")) + content)
    assert read_sbd_label(tmp_path / "a.mat").tolist() == [[1, 2, 3], [4, 5, 6]]


def test_cells_in_cells_do_not_overflow_the_stack(tmp_path: Path) -> None:
    shape = element(6, struct.pack("<II", 1, 0)) + element(5, struct.pack("<ii", 1, 1))
    shape_of_struct = element(6, struct.pack("<II", 2, 0)) + element(5, struct.pack("<ii", 1, 1))
    nested = element(9, b"\1")
    prefix, depth = shape + element(1, b""), 400_000
    lengths = [len(nested) + (len(prefix) + 8) * level for level in range(depth, 0, -1)]
    cells = b"".join(struct.pack("<II", 14, length - 8) + prefix for length in lengths) + nested
    named = shape + element(1, b"GTcls")
    content = zlib.compress(struct.pack("<II", 14, len(named) + len(cells)) + named + cells)
    (tmp_path / "a.mat").write_bytes(HEAD + struct.pack("<II", 15, len(content)) + content)
    assert "unpacks to more than" in refusal(tmp_path / "a.mat")
    lengths, depth = lengths[-20_000:], 20_000
    cells = b"".join(struct.pack("<II", 14, length - 8) + prefix for length in lengths) + nested
    fields = struct.pack("<HHi", 5, 4, 16) + element(1, b"Segmentation".ljust(16, b"\0"))
    (tmp_path / "a.mat").write_bytes(
        HEAD + element(14, shape_of_struct + element(1, b"GTcls") + fields + cells)
    )
    assert "has type 1" in refusal(tmp_path / "a.mat")


@pytest.mark.parametrize("kind", [1, 2, 4, 5, 9])
def test_a_size_that_is_a_lie_reserves_no_memory(tmp_path: Path, kind: int) -> None:
    flags = element(6, struct.pack("<II", kind, 0))
    matrix = (
        flags + element(5, struct.pack("<ii", 46_340, 46_340)) + element(1, b"GTcls") + element(2, b"123")
    )
    (tmp_path / "a.mat").write_bytes(HEAD + element(14, matrix))
    refusal(tmp_path / "a.mat")


def compressed(content: bytes) -> bytes:
    packed = zlib.compress(content, 9)
    return struct.pack("<II", 15, len(packed)) + packed


def variable(name: bytes, size: int = 0, axes: int = 2) -> bytes:
    shape = element(5, struct.pack("<i", 1) * axes)
    return element(
        14, element(6, struct.pack("<II", 9, 0)) + shape + element(1, name) + element(2, bytes(size))
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (compressed(variable(b"other", 10_000_000)) * 2, "unpacks to more than 16777216"),
        (compressed(variable(b"other", 200_000)) * 100, "among the first 64 variables"),
        (variable(b"other") * 50_000, "among the first 64 variables"),
        (element(0, b"") * 400_000, "among the first 64 variables"),
        (compressed(variable(b"GTcls", axes=3_000_000)), "more than 32 axes"),
        (compressed(variable(b"x" * 10_000_000)), "a name of 10000000 bytes"),
    ],
)
def test_variables_in_front_of_the_label_are_bounded(tmp_path: Path, content: bytes, message: str) -> None:
    assert len(content) < 1 << 22
    (tmp_path / "a.mat").write_bytes(HEAD + content)
    tracemalloc.start()
    try:
        assert message in refusal(tmp_path / "a.mat")
        # Twice the content: what zlib returns grows as it goes.
        assert tracemalloc.get_traced_memory()[1] < 48 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a file without an end")
def test_a_file_without_an_end_is_not_read_to_its_end() -> None:
    assert "more than 4194304 bytes" in refusal(Path("/dev/zero"))


words = st.sampled_from([0, 1, 2, 5, 6, 9, 14, 15, 4 << 16 | 5, 1 << 16 | 2, 64, 1 << 31, (1 << 32) - 1])
patches = words.map(lambda word: struct.pack("<I", word)) | st.binary(max_size=9)


def fuzz(folder: Path, max_examples: int) -> None:
    label = np.arange(81, dtype=np.uint8).reshape(9, 9) % 21
    whole = [write_sbd_label(folder / "a.mat", label, packed).read_bytes() for packed in (False, True)]
    # Damage to what is packed: the checksum of most files with such damage is wrong otherwise.
    inside = zlib.decompress(whole[1][136:])

    @settings(max_examples=max_examples, deadline=None, database=None)
    @given(
        which=st.sampled_from([*whole, inside]),
        places=st.lists(
            st.tuples(st.integers(0, 1 << 16), patches, st.integers(0, 9)), min_size=1, max_size=4
        ),
    )
    def reads_or_refuses(which: bytes, places: list[tuple[int, bytes, int]]) -> None:
        data = bytearray(which)
        for place, patch, cut in places:
            place %= len(data) + 1
            data[place : place + cut] = patch
        path = folder / "damaged.mat"
        path.write_bytes(HEAD + compressed(bytes(data)) if which is inside else data)
        signal.alarm(10)  # ends the process
        tracemalloc.reset_peak()  # hypothesis itself keeps what it has tried
        before = tracemalloc.get_traced_memory()[0]
        with suppress(DataError):
            assert read_sbd_label(path).size < 1 << 24
        signal.alarm(0)
        assert tracemalloc.get_traced_memory()[1] - before < 48 << 20

    tracemalloc.start()
    try:
        reads_or_refuses()
    finally:
        tracemalloc.stop()


def test_40_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    fuzz(tmp_path, 40)


@pytest.mark.exhaustive
def test_10000_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    fuzz(tmp_path, 10_000)


def test_sbd_is_found_in_what_the_archive_holds(tmp_path: Path) -> None:
    inside = tmp_path / "benchmark_RELEASE" / "dataset"
    (inside / "cls").mkdir(parents=True)
    for root in (inside, inside.parent, tmp_path):
        assert find_sbd(root) == inside
    with pytest.raises(DataError, match="is not SBD"):
        find_sbd(inside / "cls")
