"""The Open Inference Protocol's messages to infer: reading requests, writing answers.

Source: the `grpc_service.proto` of the Open Inference Protocol and of Triton.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.inference.engines.signatures import Signature
from fcn.server.grpc.messages import MESSAGES
from fcn.server.grpc.numbers import read_uint8, write_uint8
from fcn.server.interface import InferenceRequest, InferenceResponse, string_tensor
from fcn.server.protocols.message import read_message
from fcn.server.protocols.v2_calls import read_call
from fcn.server.protocols.v2_messages import datatype
from fcn.server.protocols.v2_request import InferRequest
from fcn.server.protocols.v2_tensors import tensor_bytes
from fcn.server.validation import invalid


class InferCall(NamedTuple):
    """Request to infer.

    Attributes:
        call: Request to a signature of the model.
        request_id: Id that the client gave it; empty without one.
        is_raw: Whether tensors are sent as bytes, not as lists of numbers.
    """

    call: InferenceRequest
    request_id: str
    is_raw: bool


def read_infer(request: Any, signatures: dict[str, Signature], version: int | None) -> InferCall:
    """Reads a request to infer.

    Args:
        request: A `ModelInferRequest`.
        signatures: Signatures of the model by name.
        version: Requested version.

    Raises:
        ServerError: If the request does not fit a signature.
    """
    chunks = _read_chunks(request)
    document = {
        "parameters": _read_parameters(request.parameters),
        "inputs": [
            {
                "name": given.name,
                "datatype": given.datatype,
                "shape": list(given.shape),
                "parameters": _read_parameters(given.parameters),
            }
            for given in request.inputs
        ],
        "outputs": [
            {"name": wanted.name, "parameters": _read_parameters(wanted.parameters)}
            for wanted in request.outputs
        ],
    }
    message = read_message(InferRequest, document)
    call, _ = read_call(message, signatures, version, lambda given: chunks[given.name])
    return InferCall(call, request.id, bool(request.raw_input_contents))


def write_infer(call: InferCall, name: str, answer: InferenceResponse) -> bytes:
    """Returns the bytes of the `ModelInferResponse` for an answer of the model.

    Args:
        call: The request.
        name: Name of the model.
        answer: Answer of the model.
    """
    response = MESSAGES["inference.ModelInferResponse"](
        model_name=name, model_version=str(answer.version), id=call.request_id
    )
    for output_name, values in answer.outputs.items():
        output = response.outputs.add(name=output_name, datatype=datatype(values), shape=values.shape)
        if call.is_raw:
            response.raw_output_contents.append(tensor_bytes(values))
        else:
            _write_contents(output.contents, values)
    written: bytes = response.SerializeToString()
    return written


def _read_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {name: (value, value.WhichOneof("choice")) for name, value in parameters.items()}
    return {name: getattr(value, choice) for name, (value, choice) in chosen.items() if choice}


def _read_chunks(request: Any) -> dict[str, memoryview]:
    """Returns the bytes of each input, in the form of the binary extension of the protocol."""
    raw, inputs = request.raw_input_contents, request.inputs
    if raw and (len(raw) != len(inputs) or any(given.HasField("contents") for given in inputs)):
        raise invalid(
            f"`raw_input_contents` for each of the {len(inputs)} inputs, and no `contents`, or none",
            f"{len(raw)} of them",
        )
    chunks = list(raw) or [_contents_bytes(given.contents, given.name) for given in inputs]
    return {given.name: memoryview(chunk) for given, chunk in zip(inputs, chunks, strict=True)}


def _contents_bytes(contents: Any, name: str) -> bytes:
    if contents.bytes_contents:
        return tensor_bytes(string_tensor(list(contents.bytes_contents)))
    return read_uint8(contents.uint_contents, f"uint_contents of {name}").tobytes()


def _write_contents(contents: Any, values: npt.NDArray[Any]) -> None:
    if values.dtype == object:
        contents.bytes_contents.extend(values)
    elif values.dtype == np.uint8:
        contents.uint_contents.append(write_uint8(values))
    else:
        contents.fp32_contents.append(values.astype("<f4", copy=False).tobytes())
