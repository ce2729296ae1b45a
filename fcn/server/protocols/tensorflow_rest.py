"""TensorFlow Serving's REST API: the same URLs and JSON.

Source: https://www.tensorflow.org/tfx/serving/api_rest.
"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fcn.server.interface import ErrorKind, ModelService, ServerError
from fcn.server.openapi import JSON
from fcn.server.protocols.message import schema_of
from fcn.server.protocols.routes import (
    NAME,
    Operation,
    ReadBody,
    add_model_routes,
    available_versions,
    json_response,
    requested_model,
)
from fcn.server.protocols.tensorflow_json import describe_model, describe_status, read_predict, write_predict
from fcn.server.protocols.tensorflow_messages import (
    MetadataResponse,
    PredictRequest,
    PredictResponse,
    StatusResponse,
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
        return json_response(describe_status(states))

    async def metadata(request: Request) -> Response:
        service, version = requested_model(request, models)
        signatures = service.signatures(version)
        if version is None:
            version = available_versions(service)[0]
        return json_response(describe_model(service.name, version, signatures))

    async def predict(request: Request) -> Response:
        body = await read_body(request)
        service, version = requested_model(request, models)
        call, layout = await executor.run(read_predict, body, service.signatures(version), version)
        del body  # frees its memory while the image waits
        answer = await service.infer(call)
        return Response(await executor.run(write_predict, answer, layout), media_type=JSON)

    path = "/v1" + NAME
    for method, end, handler, operation in (
        ("GET", "", status, _STATUS),
        ("GET", "/metadata", metadata, _METADATA),
        ("POST", ":predict", predict, _PREDICT),
    ):
        add_model_routes(router, method, path + end, handler, models.names, operation)
    return router


_STATUS = Operation("tensorflow_status", "Returns the state of the versions of the model.", StatusResponse)
_METADATA = Operation("tensorflow_metadata", "Returns the signatures of the model.", MetadataResponse)
_PREDICT = Operation(
    "tensorflow_predict", "Labels images.", PredictResponse, bodies={JSON: schema_of(PredictRequest)}
)
