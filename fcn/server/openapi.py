"""Building blocks of the OpenAPI description."""

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]
"""Part of a JSON schema or of an OpenAPI description."""

JSON, BINARY = "application/json", "application/octet-stream"
"""Media types."""

GZIP_NOTE = "May be compressed with gzip, as the header Content-Encoding then says."
"""Text that the description of every request body ends with."""


class ErrorMessage(BaseModel):
    """Why a request was refused: what was expected, what was received, and what to do."""

    error: str


def describe_error(text: str) -> Schema:
    """Returns the description of an error response.

    Args:
        text: The reason in a sentence.
    """
    return {"description": text, "model": ErrorMessage}
