"""Writes the reference of the commands, from the parsers that read their arguments."""

import argparse
import re
from collections.abc import Iterator

from fcn.cli.main import build_parser

_HEAD = """# Every command and its options

Each command is `python -m fcn COMMAND`, or `fcn COMMAND` where the package is installed. `train.py` and
`infer.py` are `fcn train` and `fcn infer`. `fcn COMMAND --help` shows what is below. `--json` prints the
result for programs; progress and messages go to stderr.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | done in part, a loss that is not finite, or an export whose labels differ from its net's |
| 2 | a mistake that you can correct; the message names the remedy |
| 130, 143 | interrupted with Ctrl-C, or told to stop with SIGTERM; what was written so far is intact |
| 141 | the program that reads the output has ended, as `head` does |
"""


def describe_commands() -> str:
    """Returns the page, in Markdown."""
    return _HEAD + "".join(_describe(parser) for parser in _commands(build_parser()))


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yields the parsers of all commands below a parser, in their order."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield command
                yield from _commands(command)


def _describe(parser: argparse.ArgumentParser) -> str:
    """Returns the part of the page about one command."""
    actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    commands = [action for action in actions if isinstance(action, argparse._SubParsersAction)]
    actions = [action for action in actions if action not in commands and action.help != argparse.SUPPRESS]
    text = f"\n## {parser.prog}\n\n{' '.join((parser.description or '').split())}\n"
    if parser.epilog and parser.epilog.startswith("example:"):
        text += f"\n    {parser.epilog.removeprefix('example:').strip()}\n"
    if commands:
        listed = [
            f"[{command.prog}](#{command.prog.replace(' ', '-')})" for command in commands[0].choices.values()
        ]
        text += f"\nCommands: {', '.join(listed)}.\n"
    # What a command needs comes first, what all commands have last.
    actions.sort(key=lambda action: (bool(action.option_strings), action.dest in ("json", "trust")))
    if actions:
        text += "\n| argument | meaning |\n|---|---|\n"
    return text + "".join(f"| {_names(action)} | {_meaning(parser, action)} |\n" for action in actions)


def _names(action: argparse.Action) -> str:
    """Returns how an argument is written."""
    value = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    values = [value] if isinstance(value, str) else list(value)
    if action.nargs == 0:
        values = []
    elif action.nargs == "?":
        values = [f"[{values[0]}]"]
    elif action.nargs in ("*", "+"):
        values = [*values, "..."]
    elif isinstance(action.nargs, int) and len(values) == 1:
        values *= action.nargs
    written = " ".join(values)
    if not action.option_strings:
        return f"`{written}`"
    *others, last = action.option_strings
    return ", ".join([*(f"`{each}`" for each in others), f"`{last} {written}`".replace(" `", "`")])


def _meaning(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Returns the help of an argument, and what it must be."""
    text = (action.help or "") % {**vars(action), "prog": parser.prog}
    if action.choices:
        text += f"; one of {', '.join(f'`{choice}`' for choice in action.choices)}"
    if action.required and action.option_strings:
        text += "; required"
    text = text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return re.sub(r"(?<![\w`-])--[a-z][a-z-]*", r"`\g<0>`", text)
