"""Writers of weight files, independent of the readers, and small files of every format."""

import io
import json
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

Weights = Mapping[str, Sequence[np.ndarray]]


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def field(number: int, content: bytes | int, wire: int | None = None) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    if wire is not None:
        return varint(number << 3 | wire) + content
    return varint(number << 3 | 2) + varint(len(content)) + content


def blob(values: np.ndarray, four: bool = False, double: bool = False, packed: bool = True) -> bytes:
    """A BlobProto: four numbers or a shape, floats or doubles, packed or one field per number."""
    if four:
        shape = (1,) * (4 - values.ndim) + values.shape
        encoded = b"".join(field(number, length) for number, length in enumerate(shape, start=1))
    elif packed:
        encoded = field(7, field(1, b"".join(map(varint, values.shape))))
    else:
        encoded = field(7, b"".join(field(1, length) for length in values.shape))
    number, dtype, wire = (8, "<f8", 1) if double else (5, "<f4", 5)
    data = values.astype(dtype)
    if packed:
        return encoded + field(number, data.tobytes())
    return encoded + b"".join(field(number, value.tobytes(), wire) for value in data.ravel())


def encode_caffemodel(
    weights: Weights, old: bool = False, kinds: Mapping[str, str] | None = None, **options: bool
) -> bytes:
    """A NetParameter with its name, an input, and a layer without blobs before each layer."""
    net = field(1, b"net") + field(3, b"data")
    for name, arrays in weights.items():
        blobs = b"".join(field(6 if old else 7, blob(array, **options)) for array in arrays)
        kind = (kinds or {}).get(name, "Convolution")
        if old:
            number = {"Convolution": 4, "InnerProduct": 14, "Deconvolution": 39}[kind]
            net += field(2, field(2, b"below") + field(3, b"relu") + field(4, b"relu") + field(5, 18))
            net += field(2, field(2, b"below") + blobs + field(4, name.encode()) + field(5, number))
        else:
            net += field(100, field(1, b"relu") + field(2, b"ReLU") + field(3, b"below"))
            net += field(100, field(1, name.encode()) + field(2, kind.encode()) + blobs)
    return net


def encode_npy(weights: Weights, protocol: int = 4) -> bytes:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"
    content = np.array({name: list(arrays) for name, arrays in weights.items()}, object)
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + pickle.dumps(content, protocol)


def torch_stand_ins() -> dict[str, types.ModuleType]:
    """Modules with the names that PyTorch's pickles mention, so that a pickler can write them."""
    torch, inner = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "DoubleStorage", "HalfStorage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    for name in ("_rebuild_tensor_v2", "_rebuild_tensor", "_rebuild_parameter"):
        function = type(encode_npy)(encode_npy.__code__, {}, name)
        function.__module__, function.__qualname__ = "torch._utils", name
        setattr(inner, name, function)
    torch._utils = inner  # type: ignore[attr-defined]
    return {"torch": torch, "torch._utils": inner}


