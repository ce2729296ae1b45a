"""An interpreter of pickles that can build numbers, text, lists, dictionaries and tuples, nothing else.

Python's own unpickler calls what a file names; an allow-list narrows that, but a file can still make it
reserve gigabytes (a memo of 2^31 places), change the classes that are allowed (BUILD) or overflow the
stack (the hash of a tuple nested a million deep). Here no name in a file ever becomes a Python object:
it stays a `Global`, and REDUCE looks it up in a table of functions that the caller wrote. Long bytes
are not read but kept as a `Span` of the file, so a pickle with 500 MB of numbers needs no memory.
"""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, runtime_checkable

from fcn.errors import RunError
from fcn.weights.layer import damaged

# A net of a thousand tensors has some 40,000 operations; each can cost a few hundred bytes.
_MAX_OPERATIONS = 300_000
# Names are shorter, numbers of a layer longer.
_SHORT = 256


class Global(NamedTuple):
    """A name in a pickle that elsewhere would be imported: "module name"."""

    name: str


class Span(NamedTuple):
    """Bytes that were left in the file.

    Attributes:
        start: Position of the first byte.
        length: Number of bytes.
        encoded: Whether they are UTF-8 text with one character for each byte, as Python 3 writes
            bytes in protocol 2.
    """

    start: int
    length: int
    encoded: bool


@runtime_checkable
class Buildable(Protocol):
    """Something that a pickle makes empty and fills later."""

    def build(self, state: object) -> None:
        """Takes over `state`, or raises ValueError."""


Call = Callable[[tuple[Any, ...]], object]

_CONSTANTS = {b"N": None, b"\x88": True, b"\x89": False}
_EMPTY: dict[bytes, type] = {b"]": list, b"}": dict, b")": tuple}
_NUMBERS = {b"J": "<i", b"K": "<B", b"M": "<H", b"G": ">d"}
_TUPLES = {b"\x85": 1, b"\x86": 2, b"\x87": 3}
_PUTS = {b"q": "<B", b"r": "<I"}
_GETS = {b"h": "<B", b"j": "<I"}
_TEXTS = {b"X": "<I", b"\x8c": "<B", b"\x8d": "<Q"}
_BYTES = {b"T": "<I", b"U": "<B", b"B": "<I", b"C": "<B", b"\x8e": "<Q"}


