"""How errors that a user can correct are shown where IPython shows them."""

from pathlib import Path

import pytest

from fcn import load_config
from fcn.errors import NOTEBOOK_WIDTH, FcnError, at_words


def read(path: Path) -> None:
    load_config(path)


def test_a_notebook_shows_the_callers_lines_and_the_message_alone(tmp_path: Path) -> None:
    path = tmp_path / ("long-name-" * 20) / "none.yaml"
    with pytest.raises(FcnError) as caught:
        read(path)
    *places, first = caught.value._render_traceback_()[:3]
    assert [place.partition(": ")[2] for place in places] == ["read(path)", "load_config(path)"]
    assert places[1].endswith(" of read: load_config(path)")
    assert first == "ConfigError:"  # the name is too long for its line, and stays whole
    assert f"\n  {path}:" in "\n".join(caught.value._render_traceback_())


def test_lines_are_broken_at_words() -> None:
    short = f"{'  a bc' * 18}"
    assert len(short) == 108
    assert at_words(short) == short
    text = f"  one\n{short}{short}\n\n{'x' * 200}"
    broken = at_words(text).split("\n")
    assert " ".join(" ".join(broken).split()) == " ".join(text.split())
    assert [line for line in broken if len(line) > NOTEBOOK_WIDTH] == ["x" * 200]
    assert (broken[0], broken[3]) == ("  one", "")
    assert broken[2].startswith("  ")
