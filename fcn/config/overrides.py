"""Values of a configuration that are given on the command line."""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.tokens import (
    FlowEntryToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
)

from fcn.config.bounded_yaml import parse_yaml
from fcn.errors import ConfigError
from fcn.system.remedies import set_keys
from fcn.system.shell import quoted

RENAMED = {"data.input_scale": "model.input_scale"}
"""Keys by an older name, which still works, with their present name."""


class Override(NamedTuple):
    """A value for one key.

    Attributes:
        section: The section, "train" for example.
        key: The key in it, "steps" for example.
        value: The value, as YAML has it.
    """

    section: str
    key: str
    value: Any


def read_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """Reads "section.key=value" each into a dictionary of sections; the last one of a key wins.

    Raises:
        ConfigError: If one cannot be read.

    Example:
        >>> read_overrides(["train.steps=5", "train.seed=1", "train.steps=7"])
        {'train': {'steps': 7, 'seed': 1}}
    """
    values: dict[str, Any] = {}
    for override in overrides:
        section, key, value = read_override(override)
        values.setdefault(section, {})[key] = value
    return values


def read_override(override: str, option: str | None = None) -> Override:
    """Reads one "section.key=value".

    Args:
        override: The text.
        option: The option that it was given with, for errors; None: `--set`, or an override in Python.

    Raises:
        ConfigError: If it cannot be read.

    Example:
        >>> read_override("augmentation.crop_size=[320, 480]").value
        [320, 480]
    """
    section, key, text = split_override(override, option)
    try:
        value = parse_yaml(text.encode(errors="surrogatepass"))
    except ValueError as error:
        raise not_yaml(f"{_given(override, option)}: the value", error) from error
    if _ends_in_comment(text, value):
        quoted = _given(f'{section}.{key}="{text}"', option)
        raise ConfigError(
            f"{_given(override, option)}: ' #' begins a comment in YAML, so the value would end there. "
            f"Put the value in quotes: {quoted}. Leave out what is a comment."
        )
    return Override(section, key, value)


def format_override(place: str, value: Any) -> str:
    """Returns the override that `read_override` reads a value from.

    Args:
        place: "section.key".
        value: The value, as JSON can hold it.

    Example:
        >>> format_override("train.ema", None), format_override("data.root", "a b")
        ('train.ema=null', 'data.root=a b')
        >>> format_override("data.root", "1e3"), format_override("augmentation.crop_size", [3, 4])
        ('data.root="1e3"', 'augmentation.crop_size=[3, 4]')
    """
    if isinstance(value, str):
        try:
            if read_override(f"{place}={value}").value == value:
                return f"{place}={value}"
        except ConfigError:
            pass
    return f"{place}={json.dumps(value)}"


def split_override(override: str, option: str | None = None) -> tuple[str, str, str]:
    """Returns the section, the key and the unread value of "section.key=value".

    Raises:
        ConfigError: If it has another form.
    """
    place, equals, text = override.partition("=")
    section, dot, key = place.partition(".")
    if not (equals and dot and section and key) or "." in key:
        raise ConfigError(
            f"{_given(override, option)}: expected section.key=value, for example train.steps=100."
        )
    return section, key, text


def _given(override: str, option: str | None) -> str:
    """Returns an override as it is given."""
    return set_keys(override) if option is None else f"{option} {quoted(override)}"


def split_values(text: str) -> list[str]:
    """Returns the values between the commas of a text; a comma in a list or in quotes separates nothing.

    Text in which brackets or quotes do not match is returned whole, for `read_override` to refuse.

    Example:
        >>> split_values("1e-4, 3e-4"), split_values("[320, 320],[480, 480]"), split_values("'a,b',")
        (['1e-4', '3e-4'], ['[320, 320]', '[480, 480]'], ["'a,b'", ''])
    """
    depth, closed, commas = 0, 0, []
    try:
        for token in YAML(typ="safe", pure=True).scan(f"[{text}]"):
            place = token.start_mark.index - 1
            if isinstance(token, FlowSequenceStartToken | FlowMappingStartToken):
                depth += 1
            elif isinstance(token, FlowSequenceEndToken | FlowMappingEndToken):
                depth -= 1
                closed += depth == 0
            elif depth == 1 and isinstance(token, FlowEntryToken):
                commas.append(place)
    except YAMLError:
        return [text]
    if depth or closed > 1:
        return [text]
    starts, ends = [0, *(place + 1 for place in commas)], [*commas, len(text)]
    return [text[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def not_yaml(begin: str, error: ValueError) -> ConfigError:
    """Returns the error for text that is not YAML; the reader's own message has several lines."""
    first, *more = str(error).split("\n")
    return ConfigError(f"{begin} {first}", *more)


def _ends_in_comment(text: str, value: Any) -> bool:
    """Returns whether a value of `--set` is only what comes before a comment of YAML.

    Example:
        >>> _ends_in_comment("a #1", "a"), _ends_in_comment('"a #1"', "a #1")
        (True, False)
    """
    for mark in re.finditer(r"(?:^|\s)#", text):
        try:
            if parse_yaml(text[: mark.start()].encode(errors="surrogatepass")) == value:
                return True
        except ValueError:  # the mark is in quotes
            continue
    return False