class Tensor:
    """A tensor as a state dict holds it; `values` is its storage."""

    def __init__(self, values: np.ndarray, key: str = "") -> None:
        self.values, self.key = values, key
        self.offset, self.shape = 0, values.shape
        self.strides = tuple(step // values.itemsize for step in values.strides)
        self.rebuild = "_rebuild_tensor_v2"


class TorchPickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes tensors and storages as PyTorch does, in `protocol` 2 unless told otherwise."""

    def __init__(self, file: io.BytesIO, legacy: bool, protocol: int) -> None:
        super().__init__(file, protocol)
        self.legacy = legacy
        self.storages: dict[str, np.ndarray] = {}

    def persistent_id(self, value: Any) -> Any:
        if not (isinstance(value, tuple) and len(value) == 2 and value[0] == "a storage"):
            return None
        tensor = value[1]
        kind = {"f4": "Float", "f8": "Double", "f2": "Half", "i8": "Long"}[tensor.values.dtype.str[1:]]
        key = tensor.key or str(len(self.storages))
        self.storages[key] = tensor.values
        identity = (
            "storage",
            getattr(sys.modules["torch"], f"{kind}Storage"),
            key,
            "cpu",
            tensor.values.size,
        )
        return (*identity, None) if self.legacy else identity

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return NotImplemented
        inner = sys.modules["torch._utils"]
        arguments: tuple[Any, ...] = (("a storage", value), value.offset, value.shape, value.strides)
        if value.rebuild == "_rebuild_parameter":
            plain = Tensor(value.values)
            return inner._rebuild_parameter, (plain, True, OrderedDict())  # type: ignore[attr-defined]
        if value.rebuild == "_rebuild_tensor_v2":
            arguments += (False, OrderedDict())
        return getattr(inner, value.rebuild), arguments


def encode_torch(content: Any, legacy: bool = False, protocol: int = 2, compression: int = 0) -> bytes:
    """A PyTorch file of `content`, whose tensors are of the class `Tensor`."""
    output = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        for name, module in torch_stand_ins().items():
            patch.setitem(sys.modules, name, module)
        pickler = TorchPickler(output, legacy, protocol)
        if legacy:
            sizes = {"short": 2, "int": 4, "long": 4}
            machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}
            for value in (0x1950A86A20F9469CFC6C, 1001, machine):
                pickle.dump(value, output, protocol)
        pickler.dump(content)
    if legacy:
        pickle.dump(sorted(pickler.storages), output, protocol)
        for key in sorted(pickler.storages):
            values = pickler.storages[key]
            output.write(struct.pack("<q", values.size) + values.tobytes())
        return output.getvalue()
    archive_bytes = io.BytesIO()
    with zipfile.ZipFile(archive_bytes, "w", compression) as archive:
        archive.writestr("archive/data.pkl", output.getvalue())
        archive.writestr("archive/byteorder", "little")
        for key, values in pickler.storages.items():
            archive.writestr(f"archive/data/{key}", values.tobytes())
        archive.writestr("archive/version", "3\n")
    return archive_bytes.getvalue()


def state_dict(weights: Weights) -> "OrderedDict[str, Tensor]":
    tensors: OrderedDict[str, Tensor] = OrderedDict()
    for name, arrays in weights.items():
        for part, array in zip(("weight", "bias"), arrays, strict=False):
            tensors[f"{name}.{part}"] = Tensor(array)
    return tensors


def encode_keras(weights: Weights) -> bytes:
    """The layout of keras.applications' VGG16 file: `layer_names`, and names of Keras 1."""
    output = io.BytesIO()
    with h5py.File(output, "w") as file:
        file.attrs["layer_names"] = np.array([b"input_1", *(name.encode() for name in weights)])
        file.create_group("input_1").attrs["weight_names"] = np.empty(0, "S1")
        for name, arrays in weights.items():
            group = file.create_group(name)
            names = [f"{name}_{part}_1:0" for part in ("W", "b")[: len(arrays)]]
            group.attrs["weight_names"] = np.array([part.encode() for part in names])
            for part, array in zip(names, arrays, strict=True):
                group[part] = array
    return output.getvalue()


def vgg16_arrays(
    width: float = 1 / 16, fc_channels: int = 32, top: bool = True
) -> dict[str, list[np.ndarray]]:
    """Random weights of VGG16 in Keras' layout, by Keras' layer names; without top only its convolutions."""
    rng = np.random.default_rng(0)
    arrays, inputs = {}, 3
    for block, (channels, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), start=1):
        for index in range(1, count + 1):
            outputs = round(channels * width)
            arrays[f"block{block}_conv{index}"] = [(3, 3, inputs, outputs), (outputs,)]
            inputs = outputs
    arrays["fc1"] = [(49 * inputs, fc_channels), (fc_channels,)]
    arrays["fc2"] = [(fc_channels, fc_channels), (fc_channels,)]
    arrays["predictions"] = [(fc_channels, 10), (10,)]
    return {
        name: [rng.standard_normal(shape).astype(np.float32) * 0.1 for shape in shapes]
        for name, shapes in arrays.items()
        if top or name.startswith("block")
    }


def encode_npz(weights: Weights, compressed: bool = True) -> bytes:
    """The arrays as Chainer saves a net: `conv1_1/W`, `conv1_1/b`, and what else a link may hold."""
    output = io.BytesIO()
    arrays = {
        f"{name}/{part}": array
        for name, arrays in weights.items()
        for part, array in zip("Wb", arrays, strict=False)
    }
    (np.savez_compressed if compressed else np.savez)(output, **arrays, **{"bn/N": np.array(3)})
    return output.getvalue()


