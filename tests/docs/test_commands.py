"""Tests that the real parsers take every command of the pages, of recipes and of issue templates."""

import argparse
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from fcn.cli.main import build_parser
from fcn.config.file import load_config
from fcn.config.recipes import find_recipe

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    {*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.*"), *ROOT.glob("*/README.md")}
)
COMMENTED = sorted([*ROOT.glob("configs/*.yaml"), ROOT / "Dockerfile", ROOT / "deploy" / "compose.yaml"])
"""Files that show commands in comments."""
# Settings of the environment and a program, in front of its arguments.
PROGRAM = re.compile(
    r"(?:[A-Z_]+=\S+ )*(?:timeout \d+ )?"
    r"(?:(?:\S*/)?python3? -m fcn|fcn|(?:\S*/)?python3? (?P<script>train|infer)\.py)(?= |$)"
)
# Programs of others, whose arguments no parser of ours checks.
TOOL = re.compile(
    r"(?:sudo |[A-Z_]+=\S+ )*(?:\S*python3? |(?:pipx?|uv|git|make|npm|apt-get|docker|curl|fcn) )"
)
NAMES_PACKAGES = re.compile(r"\b(?:pip|pipx|uv tool|runpip keras-fcn) (?:install|wheel|download) (.*)")
PACKAGE = re.compile(r"\S*/\S*|\.{1,3}|[\w.-]+==[\d.]+|keras-fcn(?:\[[\w,]+\])?(?: @ \S+)?")
FLAGS = (
    "-q",
    "--no-build-isolation",
    "--no-cache-dir",
    "--no-compile",
    "--no-deps",
    "--no-index",
    "--require-hashes",
)
"""Options without a value."""
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
SHELLS = ("", "bash", "sh", "shell", "console")
PLACEHOLDER = re.compile(r"=[A-Z_]+$")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def code_blocks(text: str) -> Iterator[str]:
    """Yields the blocks of a page that may show commands: fenced for a shell, or indented."""
    yield from (block for language, block in FENCE.findall(text) if language in SHELLS)
    yield from re.findall(r"(?:^ {4}.*\n)+", FENCE.sub("", text), re.MULTILINE)


def commands(block: str) -> Iterator[list[str]]:
    """Yields the arguments of each command of this package in a block, split as a shell splits them."""
    for line in re.sub(r"\\\n\s*(?:# *)?", "", block).splitlines():
        for part in re.split(r" \| | && ", line.strip()):
            if found := PROGRAM.match(part):
                words = shlex.split(re.split(r" (?:\d?>|<)", part[found.end() :])[0], comments=True)
                yield [found["script"], *words] if found["script"] else words


def stray_words(block: str) -> Iterator[str]:
    """Yields lines whose words behind a command would be arguments: packages to install, for example."""
    for line in re.sub(r"\\\n\s*(?:# *)?", "", block).splitlines():
        line = line.strip()
        if TOOL.match(line) is None:
            continue
        named = NAMES_PACKAGES.search(line)
        words = shlex.split(named[1], comments=True) if named else []
        packages = [
            word
            for before, word in zip(["", *words], words, strict=False)
            if not word.startswith("-") and (before in FLAGS or not before.startswith("-"))
        ]
        if re.search(r"\S {2,}(?!#)\S", line) or not all(map(PACKAGE.fullmatch, packages)):
            yield line


def shown(page: Path) -> list[list[str]]:
    """Returns the arguments of all commands that a page shows."""
    text = page.read_text()
    if page in COMMENTED:
        comments = re.sub(r"^\s*# ?", "", "\n".join(re.findall(r"^\s*#.*$", text, re.M)), flags=re.M)
        return [*commands(re.sub(r"^[A-Z][a-z]+: +", "", comments, flags=re.M))]
    return [command for block in code_blocks(text) for command in commands(block)]


@cache
def parser() -> argparse.ArgumentParser:
    return build_parser()


def parsers(
    command: argparse.ArgumentParser, name: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yields each command with its name, `data check` and the like included."""
    yield name, command
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, child in action.choices.items():
                yield from parsers(child, f"{name} {word}".strip())


ALL = dict(parsers(build_parser()))
SHOWN = [(page, command) for page in (*PAGES, *COMMENTED) for command in shown(page)]


def test_commands_are_found() -> None:
    assert len(SHOWN) > 60
    assert {command[0] for _, command in SHOWN} > {"train", "infer", "data", "plan", "serve", "weights"}


def test_commands_are_read_as_a_shell_reads_them() -> None:
    block = (
        "KERAS_BACKEND=jax python train.py a.yaml --set 'a.b=[1, 2]' \\\n      --run r  # why\n"
        "find . | python infer.py m - --output o > log\n"
        "cd x && fcn weights && ls\npython other.py\n"
    )
    assert [*commands(block)] == [
        ["train", "a.yaml", "--set", "a.b=[1, 2]", "--run", "r"],
        ["infer", "m", "-", "--output", "o"],
        ["weights"],
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_words_behind_a_command_are_comments(page: Path) -> None:
    found = [line for block in code_blocks(page.read_text()) for line in stray_words(block)]
    assert found == [], "a shell takes these words as arguments: put them behind #"


@pytest.mark.parametrize(
    "line",
    [
        "python -m pip wheel --wheel-dir dist .        in the checkout",
        "pip install 'keras-fcn[serve]' in a checkout",
        "uv tool install dist/keras_fcn-0.2.0-py3-none-any.whl or with uv",
        "pipx install dist/keras_fcn-0.2.0-py3-none-any.whl   or with pipx",
        "git clone ADDRESS   once",
    ],
)
def test_words_behind_a_command_are_found(line: str) -> None:
    assert [*stray_words(f"{line}\n")] == [line]
    words = line.replace(" in ", " # in ").replace(" or ", " # or ").replace(" once", " # once")
    assert [*stray_words(f"{words}\n")] == []


@pytest.mark.parametrize(
    ("page", "command"), SHOWN, ids=[f"{page.name}-{' '.join(words)}" for page, words in SHOWN]
)
def test_a_command_parses(page: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        options = parser().parse_args(command)
    except SystemExit as stopped:
        if stopped.code:
            pytest.fail(f"{page.relative_to(ROOT)}: {capsys.readouterr().err}")
        return  # `--help` and `--version`
    if command[0] == "train" and options.config:
        file = find_recipe(options.config) or ROOT / options.config
        assert file.is_file() or options.config.parts[0] != "configs", "no such recipe"
        if file.is_file():
            load_config(file, [one for one in options.set if not PLACEHOLDER.search(one)])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_sentences_have_their_options(page: Path) -> None:
    for span in re.findall(r"`((?:python -m )?fcn [^`]*|python (?:train|infer)\.py[^`]*)`", page.read_text()):
        words = re.sub(r"^(python -m )?fcn |^python |(?<=train)\.py|(?<=infer)\.py", "", span).split()
        if words[0].isupper():  # "fcn COMMAND --help"
            continue
        lengths = (0,) if words[0].startswith("--") else (2, 1)
        known = [words[:count] for count in lengths if " ".join(words[:count]) in ALL]
        assert known, f"{page.name}: {span}"
        options = ALL[" ".join(known[0])]._option_string_actions
        assert set(OPTION.findall(span)) <= {*options}, f"{page.name}: {span}"
