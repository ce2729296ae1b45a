"""Checks the operations of an ONNX model before ONNX Runtime reads it.

The file holds the weights too, so only the fields that name operations are read, and weights are skipped.
"""

from collections.abc import Iterator
from pathlib import Path

from fcn.errors import RunError
from fcn.system.protobuf import Field, read_fields
from fcn.system.trust import untrusted

# Numbers of fields in `onnx.proto`.
_GRAPH, _OPSET_IMPORT, _TRAINING, _FUNCTIONS = 7, 8, 20, 25  # of ModelProto
_OPSET_DOMAIN = 1  # of OperatorSetIdProto
_NODE, _INITIALIZER, _SPARSE_INITIALIZER = 1, 5, 15  # of GraphProto
_TYPE, _ATTRIBUTE, _DOMAIN = 4, 5, 7  # of NodeProto
_TENSOR, _SUBGRAPH, _TENSORS, _SUBGRAPHS, _SPARSE, _SPARSES = 5, 6, 10, 11, 22, 23  # of AttributeProto
_VALUES, _INDICES = 1, 2  # of SparseTensorProto
_EXTERNAL, _LOCATION = 13, 14  # of TensorProto

_DOMAINS = ("", "ai.onnx")
_MOST_FIELDS = 1_000_000


def read_checked_onnx(path: Path) -> bytes:
    """Reads an ONNX model unless it has operations of extensions, functions, or weights in other files.

    Args:
        path: The file.

    Returns:
        Its content, which has been checked whatever becomes of the file.

    Raises:
        RunError: If it cannot be read.
        TrustError: If it has one of these.
    """
    try:
        content = path.read_bytes()
        if not content:
            raise ValueError("it is empty")
        _Checker(path, memoryview(content)).check()
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path}: cannot be read by ONNX Runtime ({error}). Export the model again with --format onnx."
        ) from error
    return content


class _Checker:
    """A walk through the messages of one file, without recursion.

    Args:
        path: The file, for messages.
        content: Its content.
    """

    def __init__(self, path: Path, content: memoryview) -> None:
        self._path, self._content = path, content
        self._left = _MOST_FIELDS
        self._graphs: list[Field] = []

    def check(self) -> None:
        for field in self._fields(0, len(self._content)):
            if field.number == _FUNCTIONS:
                raise untrusted(self._path, "functions of its own, in", "ModelProto.functions")
            if field.number == _TRAINING:
                raise untrusted(self._path, "graphs for training, in", "ModelProto.training_info")
            if field.number == _OPSET_IMPORT:
                for inner in self._inside(field):
                    if inner.number == _OPSET_DOMAIN:
                        self._check_domain(inner, "operations")
            elif field.number == _GRAPH:
                self._graphs.append(field)
        while self._graphs:
            for field in self._inside(self._graphs.pop()):
                if field.number == _NODE:
                    self._check_node(field)
                elif field.number == _INITIALIZER:
                    self._check_tensor(field)
                elif field.number == _SPARSE_INITIALIZER:
                    self._check_sparse(field)

    def _check_node(self, node: Field) -> None:
        fields = list(self._inside(node))
        kind = next((self._text(field) for field in reversed(fields) if field.number == _TYPE), "")
        for field in fields:
            if field.number == _DOMAIN:
                self._check_domain(field, kind)
            elif field.number == _ATTRIBUTE:
                for inner in self._inside(field):
                    if inner.number in (_SUBGRAPH, _SUBGRAPHS):
                        self._graphs.append(inner)
                    elif inner.number in (_TENSOR, _TENSORS):
                        self._check_tensor(inner)
                    elif inner.number in (_SPARSE, _SPARSES):
                        self._check_sparse(inner)

    def _check_domain(self, field: Field, kind: str) -> None:
        domain = self._text(field)
        if domain not in _DOMAINS:
            raise untrusted(self._path, f"an extension of ONNX, {domain!a}, with", kind)

    def _check_sparse(self, sparse: Field) -> None:
        for field in self._inside(sparse):
            if field.number in (_VALUES, _INDICES):
                self._check_tensor(field)

    def _check_tensor(self, tensor: Field) -> None:
        for field in self._inside(tensor):
            # Where a location is stated, 0 is this file.
            if field.number == _EXTERNAL or (field.number == _LOCATION and self._content[field.start]):
                raise untrusted(self._path, "weights in other files, in", "TensorProto.external_data")

    def _text(self, field: Field) -> str:
        return bytes(self._content[field.start : field.end][:200]).decode(errors="replace")

    def _inside(self, field: Field) -> Iterator[Field]:
        return self._fields(field.start, field.end)

    def _fields(self, start: int, end: int) -> Iterator[Field]:
        for field in read_fields(self._content, start, end):
            self._left -= 1
            if self._left < 0:
                raise ValueError(f"it has more than {_MOST_FIELDS} fields")
            yield field
