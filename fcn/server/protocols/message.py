"""Messages of the protocols as models: one class says what is checked, and what `/openapi.json` describes."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from fcn.server.interface import ServerError
from fcn.server.openapi import Schema
from fcn.server.validation import describe, invalid

_EXPECTED = {
    "bool_type": "true or false",
    "int_type": "an integer",
    "list_type": "a list",
    "model_type": "an object",
    "string_type": "a string",
}
"""Words of JSON for pydantic's errors."""

_Value = TypeVar("_Value")
_Message = TypeVar("_Message", bound="Message")


def _refuse_null(value: object) -> object:
    if value is None:
        raise ValueError("a value, or no such key,")
    return value


def _describe_given(schema: Schema) -> None:
    """Takes null out of the schema of a key."""
    given = [one for one in schema.pop("anyOf") if one != {"type": "null"}]
    del schema["default"]
    schema |= given[0] if len(given) == 1 else {"anyOf": given}


Given = Annotated[_Value | None, BeforeValidator(_refuse_null), Field(json_schema_extra=_describe_given)]
"""Type of a key that may be missing; it is None then, but null is refused."""


class Message(BaseModel):
    """Object in a request. Types must be exact; other keys are ignored, as the servers do that we replace."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


def read_message(message: type[_Message], document: object) -> _Message:
    """Returns a document as a message.

    Args:
        message: Class of the message.
        document: Document of `fcn.server.protocols.json_tensors.read_object`, or like one.

    Raises:
        ServerError: If it does not fit; the error names the first place, what is expected there, and what
            was received.

    Example:
        >>> class Point(Message):
        ...     x: int
        >>> read_message(Point, {"x": 1, "color": "red"})
        Point(x=1)
    """
    try:
        return message.model_validate(document)
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False)[0]) from None


def _refusal(problem: Any) -> ServerError:
    """Returns the error for what pydantic found wrong at one place."""
    kind, received, path = problem["type"], describe(problem["input"]), problem["loc"]
    parents = _path(path[:-1])
    if kind == "missing":
        return invalid(f"the key `{path[-1]}` in {parents or 'the body'}", received)
    if kind == "value_error":
        expected = str(problem["ctx"]["error"])
    else:
        expected = _EXPECTED.get(kind) or "a value " + problem["msg"].removeprefix("Input should be ")
    if not path:
        return invalid(f"{expected} as the body", received)
    if isinstance(path[-1], int):
        return invalid(f"{expected} at {_path(path)}", received)
    return invalid(f"{expected} as `{path[-1]}`" + (f" of {parents}" if parents else ""), received)


def schema_of(kind: Any) -> Schema:
    """Returns the schema of a type, with those of its parts in it.

    FastAPI describes answers by itself; of requests it would also read the body.

    Example:
        >>> class Point(Message):
        ...     x: int
        >>> schema_of(Point)["properties"]["x"]["type"]
        'integer'
    """
    schema = TypeAdapter(kind).json_schema()
    parts = schema.pop("$defs", {})

    def insert(node: Any) -> Any:
        if isinstance(node, list):
            return [insert(part) for part in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            node = parts[node["$ref"].rpartition("/")[2]] | {
                key: value for key, value in node.items() if key != "$ref"
            }
        return {key: insert(value) for key, value in node.items()}

    inserted: Schema = insert(schema)
    return inserted


def _path(parts: Sequence[int | str]) -> str:
    """Returns a place in a document.

    Example:
        >>> _path(["inputs", 0, "parameters"])
        'inputs[0].parameters'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")
