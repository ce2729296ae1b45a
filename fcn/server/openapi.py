"""Building blocks of the OpenAPI description."""

from typing import Any

Schema = dict[str, Any]
"""Part of a JSON schema or of an OpenAPI description."""

JSON, BINARY = "application/json", "application/octet-stream"
"""Media types."""

GZIP_NOTE = "May be compressed with gzip, as the header Content-Encoding then says."
"""Text that the description of every request body ends with."""

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}


def object_of(**properties: Schema) -> Schema:
    """Returns the schema of an object with these properties, and maybe others.

    Example:
        >>> object_of(error=TEXT)["required"]
        ['error']
    """
    return {"type": "object", "properties": properties, "required": list(properties)}


ERROR: Schema = object_of(error=TEXT)
"""Schema of error responses."""


def with_optional(schema: Schema, **optional: Schema) -> Schema:
    """Returns an object schema extended by optional properties.

    Example:
        >>> with_optional(object_of(name=TEXT), id=TEXT)["required"]
        ['name']
    """
    return {**schema, "properties": schema["properties"] | optional}


def closed(schema: Schema, **optional: Schema) -> Schema:
    """Returns an object schema without further properties, extended by optional ones.

    Example:
        >>> sorted(closed(object_of(b64=TEXT), id=TEXT)["properties"])
        ['b64', 'id']
    """
    return {**with_optional(schema, **optional), "additionalProperties": False}


def list_of(items: Schema, shortest: int = 0) -> Schema:
    """Returns the schema of a list.

    Args:
        items: Schema of its elements.
        shortest: Its minimum length.

    Example:
        >>> list_of(TEXT)
        {'type': 'array', 'items': {'type': 'string'}, 'minItems': 0}
    """
    return {"type": "array", "items": items, "minItems": shortest}
