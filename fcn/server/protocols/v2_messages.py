"""Messages of the Open Inference Protocol v2: reading requests, writing responses, metadata.

Source: https://github.com/kserve/open-inference-protocol and Triton's docs/protocol/extension_binary_data.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from fcn.inference.engines.signatures import FLOAT32, STRING, UINT8, Signature, Tensor
from fcn.server.interface import InferenceRequest, InferenceResponse
from fcn.server.protocols.json_tensors import read_object
from fcn.server.protocols.message import read_message
from fcn.server.protocols.v2_calls import read_call
from fcn.server.protocols.v2_request import DATATYPES, IndexRequest, InferRequest, InputTensor
from fcn.server.protocols.v2_response import InferResponse, ModelMetadata, OutputTensor, TensorMetadata
from fcn.server.protocols.v2_tensors import tensor_bytes, tensor_data
from fcn.server.validation import describe, invalid, shorten

HEADER_LENGTH = "Inference-Header-Content-Length"
"""Header with the length of the JSON in a body in which binary tensors follow it."""


class V2Request(NamedTuple):
    """Request to infer.

    Attributes:
        call: Request to a signature of the model.
        request_id: Id that the client gave it; None without one.
        binary: Names of the outputs to send as bytes.
    """

    call: InferenceRequest
    request_id: str | None
    binary: frozenset[str]


class ResponseBody(NamedTuple):
    """Body of a response.

    Attributes:
        data: The JSON, and the bytes of outputs after it.
        json_length: Length of the JSON if bytes follow it; None otherwise.
    """

    data: bytes
    json_length: int | None


def read_infer(
    body: bytes,
    header_length: str | None,
    signatures: dict[str, Signature],
    model: str,
    version: int | None,
) -> V2Request:
    """Reads a request to infer.

    Args:
        body: The JSON, and the bytes of inputs after it; unknown keys are ignored, as other servers do.
        header_length: Value of the header `HEADER_LENGTH`; None without it.
        signatures: Signatures of the model by name.
        model: Its name.
        version: Version in the path.

    Raises:
        ServerError: If the body does not fit a signature.
    """
    text, rest = _split(body, header_length)
    request = read_message(InferRequest, read_object(bytes(text), "the body"))
    # Triton's own examples repeat the name of the model.
    if request.model_name not in (None, model):
        raise invalid(f'"{model}" as `model_name`', describe(request.model_name))
    chunks = _Chunks(rest)
    call, binary = read_call(request, signatures, version, chunks.take)
    chunks.check_end()
    return V2Request(call, request.id, frozenset(binary))


def read_index(body: bytes) -> bool:
    """Reads a request for the index of models; returns whether it is only for those that are ready.

    Raises:
        ServerError: If the body is not a JSON object, or `ready` not a boolean.

    Example:
        >>> read_index(b""), read_index(b'{"ready": true}')
        (False, True)
    """
    return read_message(IndexRequest, read_object(body, "the body")).ready if body else False


def write_infer(request: V2Request, model: str, answer: InferenceResponse) -> ResponseBody:
    """Writes the response to a request to infer.

    NaN and infinite numbers, which JSON does not have, become null in JSON.

    Args:
        request: The request.
        model: Name of the model.
        answer: Response of the model.
    """
    chunks: list[bytes] = []
    outputs = []
    for name, values in answer.outputs.items():
        fields: dict[str, Any]
        if name in request.binary:
            chunks.append(tensor_bytes(values))
            fields = {"parameters": {"binary_data_size": len(chunks[-1])}}
        else:
            fields = tensor_data(values)
        outputs.append(OutputTensor(name=name, datatype=datatype(values), shape=[*values.shape], **fields))
    response = InferResponse(model_name=model, model_version=str(answer.version), outputs=outputs)
    if request.request_id is not None:
        response.id = request.request_id
    document = response.model_dump(exclude_unset=True)
    text = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return ResponseBody(b"".join([text, *chunks]), len(text) if chunks else None)


def describe_model(name: str, versions: Sequence[int], signature: Signature) -> ModelMetadata:
    """Returns the metadata of a model.

    Args:
        name: Its name.
        versions: Its available versions.
        signature: The signature to describe.
    """
    return ModelMetadata(
        name=name,
        versions=[str(version) for version in versions],
        platform="fcn",
        inputs=_describe_tensors(signature.inputs),
        outputs=_describe_tensors(signature.outputs),
    )


def _describe_tensors(tensors: Mapping[str, Tensor]) -> list[TensorMetadata]:
    return [
        TensorMetadata(name=name, datatype=DATATYPES[tensor.dtype], shape=[*tensor.shape])
        for name, tensor in tensors.items()
    ]


def datatype(values: npt.NDArray[Any]) -> str:
    """Returns the protocol's name for the type of an output."""
    return DATATYPES[{np.dtype(np.uint8): UINT8, np.dtype(np.float32): FLOAT32}.get(values.dtype, STRING)]


def _split(body: bytes, header_length: str | None) -> tuple[memoryview, memoryview]:
    """Returns the JSON of a body, and the bytes after it."""
    view = memoryview(body)
    if header_length is None:
        return view, view[len(view) :]
    # `isdecimal` is true of digits in any script, and Python reads numbers of a few thousand digits only.
    if not (header_length.isascii() and header_length.isdecimal() and len(header_length) <= 18):
        raise invalid(f"the length of the JSON in {HEADER_LENGTH}", shorten(header_length))
    length = int(header_length)
    if not 0 < length <= len(view):
        raise invalid(f"1 to {len(view)}, the length of the body, in {HEADER_LENGTH}", header_length)
    return view[:length], view[length:]


class _Chunks:
    """The bytes of inputs that follow the JSON, one after the other."""

    def __init__(self, rest: memoryview) -> None:
        self._rest = rest

    def take(self, entry: InputTensor) -> memoryview | None:
        """Returns the bytes of an input."""
        size, rest = entry.parameters.binary_data_size, self._rest
        if size is None:
            return None
        if size > len(rest):
            raise invalid(
                f"0 to {len(rest)}, the bytes that follow the JSON ({HEADER_LENGTH} says where it ends), "
                f"as `binary_data_size` of `{entry.name}`",
                describe(size),
            )
        self._rest = rest[size:]
        return rest[:size]

    def check_end(self) -> None:
        """Checks that inputs have all bytes.

        Raises:
            ServerError: If more follow.
        """
        if len(self._rest):
            raise invalid("only the bytes of inputs after the JSON", f"{len(self._rest)} more")
