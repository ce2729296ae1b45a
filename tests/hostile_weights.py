"""Weight files of a few kilobytes that would take minutes or gigabytes, if nothing bounded them."""

import io
import pickle
import re
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
from weight_files import blob, field, onnx_node, onnx_tensor

NPY_HEADER = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"
NPY_HEAD = b"\x93NUMPY\1\0" + struct.pack("<H", len(NPY_HEADER)) + NPY_HEADER
MAGIC = 0x1950A86A20F9469CFC6C

NEW_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R"
FLOATS = b"cnumpy\ndtype\nU\2f4K\0K\1\x87R(K\3U\1<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
OBJECTS = b"cnumpy\ndtype\nU\2O8K\0K\1\x87R"
ORDERED = b"ccollections\nOrderedDict\n"


def array(shape: bytes, data: bytes) -> bytes:
    """The pickle of an array of floats, whatever shape and data are."""
    return NEW_ARRAY + b"(K\1" + shape + FLOATS + b"\x89" + data + b"tb"


def npy(content: bytes, padding: int = 0) -> bytes:
    """A `.npy` file of one object, which `content` pushes; `padding` makes it look larger."""
    whole = b"\x80\x02" + NEW_ARRAY + b"(K\1)" + OBJECTS + b"\x89]" + content + b"atb."
    return NPY_HEAD + whole + bytes(padding)


def legacy(content: bytes, keys: object = ()) -> bytes:
    """A PyTorch file of the old kind, whose object `content` pushes."""
    before = (MAGIC, 1001, {"little_endian": True})
    pickles = [*(pickle.dumps(value, 2) for value in before), b"\x80\x02" + content + b"."]
    return b"".join([*pickles, pickle.dumps(list(keys), 2)])


def zipped(content: bytes, storage: bytes = b"") -> bytes:
    """A PyTorch file of today, whose object `content` pushes, with one storage."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + content + b".")
        archive.writestr("archive/data/0", storage)
    return output.getvalue()


def number(value: int) -> bytes:
    """The pickle of a number of any length."""
    data = value.to_bytes(value.bit_length() // 8 + 1, "little")
    return b"\x8a" + bytes([len(data)]) + data


def numbers(values: Sequence[int]) -> bytes:
    """The pickle of a tuple of numbers."""
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(length: int, shape: Sequence[int], strides: Sequence[int]) -> bytes:
    """The pickle of a tensor of floats whose storage has the key "0"."""

    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000X\3\0\0\0cpu" + number(length) + b"tQ"
    arguments = storage + number(0) + numbers(shape) + numbers(strides)
    return b"ctorch._utils\n_rebuild_tensor\n(" + arguments + b"tR"


def same_in_all_layers(content: bytes, count: int) -> bytes:
    """The pickle of a dictionary of layers, each of which is the same list of the same array, 64 times."""
    layer = b"](" + content + b"q\1" + b"h\1" * 63 + b"eq\2"
    names = (b"M" + struct.pack("<H", index) for index in range(count))
    return b"}(U\1a" + layer + b"".join(name + b"h\2" for name in names) + b"u"


def doubled(levels: int, opening: bytes, join: bytes) -> bytes:
    """A value that names the one before twice, so that a walk through it visits `2 ** levels` values."""
    return opening + (b"q\0h\0" + join) * levels


TUPLES = doubled(30, b")", b"\x86")


def entry(name: bytes, offset: int) -> bytes:
    """An entry of a zip archive's directory, which says where its content begins as ZIP64 does."""
    extra = struct.pack("<HHQ", 1, 8, offset)
    versions, lengths = (45, 0, 45, 0), (len(name), len(extra), 0, 0, 0)
    head = (b"PK\1\2", *versions, *(0, 0, 0, 0), *(0, 0, 0), *lengths, *(0, 0xFFFFFFFF))
    return struct.pack("<4s4B4HL2L5H2L", *head) + name + extra


def directory(entries: list[bytes]) -> bytes:
    """A zip archive of nothing but a directory."""
    content, count = b"".join(entries), len(entries) & 0xFFFF
    return b"PK\3\4" + content + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(content), 4, 0)


def short_rows(rows: int, more: int) -> bytes:
    """A caffemodel with one number per row, and then so many bytes of something else."""
    row = field(5, b"\0\0\0\0", 5) + field(9, 1)
    return field(100, field(1, b"a") + field(7, row * rows + field(99, bytes(more))))


def hdf5(make: Callable[[h5py.File], object]) -> bytes:
    """An HDF5 file that `make` fills."""
    output = io.BytesIO()
    with h5py.File(output, "w") as file:
        make(file)
    return output.getvalue()


