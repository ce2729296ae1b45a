"""The Open Inference Protocol v2 (KServe, Triton, MLServer) with its binary tensor extension.

Source: https://github.com/kserve/open-inference-protocol and Triton's docs/protocol/extension_binary_data.md.
"""

from itertools import chain

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fcn.inference.engines.signatures import SERVING_DEFAULT
from fcn.server.interface import ErrorKind, ModelService
from fcn.server.openapi import BINARY, JSON
from fcn.server.protocols.message import schema_of
from fcn.server.protocols.routes import (
    NAME,
    Handler,
    Operation,
    ReadBody,
    add_model_routes,
    add_route,
    available_versions,
    json_response,
    requested_model,
)
from fcn.server.protocols.v2_messages import (
    HEADER_LENGTH,
    describe_model,
    read_index,
    read_infer,
    write_infer,
)
from fcn.server.protocols.v2_request import IndexRequest, InferRequest
from fcn.server.protocols.v2_response import (
    IndexEntry,
    InferResponse,
    Live,
    ModelMetadata,
    ModelReady,
    Ready,
    ServerMetadata,
    StatisticsResponse,
)
from fcn.server.protocols.v2_statistics import describe_statistics, describe_versions
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
        return json_response(ServerMetadata(name="fcn", version=__version__, extensions=_EXTENSIONS))

    async def live() -> Response:
        return json_response(Live(live=True))

    async def ready() -> Response:
        models.check_ready()
        return json_response(Ready(live=True, ready=True))

    async def model_ready(request: Request) -> Response:
        service, version = requested_model(request, models)
        service.signatures(version)
        service.check_ready()
        return json_response(ModelReady(name=service.name, ready=True))

    async def metadata(request: Request) -> Response:
        service, version = requested_model(request, models)
        name = request.query_params.get(_SIGNATURE, SERVING_DEFAULT)
        signature = find_signature(service.signatures(version), name)
        return json_response(describe_model(service.name, available_versions(service), signature))

    async def all_statistics() -> Response:
        described = [describe_statistics(name, statistics) for name, statistics in models.statistics()]
        return json_response(StatisticsResponse(model_stats=described))

    async def statistics(request: Request) -> Response:
        service, version = requested_model(request, models)
        described = describe_statistics(service.name, service.statistics(version))
        return json_response(StatisticsResponse(model_stats=[described]))

    async def index(request: Request) -> Response:
        only_ready = read_index(await read_body(request))
        described = [
            describe_versions(service.name, service.versions(), only_ready=only_ready) for service in models
        ]
        return json_response([*chain.from_iterable(described)])

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
    for path, handler, operation, error_kinds in (
        ("/v2", server, _SERVER, [ErrorKind.UNAUTHORIZED]),
        ("/v2/health/live", live, _LIVE, []),
        ("/v2/health/ready", ready, _READY, [ErrorKind.STOPPING]),
        ("/v2/models/stats", all_statistics, _ALL_STATISTICS, [ErrorKind.UNAUTHORIZED]),
    ):
        add_route(router, "GET", path, handler, operation, error_kinds)
    add_route(router, "POST", "/v2/repository/index", index, _INDEX, _INDEX_ERRORS)
    path = "/v2" + NAME
    for method, end, handler, operation in (
        ("GET", "", metadata, _METADATA),
        ("GET", "/ready", model_ready, _MODEL_READY),
        ("GET", "/stats", statistics, _STATISTICS),
        ("POST", "/infer", infer, _INFER),
    ):
        add_model_routes(router, method, path + end, handler, models.names, operation)
    return router


_SERVER = Operation("v2_server", "Returns name, version and extensions of the server.", ServerMetadata)
_LIVE = Operation("v2_live", "Reports liveness.", Live)
_READY = Operation("v2_ready", "Reports readiness of the server.", Ready)
_MODEL_READY = Operation("v2_model_ready", "Reports readiness of the model.", ModelReady)
_STATISTICS = Operation(
    "v2_statistics", "Returns counts and times of a model since its version was loaded.", StatisticsResponse
)
_ALL_STATISTICS = Operation(
    "v2_all_statistics",
    "Returns counts and times of all models since their versions were loaded.",
    StatisticsResponse,
)
_INDEX = Operation(
    "v2_index",
    "Returns the versions of all models with their states.",
    list[IndexEntry],
    bodies={JSON: schema_of(IndexRequest)},
    needs_body=False,
)
_INDEX_ERRORS = (
    ErrorKind.BAD_REQUEST,
    ErrorKind.UNAUTHORIZED,
    ErrorKind.UNKNOWN_HOST,
    ErrorKind.SLOW_CLIENT,
    ErrorKind.TOO_LARGE,
    ErrorKind.UNSUPPORTED_MEDIA_TYPE,
    ErrorKind.BUSY,
)
_METADATA = Operation(
    "v2_metadata",
    "Returns inputs and outputs of the model.",
    ModelMetadata,
    parameters=[{"in": "query", "name": _SIGNATURE, "schema": {"type": "string"}}],
)
_INFER = Operation(
    "v2_infer",
    "Labels images.",
    InferResponse,
    bodies={JSON: schema_of(InferRequest), BINARY: {"type": "string", "format": "binary"}},
    parameters=[{"in": "header", "name": HEADER_LENGTH, "schema": {"type": "integer", "minimum": 1}}],
    other_answers=[BINARY],
)
