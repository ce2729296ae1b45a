"""Parts that the routes of the protocols share: model and version in paths, bodies, and descriptions."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from fcn.server.interface import ErrorKind, ModelService, ServerError
from fcn.server.openapi import GZIP_NOTE, JSON, Schema, describe_error
from fcn.server.served_models import ServedModels
from fcn.server.versions import AVAILABLE

ReadBody = Callable[[Request], Awaitable[bytes]]
"""Reads the body of a request, within limits."""

Handler = Callable[..., Awaitable[Response]]


class _ModelName(Convertor[str]):
    """Model name in a path; a verb may follow it after a colon."""

    regex = "[^/:]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _Version(Convertor[int]):
    """Version in a path; the number of digits is limited, since Python converts only so many."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("model_name", _ModelName())
register_url_convertor("model_version", _Version())

VERSION = "/versions/{version:model_version}"
"""Part of a path with the version."""

NAME = "/models/{name:model_name}"
"""Part of a path with the model."""


def requested_model(request: Request, models: ServedModels[ModelService]) -> tuple[ModelService, int | None]:
    """Returns the model and the version in the path of a request; None for the newest version.

    Raises:
        ServerError: If there is no such model.
    """
    version: int | None = request.path_params.get("version")
    return models.find(request.path_params["name"]), version


def available_versions(service: ModelService) -> list[int]:
    """Returns the available versions, newest first.

    Raises:
        ServerError: If there are none.
    """
    versions = [state.version for state in service.versions() if state.state == AVAILABLE]
    if not versions:
        raise ServerError(ErrorKind.STOPPING, "No version is available: the server is stopping.")
    return versions


def json_response(document: object) -> Response:
    """Returns a small document as JSON; messages in it may be models."""
    return Response(orjson.dumps(document, default=BaseModel.model_dump), media_type=JSON)


class Operation(NamedTuple):
    """Description of an operation, for `/openapi.json`.

    Attributes:
        name: Its name, for programs.
        summary: What it does, in a sentence.
        answer: Type of a successful response.
        bodies: Schemas of the body of the request by media type; none if it has no body.
        parameters: Parameters in the query and in headers.
        other_answers: Further media types of a successful response.
        needs_body: Whether a request without a body is refused.
    """

    name: str
    summary: str
    answer: Any
    bodies: Mapping[str, Schema] = {}
    parameters: Sequence[Schema] = ()
    other_answers: Sequence[str] = ()
    needs_body: bool = True


def add_model_routes(
    router: APIRouter,
    method: str,
    path: str,
    handler: Handler,
    models: Sequence[str],
    operation: Operation,
) -> None:
    """Adds a route for the models, and one for a version of it.

    Args:
        router: Router to add them to.
        method: "GET" or "POST".
        path: The path, which contains `NAME`.
        handler: Function that handles requests.
        models: Names of the models.
        operation: Description of the operation.
    """
    before, after = path.split(NAME)
    name = {"in": "path", "name": "name", "required": True, "schema": {"enum": [*models]}}
    version = {
        "in": "path",
        "name": "version",
        "required": True,
        "schema": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
    }
    for middle, parameters, suffix in ((NAME, [name], ""), (NAME + VERSION, [name, version], "_version")):
        described = operation._replace(
            name=operation.name + suffix, parameters=[*parameters, *operation.parameters]
        )
        add_route(router, method, before + middle + after, handler, described, _error_kinds(method))


def add_route(
    router: APIRouter,
    method: str,
    path: str,
    handler: Handler,
    operation: Operation,
    error_kinds: Iterable[ErrorKind],
) -> None:
    """Adds a route and its description.

    Args:
        router: Router to add it to.
        method: "GET" or "POST".
        path: The path.
        handler: Function that handles requests.
        operation: Description of the operation.
        error_kinds: Reasons for which it may reject a request.
    """
    responses: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "The response.",
            "model": operation.answer,
            "content": {kind: {} for kind in operation.other_answers},
        }
    }
    for kind in error_kinds:
        described = describe_error(kind.name.replace("_", " ").capitalize() + ".")
        if kind in (ErrorKind.BUSY, ErrorKind.STOPPING):
            described["headers"] = {"Retry-After": {"schema": {"type": "string"}}}
        responses[kind.value] = described
    extra: Schema = {"parameters": [*operation.parameters]}
    if operation.bodies:
        extra["requestBody"] = {
            "description": GZIP_NOTE,
            "required": operation.needs_body,
            "content": {kind: {"schema": schema} for kind, schema in operation.bodies.items()},
        }
    router.add_api_route(
        path,
        handler,
        methods=[method],
        response_class=Response,
        response_model=None,
        responses=responses,
        operation_id=operation.name,
        summary=operation.summary,
        openapi_extra=extra,
    )


def _error_kinds(method: str) -> list[ErrorKind]:
    kinds = [
        ErrorKind.BAD_REQUEST,
        ErrorKind.UNAUTHORIZED,
        ErrorKind.NOT_FOUND,
        ErrorKind.UNKNOWN_HOST,
        ErrorKind.STOPPING,
    ]
    if method == "POST":
        kinds += [
            ErrorKind.SLOW_CLIENT,
            ErrorKind.TOO_LARGE,
            ErrorKind.UNSUPPORTED_MEDIA_TYPE,
            ErrorKind.BUSY,
            ErrorKind.TIMED_OUT,
        ]
    return kinds
