"""What a request holds until its answer is sent."""

from contextlib import AsyncExitStack
from contextvars import ContextVar

request_resources: ContextVar[AsyncExitStack | None] = ContextVar("request_resources", default=None)
"""Gives back what a request holds once its answer is sent; None outside of a request over HTTP."""
