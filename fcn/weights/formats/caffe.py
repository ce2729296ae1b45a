"""Reads a caffemodel: the binary protocol buffer `NetParameter` of caffe.proto, by its field numbers.

The wire format is that of protocol buffers: a message is a row of fields, each a tag (field number and
wire type), then a number or a length and so many bytes. Only the few fields that hold weights are
read; all others are skipped.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.weights.layer import CHUNK, MAX_AXES, MAX_BLOBS, Layer, damaged, fill_values

VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5

# caffe.proto, NetParameter: `repeated V1LayerParameter layers = 2; repeated LayerParameter layer = 100`.
NET_LAYERS = (2, 100)


class _LayerFields(NamedTuple):
    """The numbers of a layer message's fields; `layers` and `layer` messages differ."""

    name: int
    kind: int
    blobs: int


_FIELDS = {2: _LayerFields(name=4, kind=5, blobs=6), 100: _LayerFields(name=1, kind=2, blobs=7)}
# V1LayerParameter.LayerType, as far as such layers have weights.
_OLD_KINDS = {4: "CONVOLUTION", 14: "INNER_PRODUCT", 39: "DECONVOLUTION"}

# BlobProto: num, channels, height, width = 1 to 4; data = 5; shape = 7; double_data = 8. The fields 6
# and 9 are gradients.
_BLOB_SHAPE = 7
_NUMBERS = {5: ("<f4", FOUR_BYTES), 8: ("<f8", EIGHT_BYTES)}

# VGG16 has some 500 fields. A file of nothing but tiny fields would otherwise take hours.
_MAX_FIELDS = 200_000
_MAX_TEXT = 4096
# Numbers with a tag each that are read at first, to see how many of them follow each other.
_SHORT_ROW = 64


class Field(NamedTuple):
    """A field of a message.

    Attributes:
        number: The field's number in the message's definition.
        wire: How it is stored.
        start: Where its content begins, in bytes from the start of the file.
        end: Where the next field begins.
        value: The number, if `wire` is `VARINT`.
    """

    number: int
    wire: int
    start: int
    end: int
    value: int


class _Numbers(NamedTuple):
    """A row of numbers of a blob; `gap` bytes lie between them."""

    start: int
    length: int
    dtype: str
    gap: int


