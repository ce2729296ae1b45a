"""The grid of a comparison: the values that `--vary` gives to keys of a configuration."""

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fcn.config.file import Config
from fcn.config.overrides import RENAMED, read_override, split_override, split_values
from fcn.errors import ConfigError

_OPTION = "--vary"
_UNSAFE = re.compile(r"[^A-Za-z0-9._=,+-]+")
_LONGEST = 150
"""Characters of a folder's name. File systems allow 255 bytes, and names of temporary files are longer."""


class Variation(NamedTuple):
    """A key and its values.

    Attributes:
        key: "section.key".
        texts: Its values as YAML.
    """

    key: str
    texts: tuple[str, ...]


class Point(NamedTuple):
    """One value for each key that varies.

    Attributes:
        overrides: "section.key=value" each.
    """

    overrides: tuple[str, ...]

    def values(self, config: Config) -> dict[str, Any]:
        """Returns the values by key, as JSON has them, of a configuration that has these overrides."""
        sections = config.model_dump(mode="json")
        keys = [override.partition("=")[0] for override in self.overrides]
        return {key: sections[key.partition(".")[0]][key.partition(".")[2]] for key in keys}


def read_variations(texts: Sequence[str], taken: Mapping[str, str]) -> tuple[Variation, ...]:
    """Reads the options of a command.

    Args:
        texts: "section.key=value,value,..." each.
        taken: The option that gives a value to a key already, by key.

    Raises:
        ConfigError: If one cannot be read, has an empty value, or varies a key that has a value already.

    Example:
        >>> read_variations(["augmentation.crop_size=[320, 320],null"], {})
        (Variation(key='augmentation.crop_size', texts=('[320, 320]', 'null')),)
    """
    found: dict[str, Variation] = {}
    for text in texts:
        section, name, values = split_override(text, _OPTION)
        key = RENAMED.get(f"{section}.{name}", f"{section}.{name}")
        pieces = split_values(values)
        if not all(pieces):
            raise ConfigError(
                f"{_OPTION} {key}: expected values separated by commas, none of them empty. Received: "
                f"{values!r}."
            )
        for piece in pieces:
            read_override(f"{key}={piece}", _OPTION)
        if key in found:
            raise ConfigError(f"{_OPTION} {key}: is given twice. Give all its values at once, with commas.")
        if key in taken:
            raise ConfigError(
                f"{_OPTION} {key}: {taken[key]} gives one value to it. Leave out one of the two."
            )
        found[key] = Variation(key, tuple(pieces))
    return tuple(found.values())


def points(variations: Sequence[Variation]) -> Iterator[Point]:
    """Yields all combinations of the values, the last key fastest; without keys one that changes nothing.

    Example:
        >>> [point.overrides for point in points([Variation("a.b", ("1", "2")), Variation("c.d", ("3",))])]
        [('a.b=1', 'c.d=3'), ('a.b=2', 'c.d=3')]
    """
    for texts in itertools.product(*(variation.texts for variation in variations)):
        pairs = zip(variations, texts, strict=True)
        yield Point(tuple(f"{variation.key}={text}" for variation, text in pairs))


def check_different(values: Sequence[Mapping[str, Any]], variations: Sequence[Variation]) -> None:
    """Refuses a key that has one value twice, also in two spellings.

    Args:
        values: Of each point in order, by key.
        variations: What the points are made of.

    Raises:
        ConfigError: If a key has.
    """
    for variation in variations:
        found = list(dict.fromkeys(value_text(one[variation.key]) for one in values))
        if len(found) < len(variation.texts):
            raise ConfigError(
                f"{_OPTION} {variation.key}: expected different values. Received: "
                f"{', '.join(variation.texts)}, which are {', '.join(found)}."
            )


def value_text(value: Any) -> str:
    """Returns a value as it is shown, the same for all spellings of it.

    Example:
        >>> value_text("fcn8s"), value_text(1e-4), value_text([320, 320]), value_text(None)
        ('fcn8s', '0.0001', '[320, 320]', 'null')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def folder_name(values: Mapping[str, Any]) -> str:
    """Returns the name of the folder for these values: the same in every command, and safe in every system.

    Where characters had to be replaced or left out, digits tell the values from similar ones.

    Example:
        >>> folder_name({"train.learning_rate": 1e-4, "model.net": "fcn8s"})
        'train.learning_rate=0.0001,model.net=fcn8s'
        >>> folder_name({"model.weights": "../a b"})
        'model.weights=.._a_b-1919311f'
    """
    exact = ",".join(f"{key}={value_text(value)}" for key, value in values.items())
    name = _UNSAFE.sub("_", exact).rstrip(".")  # Windows drops dots at the end
    if name == exact and len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256(json.dumps(list(values.items())).encode()).hexdigest()[:8]
    return f"{name[:_LONGEST]}-{digest}"
