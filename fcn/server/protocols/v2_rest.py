"""The Open Inference Protocol v2 (KServe, Triton, MLServer) with its binary tensor extension.

Source: https://github.com/kserve/open-inference-protocol and Triton's docs/protocol/extension_binary_data.md.
"""

from itertools import chain

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fcn.inference.engines.signatures import SERVING_DEFAULT
from fcn.server.interface import ErrorKind, ModelService
from fcn.server.openapi import BINARY, FLAG, GZIP_NOTE, JSON, TEXT, Schema, list_of, object_of, with_optional
from fcn.server.protocols.routes import (
    NAME,
    Handler,
    ReadBody,
    add_model_routes,
    add_route,
    available_versions,
    json_response,
    requested_model,
)
from fcn.server.protocols.v2_messages import (
    HEADER_LENGTH,
    metadata_document,
    read_index,
    read_infer,
    write_infer,
)
from fcn.server.protocols.v2_statistics import index_document, statistics_document
from fcn.server.serial_executor import SerialExecutor
from fcn.server.served_models import ServedModels
from fcn.server.validation import find_signature
from fcn.version import __version__

_SIGNATURE = "signature_name"
_EXTENSIONS = ["binary_tensor_data", "statistics"]


def v2_routes(models: ServedModels[ModelService], read_body: ReadBody) -> APIRouter:
    """Returns the routes of the Open Inference Protocol v2: health, metadata and infer.

    Args:
        models: The models.
        read_body: Reads the body of a request, within limits.

    Returns:
        Routes that raise `ServerError` for rejected requests.
    """
    router = APIRouter()
    executor = SerialExecutor()

    async def server() -> Response:
        return json_response({"name": "fcn", "version": __version__, "extensions": _EXTENSIONS})

    async def live() -> Response:
        return json_response({"live": True})

    async def ready() -> Response:
        models.check_ready()
        # The specification has `live` here too; servers that implement it return `ready`.
        return json_response({"live": True, "ready": True})

    async def model_ready(request: Request) -> Response:
        service, version = requested_model(request, models)
        service.signatures(version)
        service.check_ready()
        return json_response({"name": service.name, "ready": True})

    async def metadata(request: Request) -> Response:
        service, version = requested_model(request, models)
        name = request.query_params.get(_SIGNATURE, SERVING_DEFAULT)
        signature = find_signature(service.signatures(version), name)
        return json_response(metadata_document(service.name, available_versions(service), signature))

    async def all_statistics() -> Response:
        documents = [statistics_document(service.name, service.statistics(None)) for service in models]
        return json_response({"model_stats": documents})

    async def statistics(request: Request) -> Response:
        service, version = requested_model(request, models)
        return json_response(
            {"model_stats": [statistics_document(service.name, service.statistics(version))]}
        )

    async def index(request: Request) -> Response:
        only_ready = read_index(await read_body(request))
        documents = [
            index_document(service.name, service.versions(), only_ready=only_ready) for service in models
        ]
        return json_response([*chain.from_iterable(documents)])

    async def infer(request: Request) -> Response:
        body = await read_body(request)
        service, version = requested_model(request, models)
        header_length, signatures = request.headers.get(HEADER_LENGTH), service.signatures(version)
        v2_request = await executor.run(read_infer, body, header_length, signatures, service.name, version)
        del body  # frees its memory while the image waits
        answer = await service.infer(v2_request.call)
        data, json_length = await executor.run(write_infer, v2_request, service.name, answer)
        if json_length is None:
            return Response(data, media_type=JSON)
        return Response(data, media_type=BINARY, headers={HEADER_LENGTH: str(json_length)})

    handler: Handler
    for path, handler, operation, answer, error_kinds in (
        ("/v2", server, _SERVER, _SERVER_ANSWER, [ErrorKind.UNAUTHORIZED]),
        ("/v2/health/live", live, _LIVE, _LIVE_ANSWER, []),
        ("/v2/health/ready", ready, _READY, _READY_ANSWER, [ErrorKind.STOPPING]),
        ("/v2/models/stats", all_statistics, _ALL_STATISTICS, _STATISTICS_ANSWER, [ErrorKind.UNAUTHORIZED]),
    ):
        add_route(router, "GET", path, handler, operation, {JSON: {"schema": answer}}, error_kinds)
    answers: Schema = {JSON: {"schema": _INDEX_ANSWER}}
    add_route(router, "POST", "/v2/repository/index", index, _INDEX, answers, _INDEX_ERRORS)
    path = "/v2" + NAME
    for method, end, handler, operation, answers in (
        ("GET", "", metadata, _METADATA, {JSON: {"schema": _METADATA_ANSWER}}),
        ("GET", "/ready", model_ready, _MODEL_READY, {JSON: {"schema": _MODEL_READY_ANSWER}}),
        ("GET", "/stats", statistics, _STATISTICS, {JSON: {"schema": _STATISTICS_ANSWER}}),
        ("POST", "/infer", infer, _INFER, {JSON: {"schema": _INFER_ANSWER}, BINARY: {}}),
    ):
        add_model_routes(router, method, path + end, handler, models.names, operation, answers)
    return router


