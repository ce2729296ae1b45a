"""The page at `/`, on which the model can be tried."""

from pathlib import Path

from starlette.responses import FileResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

PAGE = Path(__file__).parent.parent / "page"
"""Folder of the page: `index.html`, and what it asks for below `/page/`."""


def page_routes(examples: Path | None) -> list[BaseRoute]:
    """Returns what serves the page, and the photographs one can try it on, below `/examples/`.

    Args:
        examples: Folder of photographs.
    """

    def index(_: object) -> FileResponse:
        return FileResponse(PAGE / "index.html")

    routes: list[BaseRoute] = [Route("/", index), Mount("/page", StaticFiles(directory=PAGE))]
    return [*routes, Mount("/examples", StaticFiles(directory=examples))] if examples else routes