class Wire:
    """A file of protocol buffer messages, read field by field.

    Args:
        file: The open file.
        path: Its name, for errors.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file = file
        self.path = path
        self.size = path.stat().st_size
        self._fields = 0

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        """Returns the number at `position` and where the next thing begins."""
        self.file.seek(position)
        value = 0
        for index, byte in enumerate(self.file.read(min(10, end - position))):
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, position + index + 1
        raise damaged(self.path, f"no whole number at byte {position}")

    def field(self, position: int, end: int) -> Field:
        """Returns the field at `position` of a message that ends at `end`.

        Raises:
            RunError: If the message has no whole field there.
        """
        self._fields += 1
        if self._fields > _MAX_FIELDS:
            raise damaged(self.path, f"it has more than {_MAX_FIELDS} fields")
        tag, start = self._varint(position, end)
        number, wire = tag >> 3, tag & 7
        value = 0
        if wire == VARINT:
            value, after = self._varint(start, end)
        elif wire == BYTES:
            length, start = self._varint(start, end)
            after = start + length
        elif wire in (FOUR_BYTES, EIGHT_BYTES):
            after = start + (4 if wire == FOUR_BYTES else 8)
        else:
            raise damaged(self.path, f"a field of the unknown wire type {wire} at byte {position}")
        if number == 0 or after > end:
            raise damaged(
                self.path, f"field {number} at byte {position} ends at {after}, its message at {end}"
            )
        return Field(number, wire, start, after, value)

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """Yields the fields of the message from `start` to `end`."""
        while start < end:
            field = self.field(start, end)
            yield field
            start = field.end

    def text(self, field: Field) -> str:
        """Returns the content of a field as text."""
        if field.end - field.start > _MAX_TEXT:
            raise damaged(self.path, f"a name of {field.end - field.start} bytes at byte {field.start}")
        self.file.seek(field.start)
        try:
            return self.file.read(field.end - field.start).decode()
        except UnicodeDecodeError as error:
            raise damaged(self.path, f"the name at byte {field.start} is not UTF-8") from error

    def repeated_varint(self, field: Field) -> Iterator[int]:
        """Yields the numbers of a repeated field, packed or not."""
        if field.wire == VARINT:
            yield field.value
        elif field.wire == BYTES:
            position = field.start
            while position < field.end:
                value, position = self._varint(position, field.end)
                yield value

    def repeats(self, field: Field, end: int, width: int) -> int:
        """Returns how many fields like `field`, itself the first, lie side by side.

        Args:
            field: A number of `width` bytes after a tag of one byte.
            end: Where the message ends.
            width: The size of one number in bytes.
        """
        record = np.dtype([("tag", "u1"), ("number", f"V{width}")])
        begin = field.start - 1
        self.file.seek(begin)
        count, most = 0, min((end - begin) // record.itemsize, CHUNK)
        # Twice as many each time: many short rows must not cost as much as long ones.
        size = _SHORT_ROW
        while count < most:
            data = self.file.read(min(size, most - count) * record.itemsize)
            if not data or len(data) % record.itemsize:
                raise damaged(self.path, f"it ends inside the numbers that begin at byte {begin}")
            tags = np.frombuffer(data, record)["tag"]
            others = tags != field.number << 3 | field.wire
            if others.any():
                count += int(others.argmax())
                break
            count += len(tags)
            size *= 2
        return max(1, count)


def _numbers(wire: Wire, start: int, end: int) -> Iterator[_Numbers]:
    """Yields where the values of the blob from `start` to `end` lie."""
    while start < end:
        field = wire.field(start, end)
        start = field.end
        if field.number not in _NUMBERS:
            continue
        dtype, plain = _NUMBERS[field.number]
        width = np.dtype(dtype).itemsize
        if field.wire == BYTES:
            count, rest = divmod(field.end - field.start, width)
            if rest:
                raise damaged(wire.path, f"the numbers at byte {field.start} end inside one")
            yield _Numbers(field.start, count, dtype, 0)
        elif field.wire == plain:
            # Written as one field per number: rows of them are read at once.
            count = wire.repeats(field, end, width)
            start = field.end + (count - 1) * (1 + width)
            yield _Numbers(field.start, count, dtype, 1)


def _shape(wire: Wire, start: int, end: int) -> tuple[int, ...]:
    """Returns the axes of the blob from `start` to `end`: its shape, or else the old four numbers."""
    four = [0, 0, 0, 0]
    axes: list[int] | None = None
    for field in wire.fields(start, end):
        if field.wire == VARINT and 1 <= field.number <= 4:
            four[field.number - 1] = field.value
        elif field.number == _BLOB_SHAPE and field.wire == BYTES:
            axes = [] if axes is None else axes
            for inner in wire.fields(field.start, field.end):
                if inner.number == 1:
                    for length in wire.repeated_varint(inner):
                        axes.append(length)
                        if len(axes) > MAX_AXES:
                            raise damaged(
                                wire.path, f"the blob at byte {start} has more than {MAX_AXES} axes"
                            )
    return tuple(four if axes is None else axes)


def _blob(wire: Wire, start: int, end: int) -> npt.NDArray[np.float32]:
    """Returns the values of the blob from `start` to `end`."""
    shape = _shape(wire, start, end)
    counts = dict.fromkeys((dtype for dtype, _ in _NUMBERS.values()), 0)
    for numbers in _numbers(wire, start, end):
        counts[numbers.dtype] += numbers.length
    count = sum(counts.values())
    if count == 0 or count not in counts.values() or count != math.prod(shape):
        raise damaged(
            wire.path,
            f"the blob at byte {start} has {counts['<f4']} float and {counts['<f8']} double values "
            f"for the shape {list(shape)}",
        )
    values = np.empty(count, np.float32)
    done = 0
    for numbers in _numbers(wire, start, end):
        fill_values(
            wire.file,
            wire.path,
            numbers.start,
            values[done : done + numbers.length],
            numbers.dtype,
            numbers.gap,
        )
        done += numbers.length
    return values.reshape(shape)


def _layer(wire: Wire, layer: Field) -> Layer | None:
    """Returns a layer of the net, or None if it has no weights."""
    fields = _FIELDS[layer.number]
    name = kind = ""
    blobs: list[npt.NDArray[np.float32]] = []
    for field in wire.fields(layer.start, layer.end):
        if field.number == fields.name and field.wire == BYTES:
            name = wire.text(field)
        elif field.number == fields.kind and field.wire == BYTES:
            kind = wire.text(field)
        elif field.number == fields.kind and field.wire == VARINT:
            kind = _OLD_KINDS.get(field.value, str(field.value))
        elif field.number == fields.blobs and field.wire == BYTES:
            if len(blobs) == MAX_BLOBS:
                raise damaged(wire.path, f"layer {name!r} has more than {MAX_BLOBS} blobs")
            blobs.append(_blob(wire, field.start, field.end))
    return Layer(name, kind, tuple(blobs)) if blobs else None


def read_caffemodel(path: Path) -> Iterator[Layer]:
    """Yields the layers of a caffemodel that have weights, one in memory at a time.

    Both the old `layers` and the new `layer` messages are read, blobs of four numbers or a shape, of
    floats or doubles, packed or not.

    Args:
        path: The caffemodel.

    Raises:
        RunError: If the file is not a whole caffemodel.
    """
    with path.open("rb") as file:
        wire = Wire(file, path)
        for field in wire.fields(0, wire.size):
            if field.number in NET_LAYERS and field.wire == BYTES:
                layer = _layer(wire, field)
                if layer:
                    yield layer
                # Or it would be in memory beside the next one.
                del layer
