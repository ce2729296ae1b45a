"""The page about the architecture names files and functions that exist, and every room."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
REFERENCES = sorted(set(re.findall(r"`((?:fcn|tests)/[\w/]+\.py)(?::([\w.]+))?`", TEXT)))


def definitions(path: Path) -> set[str]:
    """Returns the names of the functions and classes of a file, those of methods as `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            members = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
            found |= {f"{node.name}.{member.name}" for member in members}
    return found


def test_three_walks_are_found() -> None:
    assert len(REFERENCES) > 40


@pytest.mark.parametrize(("file", "name"), REFERENCES)
def test_what_is_named_exists(file: str, name: str) -> None:
    path = ROOT / file
    assert path.is_file()
    assert not name or name in definitions(path)


def test_every_room_has_its_line() -> None:
    rooms = {path.name for path in (ROOT / "fcn").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms
    assert rooms <= set(re.findall(r"`(\w+)`", TEXT))


def test_few_files_lie_beside_the_rooms() -> None:
    hall = {path.name for path in (ROOT / "fcn").iterdir() if path.is_file()}
    assert hall == {"__init__.py", "__main__.py", "classes.py", "errors.py", "version.py"}
