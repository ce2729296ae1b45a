"""Resources that a request holds until its response is sent."""

from contextlib import AsyncExitStack
from contextvars import ContextVar

request_resources: ContextVar[AsyncExitStack | None] = ContextVar("request_resources", default=None)
"""Exit stack that is closed once the response is sent; None outside of an HTTP request."""
