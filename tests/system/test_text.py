"""Tests of text that is made safe to show."""

import csv
import io
import os
import sys
import unicodedata
import warnings
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from fcn.errors import DataError
from fcn.system import progress
from fcn.system.console import TerminalConsole
from fcn.system.stderr import stderr_held_back
from fcn.system.text import csv_text, print_json, print_lines, print_notice, printable

HOSTILE = "a\x1b]0;title\x07\x1b[31m\x9b2J\x7f\r\b\nError: b\u202e\u2066\u200f\u2028\x85\udcff\0"
SHOWN = r"a\x1b]0;title\x07\x1b[31m\x9b2J\x7f\r\x08\nError: b\u202e\u2066\u200f\u2028\x85\udcff\x00"
# Bidirectional control characters of Unicode (property Bidi_Control).
BIDI = {"\u061c", "\u200e", "\u200f", *map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)])}

texts = st.text(st.characters(codec=None), max_size=40) | st.text(st.sampled_from([*HOSTILE, *"=;+-@\t "]))


def controls(text: str) -> bool:
    return any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") or one in BIDI for one in text)


@pytest.mark.parametrize(
    "numbers",
    [
        [*range(0x3000), *range(0xD7F0, 0xE010), *range(0xFE00, 0x10080), *range(0xE0000, 0xE0200)],
        pytest.param(range(sys.maxunicode + 1), marks=pytest.mark.exhaustive),
    ],
    ids=["some", "all"],
)
def test_every_control_character_is_escaped(numbers: Sequence[int]) -> None:
    characters = [chr(number) for number in numbers]
    assert {one for one in characters if printable(one) != one} == set(filter(controls, characters))
    assert not controls(printable("".join(characters)))
    assert printable(HOSTILE) == SHOWN


def test_text_of_any_script_stays() -> None:
    for text in (
        "naïve straße",
        "道路",
        "\u0645\u06cc\u200c\u062e\u0648",
        "👩\u200d🚒",
        "a\u00a0b\u3000c",
        r"C:\new",
        "",
    ):
        assert printable(text) == text


@given(texts)
def test_what_is_safe_is_unchanged_and_what_was_changed_is_safe(text: str) -> None:
    shown = printable(text)
    assert not controls(shown)
    assert (shown == text) == (not controls(text))
    assert printable(shown) == shown
    shown.encode()


def test_each_line_is_printed_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines(HOSTILE, 1)
    print_notice(DataError(HOSTILE))
    print_json({HOSTILE: HOSTILE})
    output, errors = capsys.readouterr()
    first, second, *document = output.split("\n")
    assert (first, second, errors) == (SHOWN, "1", f"{SHOWN}\n")
    assert len(document) == 4
    assert all(line.isascii() and line.isprintable() for line in document)


def test_cells_titles_and_lines_of_tables_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(HOSTILE, title=HOSTILE, caption=HOSTILE)
    table.add_row(HOSTILE)
    console = TerminalConsole(width=400)
    console.print(table)
    console.print(HOSTILE, "[red]", ":cat:")
    output = capsys.readouterr().out
    assert not controls(output.replace("\n", ""))
    assert output.count(r"\x1b]0;title\x07\x1b[31m\x9b2J\x7f") == 5
    assert "[red] :cat:" in output


def test_the_frame_of_a_table_fits_escaped_cells(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name")
    table.add_row("\x1b" * 9)
    TerminalConsole(width=80).print(table)
    assert len({len(line) for line in capsys.readouterr().out.splitlines()}) == 1


def test_activities_of_progress_bars_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    console = TerminalConsole(file=shown, force_terminal=True, width=300, color_system=None)
    monkeypatch.setattr(progress, "_CONSOLE", console)
    assert list(progress.track([1], "labeling \x1b]0;[red]\x07.mp4")) == [1]
    assert r"labeling \x1b]0;[red]\x07.mp4" in shown.getvalue()
    assert "\x1b]" not in shown.getvalue()


def test_what_native_code_wrote_is_escaped(capfd: pytest.CaptureFixture[str]) -> None:
    with suppress(OSError), stderr_held_back():
        os.write(2, b"layer \x1b[31m\xff\r\nnext line\n")
        raise OSError("wrong")
    assert capfd.readouterr().err == "layer \\x1b[31m\\xff\nnext line\n"


def test_warnings_of_a_library_call_are_escaped() -> None:
    from fcn.evaluation import evaluate

    class Checked:
        evaluation = None
        warnings = (HOSTILE,)

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        patch.setattr(evaluate, "evaluate_and_check", lambda *_, **__: Checked)
        patch.setattr(
            evaluate, "Predictor", type("Predictor", (), {"__init__": lambda self, model, **_: None})
        )
        evaluate.evaluate("model", "root")
    assert [str(one.message) for one in caught] == [SHOWN]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("  =1", "'  =1"),
        ("\u3000=1", "'\u3000=1"),
        ("\uff1d1", "'\uff1d1"),
        ("\t=1", r"\t=1"),
        ("\r=1", r"\r=1"),
        ("\n=1", "'\n'=1"),
        ("a;=1", "a;'=1"),
        ("a\n@1", "a\n'@1"),
        ("a=1", "a=1"),
        ("a-b+c@d", "a-b+c@d"),
        ("a, b", "a, b"),
        ("\x1b[31m", r"\x1b[31m"),
        ("odd\udcff", "odd\udcff"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(text: str, cell: str) -> None:
    assert csv_text(text) == cell


@given(texts)
def test_cells_neither_compute_nor_control_and_are_read_back(text: str) -> None:
    cell = csv_text(text)
    for part in cell.replace("\n", ";").split(";"):
        assert not part.strip().startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20"))
    kept = "".join(one for one in cell if one != "\n" and unicodedata.category(one) != "Cs")
    assert not controls(kept)
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerow([cell, 1])
    assert list(csv.reader(io.StringIO(file.getvalue(), newline=""))) == [[cell, "1"]]
