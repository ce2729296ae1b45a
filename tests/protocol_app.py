"""The protocols on an application of their own, as the server has them."""

from contextlib import contextmanager
from functools import partial
from io import BytesIO

import httpx
import numpy as np
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from PIL import Image
from starlette.exceptions import HTTPException

from fcn.server.call import ServerError
from fcn.server.limits import Limits
from fcn.server.observability.metrics import Metrics
from fcn.server.protocols.tensorflow_rest import tensorflow_routes
from fcn.server.protocols.v2_rest import v2_routes
from fcn.server.service import Service


def create_app(service):
    app = FastAPI(docs_url=None, redoc_url=None)
    app.include_router(tensorflow_routes(service, Request.body))
    app.include_router(v2_routes(service, Request.body))

    @app.exception_handler(ServerError)
    async def refuse(request, error):
        return JSONResponse({"error": error.message}, error.kind.value)

    @app.exception_handler(HTTPException)
    async def not_routed(request, error):
        return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)

    return app


@contextmanager
def served(folder, engine, name="fcn", version=1, **limits):
    """Yields a service of one version."""
    (folder / str(version)).mkdir()
    (folder / str(version) / "saved_model.pb").touch()
    service = Service(name, folder, lambda path: engine, Limits(**limits), Metrics())
    try:
        yield service
    finally:
        service.close()


class Client:
    """Asks an application in the event loop of another thread, as a server would."""

    def __init__(self, portal, client):
        self._portal, self._client = portal, client

    def request(self, method, path, **options):
        return self._portal.call(partial(self._client.request, method, path, **options))

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, **options):
        return self.request("POST", path, **options)


@contextmanager
def client_of(service):
    """Yields a client of the protocols of a service."""
    transport = httpx.ASGITransport(create_app(service))
    with start_blocking_portal() as portal:
        client = httpx.AsyncClient(transport=transport, base_url="http://server")
        yield Client(portal, client)
        portal.call(client.aclose)


def png_pixels(data):
    return np.array(Image.open(BytesIO(data)))
