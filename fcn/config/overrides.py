"""Changes of a configuration: "section.key=value" each, with values in YAML."""

import re
from collections.abc import Sequence
from typing import Any

from fcn.config.bounded_yaml import parse_yaml
from fcn.errors import ConfigError
from fcn.system.remedies import set_keys


def read_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """Reads changes into a dictionary of sections; the last one of a key wins.

    Raises:
        ConfigError: If one has another form, or its value is not YAML or ends where a comment begins.

    Example:
        >>> read_overrides(["train.steps=3", "train.ema=null"])
        {'train': {'steps': 3, 'ema': None}}
    """
    values: dict[str, Any] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        section, dot, name = key.partition(".")
        if not (equals and dot and section and name) or "." in name:
            raise ConfigError(
                f"{set_keys(override)}: expected section.key=value, for example train.steps=100."
            )
        try:
            value = parse_yaml(text.encode(errors="surrogatepass"))
        except ValueError as error:
            raise not_yaml(f"{set_keys(override)}: the value", error) from error
        if _ends_in_comment(text, value):
            raise ConfigError(
                f"{set_keys(override)}: ' #' begins a comment in YAML, so the value would end there. "
                f"""Put the value in quotes: {set_keys(f'{key}="{text}"')}. Leave out what is a comment."""
            )
        values.setdefault(section, {})[name] = value
    return values


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


def not_yaml(begin: str, error: ValueError) -> ConfigError:
    """Returns the error for text that is not YAML; the reader's own message has several lines."""
    first, *more = str(error).split("\n")
    return ConfigError(f"{begin} {first}", *more)
