"""Tensors of the Open Inference Protocol v2: as JSON, and as bytes of its binary extension.

Source: https://github.com/kserve/open-inference-protocol (tensor data) and Triton's
docs/protocol/extension_binary_data.md.
"""

import math
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from fcn.inference.engines.signatures import ANY, STRING, Tensor
from fcn.server.interface import string_tensor
from fcn.server.protocols.json_tensors import (
    MAX_STRINGS,
    decode_base64,
    encode_base64,
    holds_lists,
    read_pixels,
    read_strings,
)
from fcn.server.protocols.v2_request import DATATYPES, InputTensor
from fcn.server.validation import describe, invalid

_BASE64 = "base64"
"""MLServer's `content_type` of strings in base64; others say nothing about the bytes of a tensor."""

_LENGTH = struct.Struct("<I")


def read_tensor(entry: InputTensor, tensor: Tensor, chunk: memoryview | None) -> npt.NDArray[Any]:
    """Reads an input.

    Args:
        entry: Its description in the request.
        tensor: Type and shape in the signature.
        chunk: Its bytes if it is binary; None for JSON.

    Returns:
        `uint8` of its shape, or `object[N]`, each `bytes`.

    Raises:
        ServerError: If its shape, type or data do not fit the signature or each other.

    Example:
        >>> entry = InputTensor(name="x", datatype="UINT8", shape=[2, 1], data=[7, 8])
        >>> read_tensor(entry, Tensor("uint8", (ANY, 1)), None).tolist()
        [[7], [8]]
    """
    name, datatype = entry.name, DATATYPES[tensor.dtype]
    if entry.datatype != datatype:
        raise invalid(f"the datatype {datatype} of `{name}`", describe(entry.datatype))
    shape = read_shape(entry.shape, tensor, name)
    if chunk is None:
        return _read_json(entry, tensor, shape)
    if entry.data is not None:
        raise invalid(f"either `data` or `binary_data_size` of `{name}`", "both")
    if tensor.dtype == STRING:
        return _read_byte_strings(chunk, shape[0], name)
    if len(chunk) != math.prod(shape):
        raise invalid(f"{math.prod(shape)} bytes of `{name}`, of shape {shape}", f"{len(chunk)}")
    return np.frombuffer(chunk, np.uint8).reshape(shape)


def tensor_bytes(values: npt.NDArray[Any]) -> bytes:
    r"""Returns a tensor as the bytes of the binary extension.

    Args:
        values: `uint8`, `float32`, or `bytes` objects.

    Example:
        >>> tensor_bytes(string_tensor([b"ab", b""]))
        b'\x02\x00\x00\x00ab\x00\x00\x00\x00'
    """
    if values.dtype == object:
        return b"".join(part for one in values for part in (_LENGTH.pack(len(one)), one))
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def tensor_data(values: npt.NDArray[Any]) -> dict[str, Any]:
    """Returns the JSON fields for the elements of an output: a flat list, strings in base64.

    Example:
        >>> tensor_data(string_tensor([b"ab"]))
        {'parameters': {'content_type': 'base64'}, 'data': ['YWI=']}
    """
    if values.dtype == object:
        return {"parameters": {"content_type": _BASE64}, "data": [encode_base64(one) for one in values]}
    return {"data": np.ascontiguousarray(values).reshape(-1)}


def read_shape(shape: object, tensor: Tensor, name: str) -> list[int]:
    """Returns the shape of an input.

    Raises:
        ServerError: If it does not fit the signature.

    Example:
        >>> read_shape([2, 1], Tensor("uint8", (ANY, 1)), "x")
        [2, 1]
    """
    expected = list(tensor.shape)
    if not isinstance(shape, list) or len(shape) != len(expected):
        raise invalid(f"the shape {expected} of `{name}`, -1 for any length", _format_received(shape))
    for side, length in zip(expected, shape, strict=True):
        if type(length) is not int or length < 1 or side not in (ANY, length):
            raise invalid(f"the shape {expected} of `{name}`, -1 for 1 or more", _format_received(shape))
    return shape


def _format_received(shape: object) -> str:
    if isinstance(shape, list) and len(shape) <= 8:
        return f"[{', '.join(map(describe, shape))}]"
    return describe(shape)


def _read_json(entry: InputTensor, tensor: Tensor, shape: list[int]) -> npt.NDArray[Any]:
    data, what = entry.data, f"{entry.name}.data"
    if tensor.dtype == STRING:
        if isinstance(data, list) and data and len(data) != shape[0]:
            raise invalid(f"{shape[0]} strings in `{what}`, as the shape says", str(len(data)))
        is_base64 = entry.parameters.content_type == _BASE64
        return read_strings(data, decode_base64 if is_base64 else _encode_text, what)
    if holds_lists(data, what):
        return read_pixels(data, shape, what)
    return read_pixels(data, [math.prod(shape)], what).reshape(shape)


def _encode_text(value: object, place: str) -> bytes:
    if not isinstance(value, str):
        raise invalid(f"a string at {place}", describe(value))
    return value.encode()


def _read_byte_strings(chunk: memoryview, count: int, name: str) -> npt.NDArray[np.object_]:
    if count > MAX_STRINGS:
        raise invalid(f"at most {MAX_STRINGS} strings in `{name}`", f"a shape of {count}")
    if count * _LENGTH.size > len(chunk):
        raise invalid(
            f"{count} strings in `{name}`, as the shape says, each after its length in 4 bytes",
            f"{len(chunk)} bytes",
        )
    values: list[bytes] = []
    position = 0
    while position < len(chunk):
        start = position + _LENGTH.size
        # A truncated length also reaches beyond the end.
        end = start + (_LENGTH.unpack_from(chunk, position)[0] if start <= len(chunk) else 0)
        if end > len(chunk):
            raise invalid(
                f"strings after their lengths, 4 bytes each, in `{name}`",
                f"string {len(values)} ends {end - len(chunk)} bytes after the data",
            )
        values.append(bytes(chunk[start:end]))
        position = end
        if len(values) > count:
            break
    if len(values) != count:
        raise invalid(f"{count} strings in `{name}`, as the shape says", _count(len(values), count))
    return string_tensor(values)


def _count(found: int, expected: int) -> str:
    return "more" if found > expected else str(found)
