"""Messages of TensorFlow Serving's REST API as models.

Source: https://www.tensorflow.org/tfx/serving/api_rest.
"""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from fcn.server.protocols.message import Given, Message, schema_of
from fcn.server.validation import invalid

_Value = TypeVar("_Value")
_Some = Annotated[list[_Value], Field(min_length=1)]


class _Described(BaseModel):
    """Value in a request; it is only described: `read_predict` compares values with the signature."""

    model_config = ConfigDict(extra="forbid")


class _Base64(_Described):
    """String in base64; line breaks and padding do not matter."""

    b64: Annotated[str, WithJsonSchema({"type": "string", "format": "byte"})]


_String = str | _Base64
_Pixel = Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=3, max_length=3)]
_Image = _Some[_Some[_Pixel]]


class _NamedString(_Described):
    """File of an image, by the name of the input."""

    image_bytes: _String


class _NamedImage(_Described):
    """Pixels of an image, by the name of the input."""

    images: _Image


class _NamedStrings(_Described):
    """Files of images, by the name of the input."""

    image_bytes: _Some[_String]


class _NamedImages(_Described):
    """Pixels of images, by the name of the input."""

    images: _Some[_Image]


_Rows = _Some[_String | _Image | _NamedString | _NamedImage]
_Columns = _Some[_String] | _Some[_Image] | _NamedStrings | _NamedImages


class PredictRequest(Message):
    """Request to predict: values as rows (`instances`) or as columns (`inputs`)."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}]}
    )

    signature_name: str = ""
    instances: Given[Annotated[object, WithJsonSchema(schema_of(_Rows))]] = None
    inputs: Given[Annotated[object, WithJsonSchema(schema_of(_Columns))]] = None

    @model_validator(mode="after")
    def _has_one_layout(self) -> "PredictRequest":
        if (self.instances is None) == (self.inputs is None):
            received = "neither" if self.inputs is None else "both"
            raise invalid("one of `instances` and `inputs`", received)
        return self


class PredictResponse(BaseModel):
    """Answer to a request to predict, as rows or as columns."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["predictions"]}, {"required": ["outputs"]}],
            "additionalProperties": False,
        }
    )

    predictions: list[Any] = []
    outputs: list[Any] | dict[str, Any] = []


class Status(BaseModel):
    """Why a version could not be loaded, if so."""

    error_code: str
    error_message: str


class VersionStatus(BaseModel):
    """State of a version."""

    version: str
    state: str
    status: Status


class StatusResponse(BaseModel):
    """State of the versions of a model."""

    model_version_status: _Some[VersionStatus]


class ModelSpec(BaseModel):
    """Model that an answer is about."""

    name: str
    signature_name: str
    version: str


class SignatureMap(BaseModel):
    """Signatures by name, as JSON of TensorFlow's `SignatureDef`."""

    signature_def: dict[str, Any]


class Metadata(BaseModel):
    """Metadata of a model."""

    signature_def: SignatureMap


class MetadataResponse(BaseModel):
    """Signatures of a model."""

    model_spec: ModelSpec
    metadata: Metadata