class Unpickler:
    """Reads pickles that lie one after the other in a file.

    Args:
        file: The open file.
        path: Its name, for errors.
        start: Where the first pickle begins.
        end: Where the last one ends at the latest.
        calls: The names that REDUCE may call: "module name" -> a function of the tuple of
            arguments, which raises ValueError for arguments it does not know.
        names: Further names that may be values.
        persistent: Returns what a persistent id names.
    """

    def __init__(
        self,
        file: BinaryIO,
        path: Path,
        start: int,
        end: int,
        calls: Mapping[str, Call],
        names: frozenset[str] = frozenset(),
        persistent: Callable[[object], object] | None = None,
    ) -> None:
        self.position = start
        self._file = file
        self._path = path
        self._end = end
        self._calls = calls
        self._names = names
        self._persistent = persistent
        self._operations = 0
        self._reset()

    def _reset(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def load(self) -> Any:
        """Returns the value of the next pickle.

        Raises:
            RunError: If the pickle is not whole, or wants anything but plain values and `calls`.
        """
        self._reset()
        self._file.seek(self.position)
        begin = self.position
        try:
            while (operation := self._read(1)) != b".":
                self._count(1)
                self._step(operation)
            return self._pop()
        except RunError:
            raise
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise damaged(
                self._path, f"the pickle at byte {begin} cannot be read at byte {self.position} ({error})"
            ) from error

    def _count(self, operations: int) -> None:
        self._operations += operations
        if self._operations > _MAX_OPERATIONS:
            raise ValueError(f"it has more than {_MAX_OPERATIONS} operations")

    def _step(self, operation: bytes) -> None:
        """Does one operation; `pickletools` describes them all."""
        push = self._stack.append
        if operation in _CONSTANTS:
            push(_CONSTANTS[operation])
        elif operation in _EMPTY:
            push(_EMPTY[operation]())
        elif operation in _NUMBERS:
            push(self._number(_NUMBERS[operation]))
        elif operation in _TUPLES:
            items = [self._pop() for _ in range(_TUPLES[operation])]
            push(tuple(reversed(items)))
        elif operation in _GETS:
            push(self._memo[self._number(_GETS[operation])])
        elif operation in _PUTS:
            place = self._number(_PUTS[operation])
            if place > _MAX_OPERATIONS:  # writers of pickles count places from 0 or 1
                raise ValueError(f"it remembers a value at place {place}")
            self._memo[place] = self._top()
        elif operation == b"\x94":  # MEMOIZE
            self._memo[len(self._memo)] = self._top()
        elif operation in _TEXTS:
            text = self._bytes(self._number(_TEXTS[operation]), encoded=True)
            push(text.decode() if isinstance(text, bytes) else text)
        elif operation in _BYTES:
            push(self._bytes(self._number(_BYTES[operation]), encoded=False))
        elif operation == b"\x8a":  # LONG1
            push(int.from_bytes(self._read(self._number("<B")), "little", signed=True))
        elif operation == b"(":
            self._marks.append(len(self._stack))
        elif operation == b"\x80":  # PROTO
            self._number("<B")
        elif operation == b"\x95":  # FRAME
            self._number("<Q")
        else:
            self._act(operation)

    def _act(self, operation: bytes) -> None:
        """Does an operation that uses what earlier ones left on the stack."""
        if operation == b"t":
            self._stack.append(tuple(self._since_mark()))
        elif operation == b"a":
            item = self._pop()
            self._target(list).append(item)
        elif operation == b"e":
            items = self._since_mark()
            self._target(list).extend(items)
        elif operation == b"s":
            value, key = self._pop(), self._pop()
            store(self._target(dict), [key, value])
        elif operation == b"u":
            items = self._since_mark()
            store(self._target(dict), items)
        elif operation == b"c":
            module = self._line()
            self._stack.append(self._global(module, self._line()))
        elif operation == b"\x93":  # STACK_GLOBAL
            name, module = self._pop(), self._pop()
            self._stack.append(self._global(module, name))
        elif operation == b"R":
            arguments, function = self._pop(), self._pop()
            if type(function) is not Global or type(arguments) is not tuple:
                raise ValueError("something other than a known function is called")
            # A function may look at each item of a list; one list can be the argument of many calls.
            self._count(sum(len(argument) for argument in arguments if type(argument) in (list, tuple)))
            self._stack.append(self._calls[function.name](arguments))
        elif operation == b"b":
            state, target = self._pop(), self._top()
            if isinstance(target, Buildable):
                target.build(state)
            elif not isinstance(target, dict):
                raise ValueError("something that has no state is given one")
            # The attributes of a dictionary, such as a state dict's versions, are not weights.
        elif operation == b"Q" and self._persistent:
            self._stack.append(self._persistent(self._pop()))
        else:
            raise ValueError(f"the operation {operation!r} is not one that weights need")

    def _read(self, size: int) -> bytes:
        if size > self._end - self.position:
            raise ValueError("it ends too early")
        data = self._file.read(size)
        self.position += len(data)
        if len(data) < size:
            raise ValueError("it ends too early")
        return data

    def _number(self, layout: str) -> Any:
        return struct.unpack(layout, self._read(struct.calcsize(layout)))[0]

    def _bytes(self, length: int, encoded: bool) -> bytes | Span:
        if length <= _SHORT:
            return self._read(length)
        if length > self._end - self.position:
            raise ValueError(f"it ends inside the {length} bytes at byte {self.position}")
        span = Span(self.position, length, encoded)
        self.position += length
        self._file.seek(self.position)
        return span

    def _line(self) -> str:
        data = self._file.readline(_SHORT)
        self.position += len(data)
        if self.position > self._end or not data.endswith(b"\n"):
            raise ValueError("a name does not end")
        return data[:-1].decode()

    def _global(self, module: object, name: object) -> Global:
        full = f"{module} {name}" if type(module) is str and type(name) is str else "?"
        if full not in self._calls and full not in self._names:
            raise RunError(
                f"{self._path}: the file refers to {full[:_SHORT]!r}, which weights do not need; no code "
                "was run. Use a file with only weights, from a publisher you trust."
            )
        return Global(full)

    def _top(self) -> Any:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise ValueError("it uses a value that is not there")
        return self._stack[-1]

    def _pop(self) -> Any:
        self._top()
        return self._stack.pop()

    def _since_mark(self) -> list[Any]:
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    def _target(self, kind: type) -> Any:
        target = self._top()
        if type(target) is not kind:
            raise ValueError(f"a {type(target).__name__} is where a {kind.__name__} belongs")
        return target


def store(target: dict[object, object], items: list[Any]) -> None:
    """Adds keys and values, in turn, to a dictionary.

    Raises:
        ValueError: If a key is not text, bytes or a number: the hash of others can overflow the stack.
    """
    if len(items) % 2:
        raise ValueError("a key has no value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) not in (str, bytes, int):
            raise ValueError(f"a {type(key).__name__} is the key of a dictionary")
        target[key] = value
