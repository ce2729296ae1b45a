"""TensorFlow Serving's messages to predict: reading requests, writing answers.

Sources: TensorFlow's `tensor.proto` and `types.proto`, TensorFlow Serving's `predict.proto`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fcn.inference.engines.signatures import FLOAT32, SERVING_DEFAULT, STRING, UINT8, Signature, Tensor
from fcn.server.grpc.messages import MESSAGES
from fcn.server.grpc.numbers import read_uint8, write_uint8
from fcn.server.interface import ErrorKind, InferenceRequest, InferenceResponse, ServerError, string_tensor
from fcn.server.protocols.v2_tensors import read_shape
from fcn.server.validation import find_signature, invalid, shorten

_DTYPES = {FLOAT32: 1, UINT8: 4, STRING: 7}
"""TensorFlow's numbers of types."""
_DTYPE_NAMES = {1: "DT_FLOAT", 2: "DT_DOUBLE", 3: "DT_INT32", 4: "DT_UINT8", 7: "DT_STRING", 9: "DT_INT64"}


def read_model_version(spec: Any) -> int | None:
    """Returns the version in a `ModelSpec`; None for the newest.

    Raises:
        ServerError: If it names a label, of which there are none.
    """
    if spec.version_label:
        raise ServerError(
            ErrorKind.NOT_FOUND,
            f"Expected a version, or none for the newest. Received: the label {shorten(spec.version_label)}.",
        )
    return int(spec.version.value) if spec.HasField("version") else None


def read_predict(request: Any, signatures: dict[str, Signature], version: int | None) -> InferenceRequest:
    """Reads a request to predict.

    Args:
        request: A `PredictRequest`.
        signatures: Signatures of the model by name.
        version: Requested version.

    Raises:
        ServerError: If the request does not fit a signature.
    """
    name = request.model_spec.signature_name or SERVING_DEFAULT
    signature = find_signature(signatures, name)
    if sorted(request.inputs) != sorted(signature.inputs):
        received = ", ".join(shorten(given) for given in sorted(request.inputs)[:3]) or "none"
        raise invalid(f"the inputs {', '.join(signature.inputs)} for {name}", received)
    for wanted in request.output_filter:
        if wanted not in signature.outputs:
            raise invalid(f"outputs among {', '.join(signature.outputs)} for {name}", shorten(wanted))
    inputs = {
        input_name: _read_tensor(request.inputs[input_name], tensor, input_name)
        for input_name, tensor in signature.inputs.items()
    }
    return InferenceRequest(name, inputs, tuple(request.output_filter), version)


def write_predict(answer: InferenceResponse, name: str, signature_name: str) -> bytes:
    """Returns the bytes of the `PredictResponse` for an answer of the model.

    Args:
        answer: Answer of the model.
        name: Name of the model.
        signature_name: Name of the signature that was run.
    """
    spec = {"name": name, "version": {"value": answer.version}, "signature_name": signature_name}
    response = MESSAGES["tensorflow.serving.PredictResponse"](model_spec=spec)
    for output_name, values in answer.outputs.items():
        _write_tensor(response.outputs[output_name], values)
    written: bytes = response.SerializeToString()
    return written


def signature_map(signatures: Mapping[str, Signature]) -> Any:
    """Returns the `SignatureDefMap` of a model.

    Example:
        >>> from fcn.inference.engines.signatures import signatures
        >>> map_of = signature_map(signatures(3)).signature_def
        >>> map_of["predict_tensor"].inputs["images"].dtype == _DTYPES[UINT8]
        True
    """
    definitions = MESSAGES["tensorflow.serving.SignatureDefMap"]()
    for name, signature in signatures.items():
        definition = definitions.signature_def[name]
        definition.method_name = "tensorflow/serving/predict"
        for tensors, infos in (
            (signature.inputs, definition.inputs),
            (signature.outputs, definition.outputs),
        ):
            for tensor_name, tensor in tensors.items():
                info = infos[tensor_name]
                info.name, info.dtype = f"{name}_{tensor_name}:0", _DTYPES[tensor.dtype]
                _write_shape(info.tensor_shape, tensor.shape)
    return definitions


def _read_tensor(proto: Any, tensor: Tensor, name: str) -> npt.NDArray[Any]:
    """Returns an input: `uint8` of its shape, or `object[N]`, each `bytes`."""
    dtype = _DTYPES[tensor.dtype]
    if proto.dtype != dtype:
        received = _DTYPE_NAMES.get(proto.dtype, f"type {proto.dtype}")
        raise invalid(f"the type {_DTYPE_NAMES[dtype]} of `{name}`", received)
    sides = None if proto.tensor_shape.unknown_rank else [dim.size for dim in proto.tensor_shape.dim]
    shape = read_shape(sides, tensor, name)
    values: npt.NDArray[Any]
    if tensor.dtype == STRING:
        field, values = "string_val", string_tensor(list(proto.string_val))
    elif proto.int_val:
        field, values = "int_val", read_uint8(proto.int_val, "int_val")
    else:
        field, values = "tensor_content", np.frombuffer(proto.tensor_content, np.uint8)
    if len(values) != math.prod(shape):
        raise invalid(
            f"{math.prod(shape)} values of `{name}`, of shape {shape}, in {field}", str(len(values))
        )
    return values.reshape(shape)


def _write_tensor(proto: Any, values: npt.NDArray[Any]) -> None:
    """Writes an output into the fields that TensorFlow Serving uses; clients without TensorFlow read them."""
    _write_shape(proto.tensor_shape, values.shape)
    if values.dtype == object:
        proto.dtype = _DTYPES[STRING]
        proto.string_val.extend(values)
    elif values.dtype == np.uint8:
        proto.dtype = _DTYPES[UINT8]
        proto.int_val.append(write_uint8(values))
    else:
        proto.dtype = _DTYPES[FLOAT32]
        proto.float_val.append(values.astype("<f4", copy=False).tobytes())


def _write_shape(proto: Any, shape: Sequence[int]) -> None:
    for side in shape:
        proto.dim.add(size=side)
