"""The standard health service of gRPC, which Kubernetes and load balancers ask.

Source: gRPC's `health.proto` and doc/health-checking.md. There is no `Watch`: clients then ask with
`Check`, or take the server for healthy.
"""

from typing import Any

from fcn.server.grpc import open_inference, tensorflow_serving
from fcn.server.grpc.messages import write_message
from fcn.server.grpc.method import Method, Methods
from fcn.server.grpc.open_inference import is_ready
from fcn.server.interface import ErrorKind, ModelService, ServerError
from fcn.server.served_models import ServedModels
from fcn.server.validation import shorten

_SERVICE = "grpc.health.v1.Health"
_SERVING, _NOT_SERVING = 1, 2
_SERVICES = ("", tensorflow_serving.SERVICE, open_inference.SERVICE, _SERVICE)
"""The empty name is the whole server."""


def health_methods(models: ServedModels[ModelService]) -> Methods:
    """Returns the method `Check`, which tells whether a new request would be answered.

    Args:
        models: The models.
    """

    async def check(request: Any) -> bytes:
        if request.service not in _SERVICES:
            raise ServerError(
                ErrorKind.NOT_FOUND,
                f"Expected one of the services {', '.join(_SERVICES[1:])}, or none. "
                f"Received: {shorten(request.service)}.",
            )
        status = _SERVING if is_ready(models) else _NOT_SERVING
        return write_message("grpc.health.v1.HealthCheckResponse", status=status)

    name = f"/{_SERVICE}/Check"
    return {name: Method("health-grpc", "grpc.health.v1.HealthCheckRequest", check, is_open=True)}
