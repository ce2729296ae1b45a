"""The help of the commands on a terminal of 80 columns."""

import io
from contextlib import redirect_stdout

import pytest

from fcn.cli.main import main

WIDTH = 80
TWO_SCREENS = 100


def help_lines(command: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("LINES", "50")
    with redirect_stdout(io.StringIO()) as shown, pytest.raises(SystemExit):
        main([*command, "--help"])
    return shown.getvalue().splitlines()


def test_the_help_of_infer_fits_two_screens(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = help_lines(["infer"], monkeypatch)
    assert "--max-megapixels" in "".join(lines)
    assert len(lines) <= TWO_SCREENS


@pytest.mark.parametrize(
    "command",
    [
        *([name] for name in ("train", "evaluate", "infer", "export", "serve", "import", "convolutionalize")),
        *([name] for name in ("inspect", "compare", "plan", "suggest", "doctor", "data", "weights")),
        *(["data", name] for name in ("generate", "download", "splits", "preview", "check", "suspects")),
        *(["data", name] for name in ("import", "export")),
        *(["weights", name] for name in ("get", "verify", "remove")),
    ],
    ids=" ".join,
)
def test_no_line_is_wider_than_the_terminal(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = help_lines(command, monkeypatch)
    assert lines[0].startswith(f"usage: fcn {' '.join(command)}")
    # Examples are in one line each, to be copied.
    assert [line for line in lines if len(line) > WIDTH and not line.startswith("  python -m ")] == []
