"""Requests of the Open Inference Protocol v2 as models; those of gRPC are read into the same.

Source: https://github.com/kserve/open-inference-protocol and Triton's docs/protocol/extension_binary_data.md.
"""

import re
from typing import Annotated, Any, TypeVar

from pydantic import (
    ConfigDict,
    FailFast,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from fcn.inference.engines.signatures import FLOAT32, STRING, UINT8, signatures
from fcn.server.protocols.message import Given, Message
from fcn.server.validation import invalid, shorten

DATATYPES = {UINT8: "UINT8", FLOAT32: "FP32", STRING: "BYTES"}
"""Names of the data types in the protocol."""

_REFUSED = {
    "^shared_memory": "shared memory, which is not supported: send data in the body,",
    "^classification$": "classification (a label has a class for each pixel)",
}
"""Parameters that would change the answer, by pattern, and what they ask for."""

_INPUTS = {name: tensor for one in signatures(1).values() for name, tensor in one.inputs.items()}
_Entry = TypeVar("_Entry", "InputTensor", "RequestedOutput")


class Parameters(Message):
    """Parameters; others, such as `priority`, are ignored, but not those that would change the answer."""

    model_config = ConfigDict(json_schema_extra={"patternProperties": dict.fromkeys(_REFUSED, False)})

    @model_validator(mode="before")
    @classmethod
    def _change_no_answer(cls, parameters: Any) -> Any:
        for pattern, what in _REFUSED.items():
            if isinstance(parameters, dict) and any(re.search(pattern, name) for name in parameters):
                raise ValueError(f"an object without {what}")
        return parameters


class RequestParameters(Parameters):
    """Parameters of a request; others, such as `priority`, are ignored."""

    signature_name: Given[str] = Field(
        default=None, description="Default: the first with these inputs and outputs."
    )
    binary_data_output: bool = False


class InputParameters(Parameters):
    """Parameters of an input; others are ignored."""

    binary_data_size: Given[Annotated[int, Field(ge=0)]] = None
    content_type: Any = Field(default="", description="`base64` for strings in base64; ignored otherwise.")


class OutputParameters(Parameters):
    """Parameters of a requested output; others are ignored."""

    binary_data: Given[bool] = None


class InputTensor(Message):
    """Input of a request; type, shape and data must fit the signature."""

    name: str = Field(json_schema_extra={"enum": [*_INPUTS]})
    datatype: Annotated[
        Any, WithJsonSchema({"enum": sorted({DATATYPES[one.dtype] for one in _INPUTS.values()})})
    ]
    shape: Annotated[
        Any, WithJsonSchema({"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1})
    ]
    data: Given[Annotated[object, WithJsonSchema({"type": "array", "minItems": 1})]] = None
    parameters: InputParameters = Field(default_factory=InputParameters)


class RequestedOutput(Message):
    """Output that a request asks for."""

    name: str
    parameters: OutputParameters = Field(default_factory=OutputParameters)


class InferRequest(Message):
    """Request to infer."""

    id: Given[str] = None
    model_name: Given[str] = None
    parameters: RequestParameters = Field(default_factory=RequestParameters)
    inputs: Annotated[list[InputTensor], FailFast()] = Field(json_schema_extra={"minItems": 1, "maxItems": 1})
    outputs: Annotated[list[RequestedOutput], FailFast()] = []

    @field_validator("inputs", "outputs")
    @classmethod
    def _have_unique_names(cls, entries: list[_Entry], info: ValidationInfo) -> list[_Entry]:
        names = set()
        for entry in entries:
            if entry.name in names:
                raise invalid(f"each name once in `{info.field_name}`", f"{shorten(entry.name)} twice")
            names.add(entry.name)
        return entries


class IndexRequest(Message):
    """Request for the index of models."""

    ready: bool = Field(default=False, description="Whether it is only for those that are ready.")
