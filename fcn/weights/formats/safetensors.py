"""Reads a `.safetensors` file: the length of a JSON header, the header, then the values of all tensors.

Source: the format's description in the repository huggingface/safetensors. Its header says where each tensor
lies, so that a reader needs nothing but JSON and NumPy.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.system.json_files import parse_json
from fcn.weights.formats.npy import is_shape
from fcn.weights.layer import MAX_BLOBS, Layer, damaged, read_values

_LENGTH_BYTES = 8
# A net of a thousand tensors needs a tenth of a megabyte.
_MAX_HEADER = 16 << 20
_METADATA = "__metadata__"
# Bytes per value, and NumPy's name of the type it is read as; others than floats are skipped.
_TYPES = {"F64": (8, "<f8"), "F32": (4, "<f4"), "F16": (2, "<f2"), "BF16": (2, "<u2")}


class _Tensor(NamedTuple):
    start: int
    shape: tuple[int, ...]
    type: str


def is_safetensors(head: bytes, size: int) -> bool:
    """Returns whether a file that begins with these bytes has the header of the format.

    Args:
        head: Its first 9 bytes or more.
        size: Its length in bytes.
    """
    length = int.from_bytes(head[:_LENGTH_BYTES], "little")
    return 2 <= length <= size - _LENGTH_BYTES and head[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{"


def read_safetensors(path: Path) -> Iterator[Layer]:
    """Yields the layers of a file: tensors whose names differ only after the last dot.

    Each layer's blobs are `weight`, `bias`, then what else it has of floats, in the order of the file.

    Args:
        path: The `.safetensors` file.

    Raises:
        RunError: If it is not whole.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        layers: dict[str, dict[str, _Tensor]] = {}
        for key, tensor in _tensors(file, path, size):
            name, _, part = key.rpartition(".")
            layers.setdefault(name, {})[part] = tensor
        for name, parts in layers.items():
            if len(parts) > MAX_BLOBS:
                raise damaged(path, f"the layer {name[:80]!r} has more than {MAX_BLOBS} tensors")
            # False sorts before True: weight, bias, then the others as they came.
            order = sorted(parts, key=lambda part: (part != "weight", part != "bias"))
            yield Layer(name, "", tuple(_read(file, path, parts[part]) for part in order))


def _tensors(file: BinaryIO, path: Path, size: int) -> Iterator[tuple[str, _Tensor]]:
    """Yields the tensors of floats that the header names, once they were found to lie in the file."""
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    begin = _LENGTH_BYTES + length
    if length > _MAX_HEADER or begin > size:
        raise damaged(path, f"its header has {length} bytes")
    try:
        header = parse_json(file.read(length))
    except ValueError as error:
        raise damaged(path, f"its header is not JSON ({str(error)[:80]})") from error
    if not isinstance(header, dict):
        raise damaged(path, "its header is not a table of tensors")
    budget = size - begin
    for key, entry in header.items():
        if key == _METADATA:
            continue
        tensor, end = _tensor(entry, begin)
        if tensor is None or end > size:
            raise damaged(path, f"the tensor {key[:80]!r} does not lie in it")
        if tensor.type not in _TYPES or 0 in tensor.shape:
            continue
        count = math.prod(tensor.shape) * _TYPES[tensor.type][0]
        budget -= count
        if count != end - tensor.start or budget < 0:
            raise damaged(path, f"the values of {key[:80]!r} do not fit its shape")
        yield key, tensor


def _tensor(entry: Any, begin: int) -> tuple[_Tensor | None, int]:
    """Returns a tensor, and where it ends; None if its entry is not that of one."""
    match entry:
        case {"dtype": str(kind), "shape": list(shape), "data_offsets": [int(first), int(end)]} if (
            is_shape(tuple(shape)) and 0 <= first <= end
        ):
            return _Tensor(begin + first, tuple(shape), kind), begin + end
    return None, 0


def _read(file: BinaryIO, path: Path, tensor: _Tensor) -> npt.NDArray[np.float32]:
    """Returns the values of a tensor."""
    count, (_, dtype) = math.prod(tensor.shape), _TYPES[tensor.type]
    values = read_values(file, path, tensor.start, count, dtype)
    if tensor.type == "BF16":  # the upper half of a float32, read as whole numbers, which are exact
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values.reshape(tensor.shape)
