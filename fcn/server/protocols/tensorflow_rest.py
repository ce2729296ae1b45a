"""TensorFlow Serving's REST API: the same URLs and JSON.

Source: https://www.tensorflow.org/tfx/serving/api_rest.
"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fcn.server.interface import ErrorKind, ModelService, ServerError
from fcn.server.openapi import GZIP_NOTE, JSON, TEXT, Schema, closed, list_of, object_of
from fcn.server.protocols.routes import (
    NAME,
    ReadBody,
    add_model_routes,
    available_versions,
    json_response,
    requested_model,
)
from fcn.server.protocols.tensorflow_json import (
    metadata_document,
    read_predict,
    status_document,
    write_predict,
)
from fcn.server.serial_executor import SerialExecutor
from fcn.server.served_models import ServedModels


def tensorflow_routes(models: ServedModels[ModelService], read_body: ReadBody) -> APIRouter:
    """Returns the routes of TensorFlow Serving's REST API: status, metadata and predict.

    Args:
        models: The models.
        read_body: Reads the body of a request, within limits.

    Returns:
        Routes that raise `ServerError` for rejected requests.
    """
    router = APIRouter()
    executor = SerialExecutor()

    async def status(request: Request) -> Response:
        service, version = requested_model(request, models)
        states = [state for state in service.versions() if version in (None, state.version)]
        if not states:
            raise ServerError(
                ErrorKind.NOT_FOUND,
                f"Expected an existing version of {service.name}. Received: {version}.",
            )
        return json_response(status_document(states))

    async def metadata(request: Request) -> Response:
        service, version = requested_model(request, models)
        signatures = service.signatures(version)
        if version is None:
            version = available_versions(service)[0]
        return json_response(metadata_document(service.name, version, signatures))

    async def predict(request: Request) -> Response:
        body = await read_body(request)
        service, version = requested_model(request, models)
        call, layout = await executor.run(read_predict, body, service.signatures(version), version)
        del body  # frees its memory while the image waits
        answer = await service.infer(call)
        return Response(await executor.run(write_predict, answer, layout), media_type=JSON)

    path = "/v1" + NAME
    for method, end, handler, operation, answer in (
        ("GET", "", status, _STATUS, _STATUS_ANSWER),
        ("GET", "/metadata", metadata, _METADATA, _METADATA_ANSWER),
        ("POST", ":predict", predict, _PREDICT, _PREDICT_ANSWER),
    ):
        answers = {JSON: {"schema": answer}}
        add_model_routes(router, method, path + end, handler, models.names, operation, answers)
    return router


_BASE64: Schema = {
    "type": "string",
    "format": "byte",
    "description": "Line breaks and padding do not matter.",
}
_BYTES: Schema = closed(object_of(b64=_BASE64))
_STRING: Schema = {"anyOf": [TEXT, _BYTES]}
_PIXEL: Schema = {
    "type": "array",
    "items": {"type": "integer", "minimum": 0, "maximum": 255},
    "minItems": 3,
    "maxItems": 3,
}


def _some(items: Schema) -> Schema:
    return list_of(items, 1)


_IMAGE = _some(_some(_PIXEL))
_ROW: Schema = {
    "anyOf": [
        _STRING,
        _IMAGE,
        closed(object_of(image_bytes=_STRING)),
        closed(object_of(images=_IMAGE)),
    ]
}
_COLUMN: Schema = {
    "anyOf": [
        _some(_STRING),
        _some(_IMAGE),
        closed(object_of(image_bytes=_some(_STRING))),
        closed(object_of(images=_some(_IMAGE))),
    ]
}
_STATUS: Schema = {
    "operationId": "tensorflow_status",
    "summary": "Returns the state of the versions of the model.",
}
_STATUS_ANSWER = object_of(
    model_version_status=_some(
        object_of(version=TEXT, state=TEXT, status=object_of(error_code=TEXT, error_message=TEXT))
    )
)
_METADATA: Schema = {
    "operationId": "tensorflow_metadata",
    "summary": "Returns the signatures of the model.",
}
_METADATA_ANSWER = object_of(
    model_spec=object_of(name=TEXT, signature_name=TEXT, version=TEXT),
    metadata=object_of(signature_def=object_of(signature_def={"type": "object"})),
)
_PREDICT: Schema = {
    "operationId": "tensorflow_predict",
    "summary": "Labels images.",
    "requestBody": {
        "description": GZIP_NOTE,
        "required": True,
        "content": {
            JSON: {
                "schema": {
                    "type": "object",
                    "properties": {"signature_name": TEXT, "instances": _some(_ROW), "inputs": _COLUMN},
                    "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
                }
            }
        },
    },
}
_PREDICT_ANSWER: Schema = {
    "type": "object",
    "properties": {"predictions": {"type": "array"}, "outputs": {"type": ["array", "object"]}},
    "oneOf": [{"required": ["predictions"]}, {"required": ["outputs"]}],
    "additionalProperties": False,
}
