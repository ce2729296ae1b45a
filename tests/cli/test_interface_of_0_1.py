"""Tests that commands, options and keys of 0.1 are still there, with the defaults that they had.

`tests/fixtures/interface_0_1.json` was written by a program with the code of 0.1 (commit f92f868). It has
each option with its default, as text, and its choices, and each key of a configuration with its default.
"""

import argparse
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fcn.cli.main import build_parser
from fcn.config import sections
from fcn.config.file import load_config

INTERFACE: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "interface_0_1.json").read_text()
)
OPTIONS = [(command, name) for command, options in INTERFACE["commands"].items() for name in options]
# An argument that may be left out or repeated now, and an option with an optional value.
CHANGED = {("train", "config(pos)"), ("train", "--resume"), ("serve", "model(pos)")}


@cache
def the_parser() -> argparse.ArgumentParser:
    return build_parser()


def option(command: str, name: str) -> argparse.Action:
    """Returns an argument of a command; `FOO(pos)` is the positional one that is called so."""
    parser = the_parser()
    for word in command.split():
        (commands,) = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
        parser = commands.choices[word]
    words = name.removesuffix("(pos)").split("/")
    return next(one for one in parser._actions if words in (one.option_strings, [one.dest]))


@pytest.mark.parametrize(("command", "name"), [one for one in OPTIONS if one not in CHANGED])
def test_an_option_has_its_default_and_choices(command: str, name: str) -> None:
    default, choices = INTERFACE["commands"][command][name]
    found = option(command, name)
    assert str(found.default) == default
    assert set(choices or ()) <= {str(one) for one in found.choices or ()}


def test_what_changed_takes_what_it_took() -> None:
    parser = the_parser()
    options = parser.parse_args(["train", "configs/voc_fcn8s.yaml", "--run", "runs/voc", "--resume"])
    assert str(options.config) == "configs/voc_fcn8s.yaml"
    assert options.resume == ""  # `--resume` without a value, not None
    assert parser.parse_args(["serve", "exported/voc"]).models == [(None, Path("exported/voc"))]


@pytest.mark.parametrize("key", INTERFACE["keys"])
def test_a_key_has_its_default(key: str, tmp_path: Path) -> None:
    section, name = key.split(".")
    if key == "data.input_scale":  # the old name of model.input_scale
        path = tmp_path / "old.yaml"
        path.write_text("data: {root: drawn, input_scale: 0.5}\n")
        assert load_config(path).model.input_scale == 0.5
        section = "model"
    field = getattr(sections, f"{section.capitalize()}Config").model_fields[name]
    assert repr(field.default) == INTERFACE["keys"][key]
