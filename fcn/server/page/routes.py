"""Routes of the page at `/`, on which people try the model in a browser."""

from collections.abc import Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fcn.pages.render import COLORS
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.openapi import JSON
from fcn.server.page.examples import Examples

PAGE = Path(__file__).parent / "static"
"""Folder of the page: `index.html`, and the files that it loads from `/page/` besides `colors.css`."""

# Not the table of types of this machine, which may differ: browsers reject modules of another type.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_MODELS_PLACEHOLDER = b"MODELS"
"""Placeholder in `index.html` for the names of the models, between blanks."""

_SECURITY_HEADERS = {
    # The page contacts only its own server; it holds images itself, as blobs.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageFile(NamedTuple):
    """File of the page.

    Attributes:
        content: Its bytes.
        headers: HTTP headers to send with it.
    """

    content: bytes
    headers: dict[str, str]


def read_page(names: Sequence[str]) -> dict[str, PageFile]:
    """Returns the files of the page by name.

    Args:
        names: Names of the models.

    Example:
        >>> files = read_page(["voc"])
        >>> b'content="voc"' in files["index.html"].content, files["page.js"].headers["Content-Type"]
        (True, 'text/javascript; charset=utf-8')
    """
    files = {}
    for path in (COLORS, *sorted(PAGE.iterdir())):
        kind = _TYPES.get(Path(path.name).suffix)
        if kind is not None:
            content = path.read_bytes()
            if path.name == "index.html":
                content = content.replace(_MODELS_PLACEHOLDER, escape(" ".join(names)).encode())
            headers = {
                **_SECURITY_HEADERS,
                "Content-Type": kind,
                # Cached but revalidated each time, so that files of two versions of this package never mix.
                "Cache-Control": "no-cache",
                "ETag": f'"{sha256(content).hexdigest()[:32]}"',
            }
            files[path.name] = PageFile(content, headers)
    return files


def page_routes(names: Sequence[str], examples: Examples) -> list[BaseRoute]:
    """Returns the routes of the page, and of the example images below `/examples`.

    Args:
        names: Names of the models.
        examples: The example images.
    """
    files = read_page(names)
    numbers = {str(number): number for number in range(len(examples.names))}
    listing = orjson.dumps({"classes": examples.classes, "names": examples.names})
    example_headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}

    async def index(request: Request) -> Response:
        return _send(files["index.html"], request)

    async def page_file(request: Request) -> Response:
        found = files.get(request.path_params["name"])
        if found is None:
            raise ServerError(ErrorKind.NOT_FOUND, f"{request.url.path}: no such file of the page.")
        return _send(found, request)

    async def list_examples(_: Request) -> Response:
        return Response(listing, headers=example_headers, media_type=JSON)

    async def example(request: Request) -> Response:
        try:
            jpeg = await examples.read(numbers[request.path_params["number"]])
        except (KeyError, OSError) as error:
            raise ServerError(ErrorKind.NOT_FOUND, f"{request.url.path}: no such example.") from error
        return Response(jpeg, headers=example_headers, media_type="image/jpeg")

    return [
        Route("/", index),
        Route("/page/{name}", page_file),
        Route("/examples", list_examples),
        Route("/examples/{number}", example),
    ]


def _send(file: PageFile, request: Request) -> Response:
    """Returns a file, or status 304 if the browser has it already."""
    known = request.headers.get("if-none-match", "")
    if file.headers["ETag"] in known:
        return Response(status_code=304, headers=file.headers)
    return Response(file.content, headers=file.headers)
