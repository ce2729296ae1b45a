"""When to give up on a server."""

from typing import NamedTuple


class RetryPolicy(NamedTuple):
    """Limits after which a server is given up.

    Attributes:
        failures: Connections in a row that transferred nothing new.
        connections: Connections in all.
        pause_seconds: The wait before the next connection; doubled with each failure in a row.
        timeout_seconds: How long a server may send nothing.
    """

    failures: int = 5
    connections: int = 200
    pause_seconds: float = 1.0
    timeout_seconds: float = 30.0


DEFAULT_RETRY = RetryPolicy()
