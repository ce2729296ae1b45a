"""Descriptions of what the server takes and answers, in the words of OpenAPI."""

from typing import Any

Schema = dict[str, Any]
"""A part of a description."""

JSON, BINARY = "application/json", "application/octet-stream"
"""Types of content."""

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}


def object_of(**properties: Schema) -> Schema:
    """Describes an object that has these properties, and maybe others.

    Example:
        >>> object_of(error=TEXT)["required"]
        ['error']
    """
    return {"type": "object", "properties": properties, "required": list(properties)}


ERROR: Schema = object_of(error=TEXT)
"""What is sent in place of an answer."""


def closed(schema: Schema, **optional: Schema) -> Schema:
    """Describes an object that has no properties but those of a schema and some that may be left out.

    Example:
        >>> sorted(closed(object_of(b64=TEXT), id=TEXT)["properties"])
        ['b64', 'id']
    """
    return {**schema, "properties": schema["properties"] | optional, "additionalProperties": False}


def list_of(items: Schema, shortest: int = 0) -> Schema:
    """Describes a list.

    Args:
        items: What it holds.
        shortest: Its length, at least.

    Example:
        >>> list_of(TEXT)
        {'type': 'array', 'items': {'type': 'string'}, 'minItems': 0}
    """
    return {"type": "array", "items": items, "minItems": shortest}
