"""The JSON of TensorFlow Serving's REST API: reading requests, writing responses.

Source: https://www.tensorflow.org/tfx/serving/api_rest.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt
import orjson

from fcn.inference.engines.signatures import (
    FLOAT32,
    PREDICT_TENSOR,
    SERVING_DEFAULT,
    STRING,
    UINT8,
    Signature,
    Tensor,
)
from fcn.server.interface import InferenceRequest, InferenceResponse, VersionState
from fcn.server.protocols.json_tensors import (
    decode_base64,
    encode_base64,
    read_object,
    read_pixels,
    read_strings,
)
from fcn.server.protocols.message import read_message
from fcn.server.protocols.tensorflow_messages import (
    Metadata,
    MetadataResponse,
    ModelSpec,
    PredictRequest,
    SignatureMap,
    Status,
    StatusResponse,
    VersionStatus,
)
from fcn.server.validation import describe, find_signature, invalid

_BASE64 = "b64"
_DTYPES = {UINT8: "DT_UINT8", FLOAT32: "DT_FLOAT", STRING: "DT_STRING"}


class Layout(Enum):
    """Layout of tensors in JSON; the value is the key of the response."""

    ROWS = "predictions"
    COLUMNS = "outputs"


def read_predict(
    body: bytes, signatures: dict[str, Signature], version: int | None
) -> tuple[InferenceRequest, Layout]:
    """Reads a request to predict.

    Args:
        body: The JSON; unknown keys are ignored, as TensorFlow Serving does.
        signatures: Signatures of the model by name.
        version: Version in the path.

    Returns:
        The request, and the layout of its response.

    Raises:
        ServerError: If the body does not fit a signature.
    """
    request = read_message(PredictRequest, read_object(body, "the body"))
    name = request.signature_name or SERVING_DEFAULT
    ((input_name, tensor),) = find_signature(signatures, name).inputs.items()
    if request.instances is not None:
        layout, what, value = Layout.ROWS, "instances", _unwrap_rows(request.instances, input_name)
    else:
        layout, what, value = Layout.COLUMNS, "inputs", _unwrap_column(request.inputs, input_name)
    if tensor.dtype == STRING and isinstance(value, orjson.Fragment):
        expected = f"strings in `{what}` for {name} (pixels are for `signature_name` {PREDICT_TENSOR})"
        raise invalid(expected, describe(value))
    values = (
        read_strings(value, _read_string, what)
        if tensor.dtype == STRING
        else read_pixels(value, tensor.shape, what)
    )
    return InferenceRequest(name, {input_name: values}, version=version), layout


def write_predict(answer: InferenceResponse, layout: Layout) -> bytes:
    """Writes the response to a request to predict.

    NaN and infinite numbers, which JSON does not have, become null.

    Args:
        answer: Response of the model.
        layout: Layout of the request.

    Example:
        >>> write_predict(InferenceResponse(1, {"label": np.array([[[0, 2]]], np.uint8)}), Layout.ROWS)
        b'{"predictions":[[[0,2]]]}'
    """
    columns = {name: _json_ready(values) for name, values in answer.outputs.items()}
    document: object
    if len(columns) == 1:
        (document,) = columns.values()
    elif layout is Layout.COLUMNS:
        document = columns
    else:
        document = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return orjson.dumps({layout.value: document}, option=orjson.OPT_SERIALIZE_NUMPY)


def describe_status(states: Sequence[VersionState]) -> StatusResponse:
    """Returns the status of versions.

    Example:
        >>> describe_status([VersionState(3, "AVAILABLE")]).model_version_status[0].version
        '3'
    """
    return StatusResponse(
        model_version_status=[
            VersionStatus(
                version=str(version),
                state=state,
                status=Status(error_code="INTERNAL" if error else "OK", error_message=error),
            )
            for version, state, error in states
        ]
    )


def describe_model(name: str, version: int, signatures: Mapping[str, Signature]) -> MetadataResponse:
    """Returns the signatures of a model as JSON of TensorFlow's protocol buffers.

    Args:
        name: Name of the model.
        version: Its version.
        signatures: Its signatures by name.
    """
    definitions = {
        signature_name: {
            "inputs": _tensor_infos(signature_name, signature.inputs),
            "outputs": _tensor_infos(signature_name, signature.outputs),
            "method_name": "tensorflow/serving/predict",
            "defaults": {},
        }
        for signature_name, signature in signatures.items()
    }
    return MetadataResponse(
        model_spec=ModelSpec(name=name, signature_name="", version=str(version)),
        metadata=Metadata(signature_def=SignatureMap(signature_def=definitions)),
    )


def _tensor_infos(signature_name: str, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    return {
        name: {
            "dtype": _DTYPES[tensor.dtype],
            "tensor_shape": {
                "dim": [{"size": str(side), "name": ""} for side in tensor.shape],
                "unknown_rank": False,
            },
            "name": f"{signature_name}_{name}:0",
        }
        for name, tensor in tensors.items()
    }


def _is_named(value: object) -> TypeGuard[dict[str, Any]]:
    """Returns whether a value is an object of named tensors; the only other object is a base64 string."""
    return isinstance(value, dict) and list(value) != [_BASE64]


def _unwrap_rows(rows: object, input_name: str) -> object:
    if isinstance(rows, orjson.Fragment):
        return rows
    if not isinstance(rows, list) or not rows:
        raise invalid("a list of one or more values as `instances`", describe(rows))
    if not _is_named(rows[0]):
        return rows  # objects after the first are rejected as values
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or list(row) != [input_name]:
            expected = f'objects with "{input_name}" in `instances`, like the first'
            raise invalid(expected, f"{describe(row)} at instances[{index}]")
    return [row[input_name] for row in rows]


def _unwrap_column(column: object, input_name: str) -> object:
    if not _is_named(column):
        return column
    if list(column) != [input_name]:
        raise invalid(f'a value or an object with "{input_name}" as `inputs`', describe(column))
    return column[input_name]


def _read_string(value: object, place: str) -> bytes:
    match value:
        case str():
            return value.encode()
        case dict() if list(value) == [_BASE64]:
            return decode_base64(value[_BASE64], place)
        case _:
            raise invalid(f'a string or {{"{_BASE64}": ...}} at {place}', describe(value))


def _json_ready(values: npt.NDArray[Any]) -> Any:
    """Returns values that orjson can write; strings become base64, as their names end in `_bytes`."""
    if values.dtype != object:
        return np.ascontiguousarray(values)
    return [{_BASE64: encode_base64(one)} for one in values]