def heaps_in_a_heap(count: int) -> bytes:
    """An HDF5 file and heaps of texts, each of which begins in the content of the one before."""
    heap = bytearray(32 * count)
    for at in range(0, len(heap), 32):
        # Sixteen bytes are the head of a heap and the content of an object of the heap before.
        heap[at : at + 16] = b"GCOL\1\0\0\0" + struct.pack("<Q", len(heap) - at)
        heap[at + 16 : at + 32] = struct.pack("<HHIQ", 1, 0, 0, 16 if at + 32 < len(heap) else 0)
    return hdf5(lambda file: None) + bytes(heap)


def links_to_itself(file: h5py.File) -> None:
    """Layers that hold themselves, under many names."""
    group = file.create_group("layers")
    for index in range(300):
        group[f"a{index}"] = group
    group["layers"] = group


def nets_in_nets(file: h5py.File) -> None:
    """A net that holds itself as its only layer."""
    group = file.create_group("layers")
    group["layers"] = group


def long_paths(file: h5py.File) -> None:
    """A layer listed again and again, whose weight has a path of many parts."""
    file.attrs["layer_names"] = np.array([b"a"] * 9_000)
    group = file.create_group("a")
    group["a"] = group
    group.attrs["weight_names"] = np.array([b"/".join([b"a"] * 10_000)])


def names_without_texts(file: h5py.File) -> None:
    """A layer listed again and again, with thousands of attributes for names, all of them empty."""
    file.attrs["layer_names"] = np.array([b"a"] * 9_000)
    group = file.create_group("a")
    for index in range(600):
        group.attrs[f"weight_names{index}"] = np.empty(0, "S1")


def weights_without_end(file: h5py.File) -> None:
    """A layer that lists more weights than it may have."""
    file.attrs["layer_names"] = [b"a"]
    file.create_group("a").attrs["weight_names"] = np.array([b"w"] * 60_000)


def too_many_names(file: h5py.File) -> None:
    """A list of layers in many parts, longer than that of any net."""
    for index in range(4):
        file.attrs[f"layer_names{index}"] = np.array([b"a"] * 60_000)


def one_text_everywhere(file: h5py.File) -> None:
    """A list of names, all of which are the same long text."""
    file.attrs["layer_names"] = ["x" * 100_000, *["y"] * 60]


def nested_type(levels: int) -> h5py.h5t.TypeID:
    """Records of records."""
    kind = h5py.h5t.IEEE_F32LE.copy()
    for _ in range(levels):
        outer = h5py.h5t.create(h5py.h5t.COMPOUND, kind.get_size())
        outer.insert(b"a", 0, kind)
        kind = outer
    return kind


def names_of_a_nested_type(file: h5py.File) -> None:
    """A list of names that is a record of records of records."""
    space = h5py.h5s.create_simple((1,))
    h5py.h5a.create(file.id, b"layer_names", nested_type(500), space)


def weights_of_a_nested_type(file: h5py.File) -> None:
    """Weights that are records of records."""
    file.attrs["layer_names"] = [b"a"]
    group = file.create_group("a")
    group.attrs["weight_names"] = [b"w"]
    h5py.h5d.create(group.id, b"w", nested_type(500), h5py.h5s.create_simple((1,)))


def data_set_as_layers(file: h5py.File) -> None:
    """A data set where a group of layers belongs; searched for a name, it would be read value by value."""
    file.create_dataset("layers/a", (1 << 40,), "f4", chunks=(1,))


def data_set_as_root(file: h5py.File) -> None:
    """A data set where the weights of a whole model belong."""
    file.create_dataset("model_weights", (1 << 40,), "f4", chunks=(1,))


def point_to_one_text(content: bytes) -> bytes:
    """The file of `one_text_everywhere`, after each name but the first was pointed to the first."""
    heaps = [struct.pack("<IQI", 100_000, heap.start(), 1) for heap in re.finditer(b"GCOL\1", content)]
    (texts,) = (content.index(reference) for reference in heaps if reference in content)
    reference = content[texts : texts + 16]
    return content[:texts] + reference * 61 + content[texts + 16 * 61 :]


def npz(arrays: dict[str, np.ndarray], more: dict[str, bytes] | None = None) -> bytes:
    """An archive of arrays, and of other files under the names of arrays."""
    output = io.BytesIO()
    np.savez_compressed(output, **arrays)
    with zipfile.ZipFile(output, "a") as archive:
        for name, content in (more or {}).items():
            archive.writestr(name, content)
    return output.getvalue()


