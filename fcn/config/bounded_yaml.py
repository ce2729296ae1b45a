"""Reads YAML within bounds that no configuration reaches.

A few hundred bytes of aliases can name more values than fit into memory, and brackets in brackets overflow
the stack. So depth, aliases and values are counted while the text is parsed, before any object is made.
"""

import json
from copy import deepcopy
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import Node, ScalarNode

MAX_BYTES = 1 << 16
"""Bytes of a file: the largest recipe has two thousand, and 256 class weights have five thousand more."""

TOO_LONG = f"is longer than {MAX_BYTES} bytes, more than a configuration needs. Shorten it."
"""The reason why a longer file is refused."""

_MAX_DEPTH = 20
_MAX_ALIASES = 100
_MAX_VALUES = 5_000
# Longer text counts as several values: an alias repeats all of it.
_TEXT_OF_A_VALUE = 64


class _LimitError(ValueError):
    """YAML that exceeds a limit."""


class _BoundedComposer(Composer):
    """A composer that counts depth, aliases and values, the values behind an alias each time it is used."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader=loader)
        # YAML 1.2 allows it, and a hostile file would print thousands of warnings.
        self.warn_double_anchors = False
        self._aliases = 0
        # Of finished nodes, by identity, and of the nodes around the present one; nodes live until the end.
        self._sizes: dict[int, int] = {}
        self._open = [0]

    def compose_node(self, parent: Node | None, index: Any) -> Any:
        """Returns the next node, once it is known to be within the limits."""
        if self.parser.check_event(AliasEvent):
            self._aliases += 1
            if self._aliases > _MAX_ALIASES:
                raise _LimitError(
                    f"has more than {_MAX_ALIASES} aliases (*name). Write the values themselves."
                )
            node = super().compose_node(parent, index)
            if id(node) not in self._sizes:
                raise _LimitError("has an alias inside of the value that it names. Write the value itself.")
            size = self._sizes[id(node)]
        else:
            if len(self._open) > _MAX_DEPTH:
                raise _LimitError(
                    f"is nested deeper than {_MAX_DEPTH} levels. A configuration has sections and their keys."
                )
            self._open.append(0)
            node = super().compose_node(parent, index)
            size = 1 + self._open.pop()
            if isinstance(node, ScalarNode):
                size += len(node.value) // _TEXT_OF_A_VALUE
            self._sizes[id(node)] = size
        self._open[-1] += size
        if self._open[-1] > _MAX_VALUES:
            raise _LimitError(
                f"has more than {_MAX_VALUES} values, counted again for each alias (*name). Shorten it."
            )
        return node


def parse_yaml(data: bytes) -> Any:
    """Reads YAML that JSON can hold too.

    The same text is parsed once: a training reads its configuration for each page that it writes.

    Args:
        data: UTF-8, at most `MAX_BYTES`.

    Raises:
        ValueError: If it is anything else, or exceeds a limit; the message is the rest of a sentence that
            begins with the name of the file.
    """
    if len(data) > MAX_BYTES:
        raise _LimitError(TOO_LONG)
    return deepcopy(_parse(data))


@lru_cache(maxsize=16)
def _parse(data: bytes) -> Any:
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _BoundedComposer
    try:
        value = yaml.load(data.decode())
        json.dumps(value, default=str, ensure_ascii=False).encode()
    except _LimitError:
        raise
    # ruamel.yaml raises YAMLError, and Python's own errors where a value does not fit its tag: KeyError,
    # IndexError, OverflowError and others. JSON refuses keys that are lists,
    # UTF-8 the half of a surrogate pair.
    except Exception as error:
        raise ValueError(f"is not YAML. {error}") from error
    return value
