"""What the routes of the protocols have in common: a model in their paths, bodies, and descriptions."""

from collections.abc import Awaitable, Callable, Iterable

import orjson
from fastapi import APIRouter
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from fcn.server.interface import ErrorKind, ModelService, ServerError
from fcn.server.openapi import ERROR, JSON, Schema
from fcn.server.validation import shorten
from fcn.server.versions import AVAILABLE

ReadBody = Callable[[Request], Awaitable[bytes]]
"""Reads the body of a request, within limits."""

Handler = Callable[..., Awaitable[Response]]


class _ModelName(Convertor[str]):
    """A name in a path; what follows its colon is a verb."""

    regex = "[^/:]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _Version(Convertor[int]):
    """A version in a path; more digits than these are no version, and Python reads only so many."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("model_name", _ModelName())
register_url_convertor("model_version", _Version())

VERSION = "/versions/{version:model_version}"
"""The part of a path that names a version."""

NAME = "/models/{name:model_name}"
"""The part of a path that names the model."""


def requested_version(request: Request, service: ModelService) -> int | None:
    """Returns the version that the path of a request asks for; None for the newest.

    Raises:
        ServerError: If the path names another model.
    """
    name = request.path_params["name"]
    if name != service.name:
        raise ServerError(
            ErrorKind.NOT_FOUND,
            f"Expected the model that is served, {service.name}. Received: {shorten(name)}.",
        )
    version: int | None = request.path_params.get("version")
    return version


async def read_plain_body(request: Request, read_body: ReadBody) -> bytes:
    """Reads a body that is not compressed.

    Raises:
        ServerError: If it is.
    """
    body = await read_body(request)
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise ServerError(
            ErrorKind.UNSUPPORTED_MEDIA_TYPE,
            f"Expected a body without Content-Encoding. Received: {shorten(encoding)}. Send it uncompressed; "
            "images are compressed already.",
        )
    return body


def available_versions(service: ModelService) -> list[int]:
    """Returns the versions that answer, newest first.

    Raises:
        ServerError: If there is none.
    """
    versions = [state.version for state in service.versions() if state.state == AVAILABLE]
    if not versions:
        raise ServerError(ErrorKind.STOPPING, "No version answers; the server is stopping.")
    return versions


def json_response(document: object) -> Response:
    """Returns a small document as JSON."""
    return Response(orjson.dumps(document), media_type=JSON)


def add_model_routes(
    router: APIRouter,
    method: str,
    path: str,
    handler: Handler,
    model: str,
    operation: Schema,
    answers: Schema,
) -> None:
    """Adds a path about the model, and the same about one version of it.

    Args:
        router: Where they are added.
        method: "GET" or "POST".
        path: The path, in which `NAME` stands.
        handler: What answers.
        model: Its name.
        operation: Description of the operation; its parameters and body.
        answers: Description of the body of a good answer, by content type.
    """
    before, after = path.split(NAME)
    name = {"in": "path", "name": "name", "required": True, "schema": {"enum": [model]}}
    version = {
        "in": "path",
        "name": "version",
        "required": True,
        "schema": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
    }
    for middle, parameters, suffix in ((NAME, [name], ""), (NAME + VERSION, [name, version], "_version")):
        described = operation | {"parameters": [*parameters, *operation.get("parameters", [])]}
        add_route(
            router,
            method,
            before + middle + after,
            handler,
            described | {"operationId": described["operationId"] + suffix},
            answers,
            _error_kinds(method),
        )


def add_route(
    router: APIRouter,
    method: str,
    path: str,
    handler: Handler,
    operation: Schema,
    answers: Schema,
    error_kinds: Iterable[ErrorKind],
) -> None:
    """Adds a path and its description.

    Args:
        router: Where it is added.
        method: "GET" or "POST".
        path: The path.
        handler: What answers.
        operation: Description of the operation.
        answers: Description of the body of a good answer, by content type.
        error_kinds: Why it may be refused.
    """
    responses: dict[int | str, Schema] = {200: {"description": "The answer.", "content": answers}}
    for kind in error_kinds:
        described: Schema = {
            "description": kind.name.replace("_", " ").capitalize() + ".",
            "content": {JSON: {"schema": ERROR}},
        }
        if kind is ErrorKind.BUSY:
            described["headers"] = {"Retry-After": {"schema": {"type": "string"}}}
        responses[kind.value] = described
    router.add_api_route(
        path,
        handler,
        methods=[method],
        response_class=Response,
        response_model=None,
        responses=responses,
        openapi_extra=operation,
    )


def _error_kinds(method: str) -> list[ErrorKind]:
    kinds = [ErrorKind.BAD_REQUEST, ErrorKind.UNAUTHORIZED, ErrorKind.NOT_FOUND, ErrorKind.STOPPING]
    if method == "POST":
        kinds += [
            ErrorKind.SLOW_CLIENT,
            ErrorKind.TOO_LARGE,
            ErrorKind.UNSUPPORTED_MEDIA_TYPE,
            ErrorKind.BUSY,
            ErrorKind.TIMED_OUT,
        ]
    return kinds
