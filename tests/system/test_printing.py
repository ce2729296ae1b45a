"""Tests that nothing in the package prints text that is not made safe to show.

Each finding is a place that prints, or makes text for a terminal or a spreadsheet. `REVIEWED` has the places
that may: those that make text safe, and those whose text is all ours or all numbers.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcn import errors

ROOT = Path(__file__).parents[2]
ERRORS = {name for name in vars(errors) if name.endswith("Error")}
LOGGING = "logging"

REVIEWED = {
    # These make text safe.
    ("fcn/system/text.py", "print"): 4,
    ("fcn/cli/start.py", "print"): 1,
    ("fcn/system/console.py", "rich.console.Console"): 1,
    ("fcn/system/console.py", "rich.text.Text"): 1,  # a type
    ("fcn/system/progress.py", "rich.text.Text"): 1,
    ("fcn/system/stderr.py", "os.write"): 1,
    ("fcn/outputs/areas.py", "csv.writer"): 1,
    ("fcn/report/details.py", "csv.writer"): 1,
    ("fcn/suspects/table.py", "csv.DictWriter"): 1,  # names and paths go through csv_text
    # The formatter of the server's log writes ASCII alone.
    ("fcn/server/observability/logs.py", LOGGING): 1,
    ("fcn/server/grpc/calls.py", LOGGING): 1,
    ("fcn/server/listening.py", LOGGING): 1,
    ("fcn/server/middleware.py", LOGGING): 1,
    ("fcn/server/load_retries.py", LOGGING): 1,
    ("fcn/server/version_folder.py", LOGGING): 1,
    ("fcn/server/versions.py", LOGGING): 1,
    ("fcn/cli/serve.py", LOGGING): 1,
    ("fcn/cli/serve_models.py", LOGGING): 1,
    # These make other packages quiet.
    ("fcn/jobs/ray/cluster.py", LOGGING): 1,
    ("fcn/exports/formats/quantization.py", LOGGING): 1,
    # Numbers alone, and texts of our own.
    ("fcn/comparison/text.py", "rich.text.Text"): 1,
    ("fcn/exports/plain_program.py", "sys.exit"): 1,
    ("fcn/system/progress.py", "rich.progress.TextColumn"): 1,  # a type
    ("fcn/training/callbacks.py", "rich.progress.TextColumn"): 1,
    ("fcn/training/log.py", "csv.DictWriter"): 2,
    ("fcn/training/lock.py", "os.write"): 1,  # to a file: a process and the name of this machine
}

WRITERS = {"os.write", "csv.writer", "csv.DictWriter"}
TYPES = {"rich.console.Console", "rich.text.Text", "rich.progress.TextColumn"}
STREAMS = ("sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__")
PRINTING_MODULES = {LOGGING, "pprint", "tqdm", "click"}


def full_name(node: ast.expr, names: dict[str, str]) -> str:
    """Returns the dotted name of an expression, as it was imported; "" for anything else."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{full_name(node.value, names)}.{node.attr}"
    return ""


def find_prints(source: str) -> Iterator[str]:
    """Yields a name for each place in a source that prints or makes text for a terminal or spreadsheet."""
    nodes = list(ast.walk(ast.parse(source)))
    names: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {one.asname or one.name: one.name for one in node.names}
            yield from (one.name for one in node.names if one.name.partition(".")[0] in PRINTING_MODULES)
        if isinstance(node, ast.ImportFrom):
            found = {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
            names |= found
            yield from (name for name in found.values() if name in TYPES)
            if (node.module or "").partition(".")[0] in PRINTING_MODULES:
                yield str(node.module)
    for node in nodes:
        if isinstance(node, ast.Call):
            yield from _judge(node, full_name(node.func, names), names)


def _judge(call: ast.Call, name: str, names: dict[str, str]) -> Iterator[str]:
    stream, _, method = name.rpartition(".")
    prints = name in ("print", "rich.print", "sys.displayhook", *WRITERS) or name.startswith(
        "traceback.print"
    )
    writes = method in ("write", "writelines") and stream.removesuffix(".buffer") in STREAMS
    summarizes = method == "summary" and not any(one.arg == "print_fn" for one in call.keywords)
    if prints or writes or summarizes:
        yield name
    elif name in ("warnings.warn", "warnings.warn_explicit"):
        first = call.args[0] if call.args else None
        if not (isinstance(first, ast.Call) and full_name(first.func, names).endswith(".printable")):
            yield name
    elif name in ("sys.exit", "SystemExit", "exit", "quit"):
        if any(map(_has_text, call.args)):
            yield name
    elif name.rpartition(".")[2] in ERRORS and any("\n" in text for text in _texts(call)):
        yield f"line feed in {name.rpartition('.')[2]}"  # each line is an argument


def _texts(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value


def _has_text(node: ast.AST) -> bool:
    return any(_texts(node))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("print(name)", ["print"]),
        ("import sys; sys.stderr.write(name)", ["sys.stderr.write"]),
        ("from sys import stdout as o; o.buffer.write(name)", ["sys.stdout.buffer.write"]),
        ("import os as s; s.write(2, name)", ["os.write"]),
        ("from os import write; write(2, name)", ["os.write"]),
        ("import warnings; warnings.warn(f'{name}')", ["warnings.warn"]),
        ("from fcn.system.text import printable; import warnings; warnings.warn(printable(name))", []),
        ("from rich.console import Console", ["rich.console.Console"]),
        ("from rich import print\nprint(name)", ["rich.print"]),
        ("import logging as l", ["logging"]),
        ("from logging import getLogger", ["logging"]),
        ("import traceback; traceback.print_exc()", ["traceback.print_exc"]),
        ("import sys; sys.exit(f'{name}: wrong')", ["sys.exit"]),
        ("import sys; sys.exit(128 + number)", []),
        ("raise SystemExit(code)", []),
        ("model.summary()", ["model.summary"]),
        ("raise DataError(f'{path}: wrong\\nnext')", ["line feed in DataError"]),
        ("raise DataError('\\n'.join(lines))", ["line feed in DataError"]),
        ("raise DataError(*lines)", []),
        ("import csv; csv.writer(file)", ["csv.writer"]),
        ("'print(name)'; file.write(name)", []),
    ],
)
def test_places_that_print_are_found(source: str, found: list[str]) -> None:
    assert list(find_prints(source)) == found


def test_all_text_is_made_safe_before_it_is_printed() -> None:
    found: dict[tuple[str, str], int] = {}
    for path in (*sorted((ROOT / "fcn").rglob("*.py")), ROOT / "train.py", ROOT / "infer.py"):
        for name in find_prints(path.read_text(encoding="utf-8")):
            place = path.relative_to(ROOT).as_posix(), name
            found[place] = found.get(place, 0) + 1
    assert found == REVIEWED
