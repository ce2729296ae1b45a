"""The HTTP application: all protocols, the page and the error format."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fcn.server.cross_origin import check_origins
from fcn.server.error_response import error_response, response_for
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.middleware import RequestMiddleware, needs_token
from fcn.server.observability.metrics import CONTENT_TYPE
from fcn.server.openapi import JSON, ErrorMessage, describe_error
from fcn.server.page.examples import DrawnExamples, FolderExamples
from fcn.server.page.routes import page_routes
from fcn.server.protocols.segment import segment_routes
from fcn.server.protocols.tensorflow_rest import tensorflow_routes
from fcn.server.protocols.v2_rest import v2_routes
from fcn.server.request_body import read_body
from fcn.server.resources import ServerResources
from fcn.server.served_models import ServedModels
from fcn.server.service import Service
from fcn.server.validation import shorten
from fcn.version import __version__

_ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: describe_error(text)
    for status, text in (
        (400, "The request is malformed."),
        (404, "No such model or version."),
        (408, "The body arrived too slowly."),
        (413, "The request is too large."),
        (415, "The body is a form, or is compressed in another way than gzip."),
        (421, "The header Host has a name that the server does not know."),
        (422, "A part of the URL is invalid."),
        (429, "The queue is full; try again after the number of seconds in Retry-After."),
        (503, "The server is stopping."),
        (504, "The image waited in the queue for too long."),
    )
}


class ServerSettings(NamedTuple):
    """Settings of the server that do not concern its model.

    Attributes:
        token: Token that clients must send as `Authorization: Bearer TOKEN`; None for no token.
        examples: Folder of example images for the page; None for the built-in ones.
        allowed_hosts: Names in the header Host that are answered without a token, besides localhost and the
            name of the machine.
        cors_origins: Origins whose pages may use the server, as for `fcn.server.cross_origin.CrossOrigin`.
    """

    token: str | None = None
    examples: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()


def create_app(
    models: ServedModels[Service], resources: ServerResources, settings: ServerSettings
) -> FastAPI:
    """Returns the application that serves models.

    `/v1/models/NAME` is TensorFlow Serving's REST API, extended by `:segment` and `:classes`; `/v2` is the
    Open Inference Protocol; `/` is a page for the browser; `/metrics` and `/healthz` are for operators.

    Args:
        models: The models. The caller closes their services.
        resources: What the models share.
        settings: Token, example images, names and origins.

    Raises:
        ConfigError: If the folder of example images holds none, or pages of every origin may use a server
            with a token.
    """
    check_origins(settings.cors_origins, settings.token is not None)
    app = FastAPI(
        title="fcn",
        version=__version__,
        description=f"Semantic segmentation with {_model_names(models.names)}. HEAD is answered as GET.",
        docs_url=None,  # would load scripts from another host
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(segment_routes(models), responses=_ERROR_RESPONSES)
    app.include_router(tensorflow_routes(models, read_body))
    app.include_router(v2_routes(models, read_body))
    app.include_router(_operations_routes(resources))
    examples = (
        DrawnExamples()
        if settings.examples is None
        else FolderExamples(settings.examples, next(iter(models)).decoded, resources.limits.request_bytes)
    )
    app.router.routes.extend(page_routes(models.names, examples))
    _describe_token(app, settings.token)
    _add_error_handlers(app, models.names)
    app.add_middleware(
        RequestMiddleware,
        limits=resources.limits,
        metrics=resources.metrics,
        token=settings.token,
        allowed_hosts=settings.allowed_hosts,
        cors_origins=settings.cors_origins,
        pool=resources.bodies,
    )
    return app


def _operations_routes(resources: ServerResources) -> APIRouter:
    """Returns the routes for health checks and metrics."""
    router = APIRouter(tags=["server"])

    @router.get(
        "/healthz",
        summary="Reports liveness",
        operation_id="health",
        response_class=Response,
        responses={200: {"content": {JSON: {"schema": {"type": "object"}}}}},
    )
    async def health() -> Response:
        return Response(b'{"status": "ok"}', media_type=JSON)

    @router.get(
        "/metrics",
        summary="Metrics in the Prometheus text format",
        operation_id="metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics() -> Response:
        return Response(resources.metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    return router


def _model_names(names: Sequence[str]) -> str:
    """Returns the names of models in a sentence.

    Example:
        >>> _model_names(["fcn"]), _model_names(["voc", "camvid"])
        ("the model 'fcn'", "the models 'voc', 'camvid'")
    """
    return f"the model{'s' * (len(names) > 1)} {', '.join(map(repr, names))}"


def _describe_token(app: FastAPI, token: str | None) -> None:
    """Adds the required token to the OpenAPI description."""
    if token is None:
        return
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe()
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["token"] = {"type": "http", "scheme": "bearer"}
        guarded = [path for path in document["paths"] if needs_token(path)]
        for operation in chain.from_iterable(document["paths"][path].values() for path in guarded):
            operation["security"] = [{"token": []}]
            operation["responses"]["401"] = {
                "description": "The token is missing or wrong.",
                "content": {JSON: {"schema": ErrorMessage.model_json_schema()}},
            }
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # as in FastAPI's documentation


def _with_head(allow: str) -> str:
    """Returns the header Allow with HEAD, which the middleware answers as GET.

    Example:
        >>> _with_head("GET"), _with_head("POST"), _with_head("HEAD, GET")
        ('GET, HEAD', 'POST', 'GET, HEAD')
    """
    methods = set(allow.split(", "))
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


def _add_error_handlers(app: FastAPI, names: Sequence[str]) -> None:
    """Makes all errors use the JSON format of the protocols."""

    async def server_error(_: Request, error: Any) -> Response:
        return response_for(error)

    async def validation_error(_: Request, error: Any) -> Response:
        problems = [
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}. "
            f"Received: {shorten(str(problem['input']))}."
            for problem in error.errors()
        ]
        return error_response(422, " ".join(problems))

    async def http_error(request: Request, error: Any) -> Response:
        where = f"{request.method} {request.url.path}"
        if error.status_code == ErrorKind.NOT_FOUND.value:
            text = f"{where}: not found. There is {_model_names(names)}; /openapi.json lists all paths."
            if "/labels/" in request.url.path:
                text += " Versions have no labels here: leave out /labels/ and the word behind it."
        elif error.status_code == ErrorKind.METHOD_NOT_ALLOWED.value:
            allowed = _with_head(error.headers["Allow"])
            text = f"{where}: method not allowed. Use {allowed.replace(', ', ' or ')}."
            return error_response(error.status_code, text, {"Allow": allowed})
        else:
            text = f"{where}: {error.detail}"
        return error_response(error.status_code, text, error.headers)

    app.add_exception_handler(ServerError, server_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_error)
