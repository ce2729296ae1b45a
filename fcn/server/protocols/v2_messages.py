"""Messages of the Open Inference Protocol v2: reading requests, writing responses, metadata.

Source: https://github.com/kserve/open-inference-protocol and Triton's docs/protocol/extension_binary_data.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from fcn.inference.engines.signatures import FLOAT32, SERVING_DEFAULT, STRING, UINT8, Signature, Tensor
from fcn.server.interface import InferenceRequest, InferenceResponse
from fcn.server.protocols.json_tensors import read_object
from fcn.server.protocols.v2_tensors import DATATYPES, read_tensor, tensor_bytes, tensor_data
from fcn.server.validation import describe, find_signature, invalid, shorten

HEADER_LENGTH = "Inference-Header-Content-Length"
"""Header with the length of the JSON in a body in which binary tensors follow it."""

_SIZE, _AS_BINARY, _ALL_BINARY = "binary_data_size", "binary_data", "binary_data_output"


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
    document = read_object(bytes(text), "the body")
    # Triton's own examples repeat the name of the model.
    if document.get("model_name", model) != model:
        raise invalid(f'"{model}" as `model_name`', describe(document["model_name"]))
    request_id = document.get("id")
    if "id" in document and not isinstance(request_id, str):
        raise invalid("a string as `id`", describe(request_id))
    parameters = _parameters(document, "the request")
    inputs_given = _entries(document.pop("inputs", None), "inputs")
    outputs_given = _entries(document.get("outputs", []), "outputs")
    name = parameters.get("signature_name", _fitting_signature(signatures, inputs_given, outputs_given))
    if not isinstance(name, str):
        raise invalid("a string as `signature_name`", describe(name))
    signature = find_signature(signatures, name)
    all_binary = _flag(parameters, _ALL_BINARY, default=False)
    outputs, binary = _read_outputs(outputs_given, name, signature, all_binary)
    inputs = _read_inputs(inputs_given, name, signature, rest)
    return V2Request(InferenceRequest(name, inputs, outputs, version), request_id, frozenset(binary))


def read_index(body: bytes) -> bool:
    """Reads a request for the index of models; returns whether it is only for those that are ready.

    Raises:
        ServerError: If the body is not a JSON object, or `ready` not a boolean.

    Example:
        >>> read_index(b""), read_index(b'{"ready": true}')
        (False, True)
    """
    return _flag(read_object(body, "the body"), "ready", default=False) if body else False


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
        described: dict[str, Any] = {"name": name, "datatype": _datatype(values), "shape": list(values.shape)}
        if name in request.binary:
            chunks.append(tensor_bytes(values))
            described["parameters"] = {_SIZE: len(chunks[-1])}
        else:
            described |= tensor_data(values)
        outputs.append(described)
    document = {"model_name": model, "model_version": str(answer.version), "outputs": outputs}
    if request.request_id is not None:
        document["id"] = request.request_id
    text = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return ResponseBody(b"".join([text, *chunks]), len(text) if chunks else None)


def metadata_document(name: str, versions: Sequence[int], signature: Signature) -> dict[str, Any]:
    """Returns the metadata of a model.

    Args:
        name: Its name.
        versions: Its available versions.
        signature: The signature to describe.
    """
    return {
        "name": name,
        "versions": [str(version) for version in versions],
        "platform": "fcn",
        "inputs": _describe_tensors(signature.inputs),
        "outputs": _describe_tensors(signature.outputs),
    }


def _describe_tensors(tensors: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    return [
        {"name": name, "datatype": DATATYPES[tensor.dtype], "shape": list(tensor.shape)}
        for name, tensor in tensors.items()
    ]


def _datatype(values: npt.NDArray[Any]) -> str:
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


def _parameters(entry: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Returns the parameters of a request, input or output; refuses those that would change the answer.

    Unknown ones, such as Triton's `priority` and `sequence_id`, are ignored.
    """
    parameters = entry.get("parameters", {})
    if not isinstance(parameters, dict):
        raise invalid(f"an object as parameters of {what}", describe(parameters))
    for name in parameters:
        if name.startswith("shared_memory"):
            raise invalid(f"data in the body for {what}", "a region of shared memory, which is not supported")
    if "classification" in parameters:
        raise invalid(
            f"no classification of {what} (a label has a class for each pixel)",
            describe(parameters["classification"]),
        )
    return parameters


def _flag(parameters: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise invalid(f"true or false as `{name}`", describe(value))
    return value


def _entries(value: object, what: str) -> list[dict[str, Any]]:
    """Returns the inputs or outputs of a request: objects with unique names."""
    if not isinstance(value, list):
        raise invalid(f"a list of objects as `{what}`", describe(value))
    names = set()
    for index, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise invalid(f"an object at {what}[{index}]", describe(entry))
        name = entry.get("name")
        if not isinstance(name, str):
            raise invalid(f"a string as `name` of {what}[{index}]", describe(name))
        if name in names:
            raise invalid(f"each name once in `{what}`", f"{shorten(name)} twice")
        names.add(name)
    return value


def _fitting_signature(
    signatures: Mapping[str, Signature],
    inputs: Sequence[Mapping[str, Any]],
    outputs: Sequence[Mapping[str, Any]],
) -> str:
    """Returns the name of the first signature with these inputs that has these outputs; else a near one.

    A model of Triton has no signatures: its clients only name inputs and outputs.
    """
    given, wanted = {entry["name"] for entry in inputs}, {entry["name"] for entry in outputs}
    fitting = [name for name, signature in signatures.items() if signature.inputs.keys() == given]
    best = (name for name in fitting if wanted <= signatures[name].outputs.keys())
    return next(best, (fitting or [SERVING_DEFAULT])[0])


def _read_outputs(
    entries: Sequence[Mapping[str, Any]], signature_name: str, signature: Signature, all_binary: bool
) -> tuple[tuple[str, ...], list[str]]:
    """Returns the names of the requested outputs, and of those to send as bytes."""
    binary = []
    for entry in entries:
        name = entry["name"]
        if name not in signature.outputs:
            raise invalid(f"outputs among {', '.join(signature.outputs)} for {signature_name}", shorten(name))
        parameters = _parameters(entry, f"the output `{name}`")
        if _flag(parameters, _AS_BINARY, default=all_binary):
            binary.append(name)
    if not entries:
        return (), list(signature.outputs) if all_binary else []
    return tuple(entry["name"] for entry in entries), binary


def _read_inputs(
    entries: Sequence[Mapping[str, Any]], signature_name: str, signature: Signature, rest: memoryview
) -> dict[str, npt.NDArray[Any]]:
    names = [entry["name"] for entry in entries]
    if sorted(names) != sorted(signature.inputs):
        received = ", ".join(map(shorten, names[:3])) or "none"
        raise invalid(
            f"the inputs {', '.join(signature.inputs)} for {signature_name} (the parameter `signature_name` "
            "chooses another)",
            received,
        )
    inputs = {}
    for entry in entries:
        name = entry["name"]
        parameters = _parameters(entry, f"the input `{name}`")
        chunk = None
        if _SIZE in parameters:
            size = parameters[_SIZE]
            if type(size) is not int or not 0 <= size <= len(rest):
                raise invalid(
                    f"0 to {len(rest)}, the bytes that follow the JSON ({HEADER_LENGTH} says where it ends), "
                    f"as `{_SIZE}` of `{name}`",
                    describe(size),
                )
            chunk, rest = rest[:size], rest[size:]
        inputs[name] = read_tensor(entry, signature.inputs[name], chunk)
    if len(rest):
        raise invalid("only the bytes of inputs after the JSON", f"{len(rest)} more")
    return inputs