def array_header(shape: str) -> bytes:
    """The header of an array of floats, whatever its shape is."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header


def safetensors(header: bytes, content: bytes = b"") -> bytes:
    """A safetensors file, whatever its header is."""
    return struct.pack("<Q", len(header)) + header + content


def onnx_model(*parts: bytes) -> bytes:
    """A model in ONNX with a graph of these parts."""
    return field(1, 7) + field(7, b"".join(parts))


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "npy: tuples of tuples as an array": (lambda: npy(TUPLES), "not hold a dictionary"),
    "npy: tuples of tuples as a layer": (lambda: npy(b"}U\1a" + TUPLES + b"s"), "not a list of arrays"),
    "npy: tuples of tuples in a layer": (lambda: npy(b"}U\1a]" + TUPLES + b"as"), "not a list of arrays"),
    "npy: tuples of tuples as a name": (lambda: npy(b"}" + TUPLES + b"Ns"), "the key of a dictionary"),
    "npy: tuples of tuples as a type": (
        lambda: npy(b"cnumpy\ndtype\n" + TUPLES + b"\x85R"),
        r"values of the type \(tuple\)",
    ),
    "npy: tuples of tuples as a shape": (
        lambda: npy(b"}U\1a]" + array(TUPLES, b"U\x08" + bytes(8)) + b"as"),
        "an unknown state",
    ),
    "npy: tuples of tuples as values": (
        lambda: npy(b"}U\1a]" + array(b"K\2\x85", TUPLES) + b"as"),
        "does not have as many values",
    ),
    "npy: no values along 2^40 rows": (
        lambda: npy(b"}U\1a]" + array(b"\x8a\6\0\0\0\0\0\1K\0\x86", b"U\0") + b"as"),
        "has no numbers",
    ),
    "npy: no values along axes that NumPy does not have": (
        lambda: npy(b"}U\1a]" + array(b"(" + b"\x8a\x08" + b"\xff" * 7 + b"\x7f" + b"K\0t", b"U\0") + b"as"),
        "an unknown state",
    ),
    "npy: no values along many long axes": (
        lambda: npy(b"}U\1a]" + array(b"(" + b"\x8a\6\0\0\0\0\0\1" * 9 + b"K\0t", b"U\0") + b"as"),
        "has no numbers",
    ),
    "npy: arrays without values in all layers": (
        lambda: npy(same_in_all_layers(array(b"K\0\x85", b"U\0"), 1_000)),
        "has no numbers",
    ),
    "npy: one small array in all layers": (
        lambda: npy(same_in_all_layers(array(b"K\1\x85", b"U\4" + bytes(4)), 1_000), padding=128_000),
        "more than 20000 arrays",
    ),
    "pth: one list for many dictionaries": (
        lambda: legacy(
            b"](]K\1aNaq\1" + b"h\1" * 20_000 + b"eq\0" + ORDERED + b"q\2" + b"h\2h\0\x85R" * 20_000
        ),
        "more than 300000 operations",
    ),
    "pth: long lists as items of a dictionary": (
        lambda: legacy(b"]q\0(" + b"N" * 50_000 + b"e" + ORDERED + b"](" + b"h\0" * 50_000 + b"e\x85R"),
        "not a key and a value",
    ),
    "pth: tensors of one value each, as large as the file": (
        lambda: zipped(
            b"}("
            + b"".join(
                b"X\1\0\0\0" + name.to_bytes() + tensor(100_000, (100_000,), (0,)) for name in b"abcdefgh"
            )
            + b"u",
            bytes(400_000),
        ),
        "are not in it",
    ),
    "pth: a step that NumPy does not have": (
        lambda: zipped(b"}X\1\0\0\0a" + tensor(1, (1,), (1 << 70,)) + b"s", bytes(4)),
        "does not fit its storage",
    ),
    "pth: no values along axes that NumPy does not have": (
        lambda: zipped(b"}X\1\0\0\0a" + tensor(1, (0, 1 << 62, 1 << 62), (1, 1, 1)) + b"s", bytes(4)),
        "does not fit its storage",
    ),
    "pth: no values along many long axes": (
        lambda: zipped(b"}X\1\0\0\0a" + tensor(1, (0, *[1 << 40] * 9), (1,) * 10) + b"s", bytes(4)),
        "Expected layers with weights",
    ),
    "pth: a directory of 100,000 entries": (
        lambda: directory([entry(b"%x" % index, 0) for index in range(100_000)]),
        "directory is too large",
    ),
    "pth: an entry outside of the file": (
        lambda: directory([entry(b"archive/data.pkl", (1 << 64) - 1)]),
        "lies outside of it",
    ),
    "npz: zeros far larger than the file": (lambda: npz({"a/W": np.zeros(1 << 27, np.int8)}), "far larger"),
    "npz: a shape without end": (
        lambda: npz({}, {"a/W.npy": array_header("(4294967296, 4294967296)") + bytes(64)}),
        "not as many values",
    ),
    "npz: a shape in shapes": (
        lambda: npz({}, {"a/W.npy": array_header("(" * 900 + "1" + ",)" * 900)}),
        "cannot be read",
    ),
    "npz: objects": (lambda: npz({"a/W": np.array([None])}), "Expected layers with weights"),
    "npz: 100 arrays of a layer": (
        lambda: npz({f"a/{index}": np.zeros(1, np.float32) for index in range(100)}),
        "more than 64 arrays",
    ),
    "safetensors: a header of lists in lists": (
        lambda: safetensors(b'{"a":' + b"[" * 1_000_000 + b"}"),
        "not JSON",
    ),
    "safetensors: a header as long as it says": (
        lambda: struct.pack("<Q", 17 << 20) + b"{" + bytes(17 << 20),
        "its header has 17825792 bytes",
    ),
    "safetensors: the same values under many names": (
        lambda: safetensors(
            b"{"
            + b",".join(
                b'"a%d.weight":{"dtype":"F32","shape":[25000],"data_offsets":[0,100000]}' % index
                for index in range(1000)
            )
            + b"}",
            bytes(100_000),
        ),
        "do not fit its shape",
    ),
    "safetensors: a shape of long axes": (
        lambda: safetensors(
            b'{"a.weight":{"dtype":"F32","shape":[%d,%d],"data_offsets":[0,8]}}' % (1 << 62, 1 << 62),
            bytes(8),
        ),
        "does not lie in it",
    ),
    "safetensors: a number of thousands of digits": (
        lambda: safetensors(b'{"a":{"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,8]}}'),
        "not JSON",
    ),
    "onnx: one tensor in all layers": (
        lambda: onnx_model(
            b"".join(field(1, onnx_node("Conv", ["x", "w"], "x")) for _ in range(1000)),
            field(5, onnx_tensor("w", np.zeros(100_000, np.float32))),
        ),
        "larger than the file",
    ),
    "onnx: countless operations": (
        lambda: onnx_model(field(1, onnx_node("Conv", ["x"], "x")) * 21_000),
        "more than 20000 operations and arrays|more than 200000 fields",
    ),
    "onnx: a tensor of many axes": (
        lambda: onnx_model(field(5, field(1, bytes([1] * 10_000)) + field(2, 1))),
        "more than 32 axes",
    ),
    "onnx: weights in another file": (
        lambda: onnx_model(field(5, field(2, 1) + field(8, b"w") + field(14, 1))),
        "keeps weights in another file",
    ),
    "onnx: values of another shape": (
        lambda: onnx_model(field(5, field(1, 1 << 40) + field(2, 1) + field(8, b"w") + field(9, bytes(8)))),
        "not have the values of its shape",
    ),
    "caffemodel: rows of one number": (lambda: short_rows(10_000, 5_000_000), "for the shape"),
    "caffemodel: countless blobs of one number": (
        # As many as a layer may have: otherwise fields are counted first.
        lambda: field(100, field(1, b"a") + field(7, blob(np.zeros(1))) * 64) * 320,
        "more than 20000 arrays",
    ),
    "h5: heaps in a heap": (lambda: heaps_in_a_heap(8_000), "larger than the file"),
    "h5: layers that hold themselves": (lambda: hdf5(links_to_itself), "10000 layers|32 deep"),
    "h5: nets in nets without end": (lambda: hdf5(nets_in_nets), "32 deep"),
    "h5: paths of 10,000 parts": (lambda: hdf5(long_paths), "more than 32 parts"),
    "h5: attributes without names": (lambda: hdf5(names_without_texts), "weight_names0 holds no names"),
    "h5: a layer of 60,000 weights": (lambda: hdf5(weights_without_end), "more than 64 weights"),
    "h5: 240,000 layers": (lambda: hdf5(too_many_names), "its names are more than 100000"),
    "h5: one long text as each name": (
        lambda: point_to_one_text(hdf5(one_text_everywhere)),
        "more than 4194304 characters",
    ),
    "h5: names of a type nested 500 deep": (lambda: hdf5(names_of_a_nested_type), "is not a list of names"),
    "h5: weights of a type nested 500 deep": (
        lambda: hdf5(weights_of_a_nested_type),
        "not a plain array of floats",
    ),
    "h5: a data set instead of a layer": (lambda: hdf5(data_set_as_layers), "'a' is not a group"),
    "h5: a data set instead of a model": (lambda: hdf5(data_set_as_root), "'model_weights' is not a group"),
}
"""For each kind of attack, a function that returns the file, and a pattern of the message that refuses it."""


def write_all(folder: Path) -> dict[str, Path]:
    """Writes all files; returns their paths by name."""
    paths = {}
    for index, (name, (make, _)) in enumerate(HOSTILE.items()):
        paths[name] = folder / f"{index}.weights"
        paths[name].write_bytes(make())
    return paths