def encode_safetensors(weights: Weights, dtype: str = "<f4") -> bytes:
    """A safetensors file of `name.weight` and `name.bias`."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    content = b""
    kind = {"<f4": "F32", "<f8": "F64", "<f2": "F16"}[dtype]
    for name, arrays in weights.items():
        for part, array in zip(("weight", "bias"), arrays, strict=False):
            data = array.astype(dtype).tobytes()
            offsets = [len(content), len(content) + len(data)]
            header[f"{name}.{part}"] = {"dtype": kind, "shape": list(array.shape), "data_offsets": offsets}
            content += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + content


def onnx_tensor(name: str, array: np.ndarray, raw: bool = True) -> bytes:
    """A TensorProto of floats, as bytes or as packed numbers."""
    data = field(9 if raw else 4, array.astype("<f4").tobytes())
    return b"".join(field(1, length) for length in array.shape) + field(2, 1) + field(8, name.encode()) + data


def onnx_node(operation: str, inputs: Sequence[str], output: str, transposes: bool = False) -> bytes:
    """A NodeProto."""
    content = b"".join(field(1, one.encode()) for one in inputs) + field(2, output.encode())
    content += field(4, operation.encode())
    return content + (field(5, field(1, b"transB") + field(20, 2) + field(3, 1)) if transposes else b"")


def encode_onnx(weights: Weights, raw: bool = True) -> bytes:
    """A ModelProto of a chain of convolutions and fully connected layers, `[out, in, ...]` each."""
    graph, top = field(2, b"graph"), "data"
    for index, (name, arrays) in enumerate(weights.items()):
        inputs = [top, *(f"{name}_{part}" for part in ("weight", "bias")[: len(arrays)])]
        is_dense, top = arrays[0].ndim == 2, f"out{index}"
        graph += field(1, onnx_node("Gemm" if is_dense else "Conv", inputs, top, is_dense))
        graph += b"".join(
            field(5, onnx_tensor(one, array, raw)) for one, array in zip(inputs[1:], arrays, strict=True)
        )
    return field(1, 7) + field(2, b"a test") + field(7, graph) + field(8, field(2, 12))


@pytest.fixture(scope="session")
def writers() -> types.SimpleNamespace:
    """The functions above; tests cannot import them."""
    return types.SimpleNamespace(
        field=field,
        blob=blob,
        caffemodel=encode_caffemodel,
        npy=encode_npy,
        torch=encode_torch,
        Tensor=Tensor,
        state_dict=state_dict,
        keras=encode_keras,
    )


@pytest.fixture(scope="session")
def weights() -> dict[str, tuple[np.ndarray, ...]]:
    """Two layers of random weights."""
    rng = np.random.default_rng(0)

    def random(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    return {"conv1_1": (random(4, 3, 3, 2), random(4)), "fc6": (random(5, 16), random(5))}


@pytest.fixture(scope="session")
def samples(weights: Weights) -> dict[str, tuple[str, bytes]]:
    """Small files: a variant's name -> (its format, its content)."""
    return {
        "caffe": ("caffe", encode_caffemodel(weights)),
        "caffe old": ("caffe", encode_caffemodel(weights, old=True, four=True, packed=False)),
        "npy": ("tensorflow_npy", encode_npy(weights)),
        "npy protocol 2": ("tensorflow_npy", encode_npy(weights, protocol=2)),
        "torch zip": ("torch", encode_torch(state_dict(weights))),
        "torch legacy": ("torch", encode_torch(state_dict(weights), legacy=True)),
        "keras": ("keras", encode_keras(weights)),
        "npz": ("chainer", encode_npz(weights)),
        "npz stored": ("chainer", encode_npz(weights, compressed=False)),
        "safetensors": ("safetensors", encode_safetensors(weights)),
        "onnx": ("onnx", encode_onnx(weights)),
    }


@pytest.fixture
def place(tmp_path: Path) -> Any:
    """Writes bytes to a file whose suffix says nothing, and returns its path."""

    def write(content: bytes, name: str = "weights.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write
