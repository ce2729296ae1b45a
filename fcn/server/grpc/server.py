"""The server for gRPC, in the event loop of the one for HTTP."""

import socket
from typing import Any

from grpc import aio

from fcn.errors import AddressError
from fcn.server.grpc.calls import Calls
from fcn.server.grpc.health import health_methods
from fcn.server.grpc.open_inference import inference_methods
from fcn.server.grpc.tensorflow_serving import tensorflow_methods
from fcn.server.limits import Limits
from fcn.server.resources import ServerResources
from fcn.server.serial_executor import SerialExecutor
from fcn.server.served_models import ServedModels
from fcn.server.service import Service

_STREAMS = 128
"""Maximum number of calls on a connection."""

_METADATA_BYTES = 16 * 2**10

_IDLE_SECONDS = 300
"""After so long without a call, a connection is closed; clients open another one when they need it."""

_AGE_SECONDS = 600
"""After so long, a connection takes no further call. Nothing else ends a call whose client does not read."""

_PING_SECONDS = 60
"""Between two questions whether a silent client is still there."""


class GrpcServer:
    """Server of all services over gRPC.

    Args:
        models: The models. The caller closes their services.
        resources: What the models share.
        token: Token that clients must send as the metadata `authorization: Bearer TOKEN`; None for no token.
        listener: Socket from `open_socket`, which keeps the address until the server starts.

    Attributes:
        address: Address, as clients of gRPC write it.
    """

    def __init__(
        self,
        models: ServedModels[Service],
        resources: ServerResources,
        token: str | None,
        listener: socket.socket,
    ) -> None:
        self._limits, self._listener = resources.limits, listener
        host, port = listener.getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        executor = SerialExecutor()
        methods = {
            **tensorflow_methods(models, executor),
            **inference_methods(models, executor),
            **health_methods(models),
        }
        self._calls = Calls(methods, executor, resources.limits, resources.metrics, resources.bodies, token)
        self._server: Any = None

    async def start(self, connections: int) -> None:
        """Accepts calls from now on.

        Args:
            connections: Maximum number of connections; further ones are closed at once.

        Raises:
            AddressError: If another server took the address meanwhile.
        """
        self._server = aio.server(
            options=_options(self._limits, connections), maximum_concurrent_rpcs=self._limits.connections
        )
        self._server.add_generic_rpc_handlers((self._calls,))
        try:
            # Two sockets can be bound to one address as long as neither listens.
            self._server.add_insecure_port(self.address)
        except RuntimeError as error:
            port = self.address.rpartition(":")[2]
            raise AddressError(
                f"--grpc-port {port}: cannot be used ({self.address} is in use). Choose another port (0 for "
                "any free port), or stop the program that uses it."
            ) from error
        finally:
            self._listener.close()
        await self._server.start()

    async def stop(self, seconds: float) -> None:
        """Refuses further calls, and waits for those that have come; in the end, cancels them."""
        if self._server is not None:
            await self._server.stop(seconds)


def _options(limits: Limits, connections: int) -> list[tuple[str, int]]:
    """Returns the options of gRPC: its limits, most of which have no bound by default."""
    # Longer than any call that a client does not hold up.
    grace = limits.read_seconds + limits.answer_seconds + limits.read_seconds
    seconds = {
        "grpc.keepalive_time_ms": _PING_SECONDS,
        "grpc.keepalive_timeout_ms": limits.read_seconds,
        "grpc.max_connection_age_grace_ms": grace,
        "grpc.max_connection_age_ms": _AGE_SECONDS,
        "grpc.max_connection_idle_ms": _IDLE_SECONDS,
        "grpc.server_handshake_timeout_ms": limits.read_seconds,
    }
    return [
        ("grpc.max_allowed_incoming_connections", connections),
        ("grpc.max_concurrent_streams", _STREAMS),
        ("grpc.max_metadata_size", _METADATA_BYTES),
        ("grpc.max_receive_message_length", limits.request_bytes),
        ("grpc.so_reuseport", 0),  # a second server must not share the port
        *((name, round(1000 * value)) for name, value in seconds.items()),
    ]