_SHAPE = list_of({"type": "integer"})
_SIZE: Schema = {"type": "integer", "minimum": 0}
_TENSORS = list_of(object_of(name=TEXT, datatype=TEXT, shape=_SHAPE))

_SERVER: Schema = {
    "operationId": "v2_server",
    "summary": "Returns name, version and extensions of the server.",
}
_SERVER_ANSWER = object_of(name=TEXT, version=TEXT, extensions=list_of(TEXT))
_LIVE: Schema = {"operationId": "v2_live", "summary": "Reports liveness."}
_LIVE_ANSWER = object_of(live=FLAG)
_READY: Schema = {"operationId": "v2_ready", "summary": "Reports readiness of the server."}
_READY_ANSWER = object_of(live=FLAG, ready=FLAG)
_MODEL_READY: Schema = {"operationId": "v2_model_ready", "summary": "Reports readiness of the model."}
_MODEL_READY_ANSWER = object_of(name=TEXT, ready=FLAG)
_COUNT: Schema = {"type": "integer", "minimum": 0}
_DURATION = object_of(count=_COUNT, ns=_COUNT)
_STATISTICS: Schema = {
    "operationId": "v2_statistics",
    "summary": "Returns counts and times of a model since its version was loaded.",
}
_ALL_STATISTICS: Schema = {
    "operationId": "v2_all_statistics",
    "summary": "Returns counts and times of all models since their versions were loaded.",
}
_STATISTICS_ANSWER = object_of(
    model_stats=list_of(
        object_of(
            name=TEXT,
            version=TEXT,
            last_inference=_COUNT,
            inference_count=_COUNT,
            execution_count=_COUNT,
            inference_stats={"type": "object", "additionalProperties": _DURATION},
            batch_stats=list_of(object_of(batch_size=_COUNT, compute_infer=_DURATION)),
        ),
    )
)
_INDEX: Schema = {
    "operationId": "v2_index",
    "summary": "Returns the versions of all models with their states.",
    "requestBody": {
        "description": GZIP_NOTE,
        "content": {JSON: {"schema": {"type": "object", "properties": {"ready": FLAG}}}},
    },
}
_INDEX_ANSWER = list_of(object_of(name=TEXT, version=TEXT, state=TEXT, reason=TEXT))
_INDEX_ERRORS = (
    ErrorKind.BAD_REQUEST,
    ErrorKind.UNAUTHORIZED,
    ErrorKind.UNKNOWN_HOST,
    ErrorKind.SLOW_CLIENT,
    ErrorKind.TOO_LARGE,
    ErrorKind.UNSUPPORTED_MEDIA_TYPE,
    ErrorKind.BUSY,
)
_METADATA: Schema = {
    "operationId": "v2_metadata",
    "summary": "Returns inputs and outputs of the model.",
    "parameters": [{"in": "query", "name": _SIGNATURE, "schema": TEXT}],
}
_METADATA_ANSWER = object_of(
    name=TEXT, versions=list_of(TEXT), platform=TEXT, inputs=_TENSORS, outputs=_TENSORS
)
_SHAPE_GIVEN: Schema = {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1}


def _parameters(**known: Schema) -> Schema:
    """Returns the schema of parameters: others are ignored, but not those that would change the answer."""
    return {
        "type": "object",
        "properties": {**known, "classification": False},
        "patternProperties": {"^shared_memory": False},
        "description": "Others, such as `priority`, are ignored.",
    }


_SIGNATURE_NAME: Schema = TEXT | {"description": "Default: the first with these inputs and outputs."}
_CONTENT_TYPE: Schema = {"description": "`base64` for strings in base64; ignored otherwise."}
_INFER: Schema = {
    "operationId": "v2_infer",
    "summary": "Labels images.",
    "parameters": [{"in": "header", "name": HEADER_LENGTH, "schema": {"type": "integer", "minimum": 1}}],
    "requestBody": {
        "description": GZIP_NOTE,
        "required": True,
        "content": {
            JSON: {
                "schema": with_optional(
                    object_of(
                        inputs={
                            "type": "array",
                            "minItems": 1,
                            "maxItems": 1,
                            "items": with_optional(
                                object_of(
                                    name={"enum": ["image_bytes", "images"]},
                                    datatype={"enum": ["BYTES", "UINT8"]},
                                    shape=_SHAPE_GIVEN,
                                ),
                                data={"type": "array", "minItems": 1},
                                parameters=_parameters(binary_data_size=_SIZE, content_type=_CONTENT_TYPE),
                            ),
                        }
                    ),
                    id=TEXT,
                    model_name=TEXT,
                    parameters=_parameters(signature_name=_SIGNATURE_NAME, binary_data_output=FLAG),
                    outputs=list_of(
                        with_optional(object_of(name=TEXT), parameters=_parameters(binary_data=FLAG))
                    ),
                )
            },
            BINARY: {"schema": {"type": "string", "format": "binary"}},
        },
    },
}
_OUTPUT: Schema = object_of(name=TEXT, datatype=TEXT, shape=_SHAPE)
_INFER_ANSWER: Schema = object_of(model_name=TEXT, model_version=TEXT, outputs=list_of(_OUTPUT))
