"""Calls of the Open Inference Protocol v2: which signature, inputs and outputs a request means.

JSON and gRPC carry the same requests. Here they are dictionaries, as in JSON, without the bytes of inputs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from fcn.inference.engines.signatures import SERVING_DEFAULT, Signature
from fcn.server.interface import InferenceRequest
from fcn.server.protocols.v2_tensors import read_tensor
from fcn.server.validation import describe, find_signature, invalid, shorten

_AS_BINARY, _ALL_BINARY = "binary_data", "binary_data_output"

TakeChunk = Callable[[str, Mapping[str, Any]], memoryview | None]
"""Returns the bytes of an input, by its name and its parameters; None if it has none."""


def read_call(
    document: dict[str, Any],
    signatures: dict[str, Signature],
    version: int | None,
    take_chunk: TakeChunk,
) -> tuple[InferenceRequest, list[str]]:
    """Reads the parameters, inputs and outputs of a request to infer.

    Args:
        document: The request; its inputs are taken out.
        signatures: Signatures of the model by name.
        version: Requested version.
        take_chunk: Returns the bytes of an input.

    Returns:
        The request to a signature, and the names of the outputs to send as bytes.

    Raises:
        ServerError: If the request does not fit a signature.
    """
    parameters = _parameters(document, "the request")
    inputs_given = _entries(document.pop("inputs", None), "inputs")
    outputs_given = _entries(document.get("outputs", []), "outputs")
    name = parameters.get("signature_name", _fitting_signature(signatures, inputs_given, outputs_given))
    if not isinstance(name, str):
        raise invalid("a string as `signature_name`", describe(name))
    signature = find_signature(signatures, name)
    all_binary = read_flag(parameters, _ALL_BINARY, default=False)
    outputs, binary = _read_outputs(outputs_given, name, signature, all_binary)
    inputs = _read_inputs(inputs_given, name, signature, take_chunk)
    return InferenceRequest(name, inputs, outputs, version), binary


def read_flag(parameters: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """Returns a boolean of a request.

    Raises:
        ServerError: If it is something else.
    """
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise invalid(f"true or false as `{name}`", describe(value))
    return value


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
        if read_flag(parameters, _AS_BINARY, default=all_binary):
            binary.append(name)
    if not entries:
        return (), list(signature.outputs) if all_binary else []
    return tuple(entry["name"] for entry in entries), binary


def _read_inputs(
    entries: Sequence[Mapping[str, Any]], signature_name: str, signature: Signature, take_chunk: TakeChunk
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
        inputs[name] = read_tensor(entry, signature.inputs[name], take_chunk(name, parameters))
    return inputs
