"""Writes the reference of a configuration's keys, from the classes that check them."""

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

from fcn.config.file import Config
from fcn.config.overrides import RENAMED
from fcn.models.arguments import NetArguments

_HEAD = """# Every key of a configuration

A configuration is a YAML 1.2 file with five sections. `data.root` must be given; all other keys have a
default, which is used where a file leaves the key out. Any key can be given on the command line, too:

    python train.py CONFIG --run runs/mine --set train.steps=4000 --set augmentation.crop_size=[320,320]

Put a value with spaces, braces or asterisks in quotes: `--set "loss.terms={cross_entropy: 1, dice: 0.5}"`.

The `config.yaml` in a [run folder](run_folder.md) spells out all keys. Unknown keys, wrong types and values
out of range are refused with the key, the file and what is expected. The recipes in `configs/` are examples
([which recipe?](../pascal_voc.md#recipes)).
"""

_ATTRIBUTE = re.compile(r"^(\w+): (.*(?:\n .*)*)", re.MULTILINE)


def describe_keys() -> str:
    """Returns the page, in Markdown."""
    schema = Config.model_json_schema()
    parts = [_HEAD]
    for section, field in Config.model_fields.items():
        kind = field.annotation
        assert isinstance(kind, type)
        opening, meanings = read_docstring(kind)
        if section == "model":
            meanings = read_docstring(NetArguments)[1] | meanings
        parts.append(f"\n## `{section}`\n\n{opening}\n")
        properties = schema["$defs"][kind.__name__]["properties"]
        if missing := properties.keys() - meanings.keys():
            where = f"{inspect.getsourcefile(kind)}: the docstring of {kind.__name__}"
            raise SystemExit(f"{where} does not describe {', '.join(sorted(missing))}. Add it to Attributes.")
        parts += [_describe_key(section, key, properties[key], meanings[key]) for key in properties]
    names = ", ".join(f"`{old}` for `{new}`" for old, new in RENAMED.items())
    parts.append(f"\n## Older names\n\nThey still work, and a line says so: {names}.\n")
    return "".join(parts)


def read_docstring(kind: type) -> tuple[str, dict[str, str]]:
    """Returns the opening of a class docstring, and the description of each attribute in it.

    Args:
        kind: The class.
    """
    opening, _, attributes = inspect.cleandoc(kind.__doc__ or "").partition("\n\nAttributes:\n")
    found = _ATTRIBUTE.findall(inspect.cleandoc(attributes))
    return _for_users(opening), {name: _for_users(text) for name, text in found}


def _for_users(text: str) -> str:
    """Returns a part of a docstring in one line a paragraph, with the words of YAML."""
    text = re.sub(r"(?<!\n)\n +|(?<!\n)\n(?!\n)", " ", text)
    text = re.sub(r"[;,]? see `fcn[\w.]+`(?=[.;])", "", text)
    text = re.sub(r"; `fcn[\w.]+` documents its arguments and has their defaults", "", text)
    text = re.sub(r"(`[^`]*`)|\*", lambda found: found[1] or r"\*", text)
    return re.sub(r"\bNone\b", "null", text)


def _describe_key(section: str, key: str, schema: dict[str, Any], meaning: str) -> str:
    """Returns the part of the page about one key."""
    facts = [describe_type(schema)]
    facts.append(f"default: `{_yaml(schema['default'])}`" if "default" in schema else "must be given")
    examples = [each for part in (schema, *schema.get("anyOf", ())) for each in part.get("examples", ())]
    example = examples[0].strip("'") if examples else ""
    if example and example != _yaml(schema.get("default")):
        facts.append(f"for example `{section}.{key}={example}`")
    return f"\n### `{section}.{key}`\n\n*{'; '.join(facts)}*\n\n{meaning}\n"


def _yaml(value: Any) -> str:
    """Returns a value as one writes it in YAML."""
    return value if isinstance(value, str) else json.dumps(value)


def describe_type(schema: dict[str, Any]) -> str:
    """Returns in words which values a key takes.

    Args:
        schema: The key in the JSON schema of a configuration.

    Example:
        >>> describe_type({"type": "integer", "minimum": 8, "maximum": 16})
        'a whole number, 8 to 16'
        >>> describe_type({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}]})
        'a number above 0, or null'
    """
    if "description" in schema:
        text: str = schema["description"]
        return text
    if "anyOf" in schema:
        kinds = [describe_type(each) for each in schema["anyOf"] if each.get("type") != "null"]
        null = [", or null"] if len(kinds) < len(schema["anyOf"]) else []
        return "".join([" or ".join(kinds), *null])
    if "enum" in schema or "const" in schema:
        choices = [f"`{each}`" for each in schema.get("enum", [schema.get("const")])]
        return " or ".join([", ".join(choices[:-1]), choices[-1]]) if len(choices) > 1 else choices[0]
    names = {"boolean": "true or false", "integer": "a whole number", "number": "a number"}
    if schema["type"] == "string":
        return "a path" if schema.get("format") == "path" else "text"
    return names[schema["type"]] + "".join(_bounds(schema))


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
    """Yields the bounds of a number in words."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        yield f", {low} to {high}"
        return
    if low is not None:
        yield f" of at least {low}"
    if "exclusiveMinimum" in schema:
        yield f" above {schema['exclusiveMinimum']}"
    if high is not None:
        yield f", at most {high}"
    if "exclusiveMaximum" in schema:
        yield f", below {schema['exclusiveMaximum']:,}"
