"""Calls of the Open Inference Protocol v2: which signature, inputs and outputs a request means."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from fcn.inference.engines.signatures import SERVING_DEFAULT, Signature
from fcn.server.interface import InferenceRequest
from fcn.server.protocols.v2_request import InferRequest, InputTensor, RequestedOutput
from fcn.server.protocols.v2_tensors import read_tensor
from fcn.server.validation import find_signature, invalid, shorten

TakeChunk = Callable[[InputTensor], memoryview | None]
"""Returns the bytes of an input; None if it has none."""


def read_call(
    request: InferRequest,
    signatures: dict[str, Signature],
    version: int | None,
    take_chunk: TakeChunk,
) -> tuple[InferenceRequest, list[str]]:
    """Reads which signature, inputs and outputs a request means.

    Args:
        request: The request.
        signatures: Signatures of the model by name.
        version: Requested version.
        take_chunk: Returns the bytes of an input.

    Returns:
        The request to a signature, and the names of the outputs to send as bytes.

    Raises:
        ServerError: If the request does not fit a signature.
    """
    name = request.parameters.signature_name
    if name is None:
        name = _fitting_signature(signatures, request.inputs, request.outputs)
    signature = find_signature(signatures, name)
    all_binary = request.parameters.binary_data_output
    outputs, binary = _read_outputs(request.outputs, name, signature, all_binary)
    inputs = _read_inputs(request.inputs, name, signature, take_chunk)
    return InferenceRequest(name, inputs, outputs, version), binary


def _fitting_signature(
    signatures: Mapping[str, Signature],
    inputs: Sequence[InputTensor],
    outputs: Sequence[RequestedOutput],
) -> str:
    """Returns the name of the first signature with these inputs that has these outputs; else a near one.

    A model of Triton has no signatures: its clients only name inputs and outputs.
    """
    given, wanted = {entry.name for entry in inputs}, {entry.name for entry in outputs}
    fitting = [name for name, signature in signatures.items() if signature.inputs.keys() == given]
    best = (name for name in fitting if wanted <= signatures[name].outputs.keys())
    return next(best, (fitting or [SERVING_DEFAULT])[0])


def _read_outputs(
    entries: Sequence[RequestedOutput], signature_name: str, signature: Signature, all_binary: bool
) -> tuple[tuple[str, ...], list[str]]:
    """Returns the names of the requested outputs, and of those to send as bytes."""
    for entry in entries:
        if entry.name not in signature.outputs:
            expected = f"outputs among {', '.join(signature.outputs)} for {signature_name}"
            raise invalid(expected, shorten(entry.name))
    if not entries:
        return (), list(signature.outputs) if all_binary else []
    chosen = [(entry.name, entry.parameters.binary_data) for entry in entries]
    binary = [name for name, as_binary in chosen if (all_binary if as_binary is None else as_binary)]
    return tuple(entry.name for entry in entries), binary


def _read_inputs(
    entries: Sequence[InputTensor], signature_name: str, signature: Signature, take_chunk: TakeChunk
) -> dict[str, npt.NDArray[Any]]:
    names = [entry.name for entry in entries]
    if sorted(names) != sorted(signature.inputs):
        received = ", ".join(map(shorten, names[:3])) or "none"
        raise invalid(
            f"the inputs {', '.join(signature.inputs)} for {signature_name} (the parameter `signature_name` "
            "chooses another)",
            received,
        )
    return {
        entry.name: read_tensor(entry, signature.inputs[entry.name], take_chunk(entry)) for entry in entries
    }
