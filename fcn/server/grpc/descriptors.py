"""Classes of Protocol Buffers messages, built from a short description in a pool of their own.

TensorFlow and the official clients register the same messages in the pool that all of a process share, where
two definitions of one name are an error. So each call here makes a new pool.
"""

import re
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

Schemas = Mapping[str, Mapping[str, str]]
"""Fields of messages, by package and name; see `message_classes`."""

_SCALARS = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "string": FieldDescriptorProto.TYPE_STRING,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
}
_FIELD = re.compile(r"(?P<name>\w+)(?P<choice>\??)=(?P<number>\d+):(?P<type>\S+)")
_CHOICE = "choice"


def message_classes(schemas: Schemas) -> dict[str, Any]:
    """Returns a class for each message, by its full name.

    A field is written `name=number:type`; a type in brackets is repeated, one in braces is the value of a map
    with strings as keys. Fields with a question mark after the name exclude each other, and
    `WhichOneof("choice")` returns which of them is set. `packed` is a packed list of numbers, read and
    written as bytes: they are the same on the wire, and NumPy converts millions of numbers at once. Enums are
    int32, which is the same on the wire too.

    Args:
        schemas: Fields of messages, by package and name. A type of the same package is named without it;
            packages come after those that they use.

    Example:
        >>> classes = message_classes({"a": {"Size": "side=1:[int64]", "Named": "sizes=2:{Size}"}})
        >>> named = classes["a.Named"]()
        >>> named.sizes["b"].side.append(3)
        >>> classes["a.Named"].FromString(named.SerializeToString()).sizes["b"].side
        [3]
    """
    pool = DescriptorPool()
    added: list[str] = []
    for package, messages in schemas.items():
        file = FileDescriptorProto(
            name=f"{package}.proto", package=package, syntax="proto3", dependency=added
        )
        for name, fields in messages.items():
            _add_message(file, name, fields)
        pool.Add(file)
        added.append(file.name)
    return {
        f"{package}.{name}": GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for package, messages in schemas.items()
        for name in messages
    }


def _add_message(file: FileDescriptorProto, name: str, fields: str) -> None:
    message = file.message_type.add(name=name)
    for text in fields.split():
        match = _FIELD.fullmatch(text)
        if match is None:
            raise ValueError(f"Expected name=number:type in {file.package}.{name}. Received: {text}.")
        kind = match["type"]
        field = message.field.add(
            name=match["name"], number=int(match["number"]), label=FieldDescriptorProto.LABEL_OPTIONAL
        )
        if kind == "packed":
            kind = "[bytes]"
        if kind[0] in "[{":
            field.label = FieldDescriptorProto.LABEL_REPEATED
        if kind[0] == "{":
            kind = _add_map_entry(message, field.name, kind[1:-1], file.package)
        if match["choice"]:
            if not message.oneof_decl:
                message.oneof_decl.add(name=_CHOICE)
            field.oneof_index = 0
        _set_type(field, kind.strip("[]"), file.package)


def _add_map_entry(message: DescriptorProto, field: str, kind: str, package: str) -> str:
    """Adds the message of which a map is a list; returns its full name."""
    name = "".join(part.capitalize() for part in field.split("_")) + "Entry"
    entry = message.nested_type.add(name=name)
    entry.options.map_entry = True
    for number, (part, of) in enumerate((("key", "string"), ("value", kind)), start=1):
        added = entry.field.add(name=part, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
        _set_type(added, of, package)
    return f"{package}.{message.name}.{name}"


def _set_type(field: FieldDescriptorProto, kind: str, package: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{kind}" if "." in kind else f".{package}.{kind}"
