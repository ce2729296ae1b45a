"""Tests of hostile YAML: aliases that name gigabytes, nesting that overflows the stack, endless files."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fcn.config.bounded_yaml import MAX_BYTES, _parse, parse_yaml
from fcn.config.file import load_config
from fcn.errors import ConfigError


def billion_laughs(levels: int, width: int = 9) -> str:
    """Lists of aliases to lists of aliases: `width ** levels` values in a few hundred bytes."""
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]")
    return "\n".join(lines)


def merged_twice(levels: int) -> str:
    """Mappings that merge the one before twice, which doubles the number of pairs at each level."""
    lines = ["b0: &b0 {x: 1}"]
    for level in range(1, levels):
        lines.append(f"b{level}: &b{level} {{<<: [*b{level - 1}, *b{level - 1}]}}")
    return "\n".join(lines)


VALUES = "has more than 5000 values"
NESTED = "is nested deeper than 20 levels"
ALIASES = "has more than 100 aliases"
LONG = "is longer than 65536 bytes"
HOSTILE = {
    "aliases of aliases": (billion_laughs(8), VALUES),
    "merges of merges": (merged_twice(30), VALUES),
    "a long text again and again": (f"a: &a {'x' * 60_000}\nb: [{'*a, ' * 90}]", VALUES),
    "a long list": (f"a: [{'1, ' * 6000}]", VALUES),
    "more aliases than any configuration": (f"a: &a 1\nb: [{'*a, ' * 101}]", ALIASES),
    "an alias in its own list": ("data: &a [*a]", "inside of the value that it names"),
    "an alias in its own mapping": ("data: &a {root: *a}", "inside of the value that it names"),
    "brackets in brackets": ("data: " + "[" * 5000, NESTED),
    "braces in braces": ("data: " + "{a: " * 5000, NESTED),
    "whole brackets": ("data: " + "[" * 5000 + "]" * 5000, NESTED),
    "indented mappings": ("\n".join(" " * depth + "a:" for depth in range(300)), NESTED),
    "dashes": ("- " * 5000 + "a", NESTED),
    "keys of keys": ("? " * 5000 + "a", NESTED),
    "a large file": ("#" * (MAX_BYTES + 1), LONG),
    "a large file of longer characters": ("#" + "é" * (MAX_BYTES // 2), LONG),
    "an integer without digits": ("data: !!int ''", "is not YAML"),
    "a number without digits": ("data: !!float ''", "is not YAML"),
    "half of a surrogate pair": (r'data: {root: "\ud800"}', "is not YAML"),
    "an integer of 60,000 digits": ("data: 0x" + "f" * 60_000, "is not YAML"),
}


@pytest.mark.parametrize(("content", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_yaml_is_refused_with_the_limit(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("value", ["[" * 100, "&a [*a]", "!!int ''", "[" + "1, " * 6000 + "]"])
def test_a_hostile_override_is_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "recipe.yaml").write_text("data: {root: x}")
    with pytest.raises(ConfigError, match=r"overrides=\[.train\.steps="):
        load_config(tmp_path / "recipe.yaml", [f"train.steps={value}"])


def test_aliases_merges_and_nesting_within_the_limits_are_read(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "data: {root: &name x, train_split: *name}\n"
        "train: &shared {steps: 7, batch_size: &two 2, accumulate: *two}\n"
        "loss: {class_weights: &w [1, 2, 3]}\n"
    )
    config = load_config(path)
    assert (config.data.train_split, config.train.accumulate) == ("x", 2)
    assert parse_yaml(b"a: &a {x: 1}\nb: {<<: *a, y: 2}") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}}
    assert parse_yaml(b"[" * 20 + b"]" * 20) == eval("[" * 20 + "]" * 20)
    assert len(parse_yaml(b"[" + b"1, " * 4000 + b"]")) == 4000
    # The values of one alias count, not all that came before.
    assert parse_yaml(b"a: &a 1\nb: &a 2\nc: *a") == {"a": 1, "b": 2, "c": 2}
    assert parse_yaml(("a: &a [1]\nb: [" + "*a, " * 100 + "]").encode())["b"] == [[1]] * 100


def test_a_text_is_parsed_once_and_each_reading_has_values_of_its_own() -> None:
    text = b"train: {steps: [1, 2]}  # a text of this test alone"
    misses = _parse.cache_info().misses
    first, second = parse_yaml(text), parse_yaml(text)
    assert _parse.cache_info().misses == misses + 1
    first["train"]["steps"].append(3)
    assert parse_yaml(text) == second == {"train": {"steps": [1, 2]}}


def test_class_weights_of_all_classes_are_within_the_limits(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(f"data: {{root: x}}\nloss: {{class_weights: {[1 / 3] * 256}}}\n")
    assert load_config(path).loss.class_weights == (1 / 3,) * 256
    path.write_text(load_config(path).to_yaml())
    assert load_config(path).loss.class_weights == (1 / 3,) * 256


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a file without an end")
def test_a_file_without_an_end_is_not_read_to_its_end() -> None:
    with pytest.raises(ConfigError, match=LONG):
        load_config(Path("/dev/zero"))


PROGRAM = """
import resource, sys
from pathlib import Path
from fcn.config.file import load_config
from fcn.errors import ConfigError
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
for path in sys.argv[1:]:
    try:
        load_config(Path(path))
    except ConfigError as error:
        print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space, as Linux can")
def test_hostile_yaml_needs_little_memory(tmp_path: Path) -> None:
    paths = []
    for index, (content, _) in enumerate(HOSTILE.values()):
        paths.append(tmp_path / f"{index}.yaml")
        paths[-1].write_text(content)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, paths)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    for path, (_, message) in zip(paths, HOSTILE.values(), strict=True):
        assert any(str(path) in line and message in line for line in run.stdout.splitlines())


# Pieces of YAML, so that most of what hypothesis joins means something to the parser.
PIECES = [
    *(
        "&a ",
        "*a",
        "&b ",
        "*b",
        "<<: ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        ": ",
        "- ",
        "? ",
        "\n",
        "  ",
        "a",
        "b",
        "1",
    ),
    *(
        "data",
        "root",
        "train",
        "!!int ",
        "!!float ",
        "!!timestamp ",
        "!!binary ",
        "!!set ",
        "!!omap ",
        "!!map ",
    ),
    *(
        "!!pairs ",
        "!!null ",
        "!!bool ",
        "!!seq ",
        "!!str ",
        "!x ",
        "'",
        '"',
        "|\n",
        ">\n",
        "#",
        "---\n",
        "...\n",
    ),
    *(
        "%YAML 1.1\n",
        "%TAG ! x\n",
        "0x",
        "1e",
        "2001-01-01",
        ".inf",
        ".nan",
        "~",
        "\x00",
        "\ufeff",
        "é",
        "\t",
        "=",
    ),
]
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=60).map("".join)


def fuzz(max_examples: int) -> None:
    @settings(max_examples=max_examples, deadline=None, database=None)
    @given(text=texts)
    @example(text="0001-01-01 00:00:00 +23:59")
    def parses_or_refuses(text: str) -> None:
        # Anything but ValueError would be a traceback.
        with suppress(ValueError):
            parse_yaml(text.encode(errors="surrogatepass"))

    parses_or_refuses()


def test_pieces_of_yaml_are_parsed_or_refused() -> None:
    fuzz(100)


@pytest.mark.exhaustive
def test_10000_texts_of_pieces_of_yaml_are_parsed_or_refused() -> None:
    fuzz(10_000)
