"""Tests that the pages name files, functions and modules that exist, and that the map shows every room."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
REFERENCES = sorted(set(re.findall(r"`((?:fcn|tests)/[\w/]+\.py)(?::([\w.]+))?`", TEXT)))
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]


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


def is_defined(name: str) -> bool:
    """Returns whether a dotted name is a package, a module, or a name in one of them."""
    path = ROOT.joinpath(*name.split("."))
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    modules = [
        file for file in (path.parent.with_suffix(".py"), path.parent / "__init__.py") if file.is_file()
    ]
    return any(re.search(rf"\b{path.name}\b", file.read_text()) for file in modules if file.is_file())


def test_three_walks_are_found() -> None:
    assert len(REFERENCES) > 40


@pytest.mark.parametrize(("file", "name"), REFERENCES)
def test_what_is_named_exists(file: str, name: str) -> None:
    path = ROOT / file
    assert path.is_file()
    assert not name or name in definitions(path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_files_modules_and_links_of_a_page_exist(page: Path) -> None:
    text = page.read_text()
    files = re.findall(r"\b(?:fcn|tests|benchmarks|configs|deploy|examples|docs)/[\w/]+\.[a-z]+\b", text)
    modules = re.findall(r"`(fcn(?:\.[a-z]\w+)+)", text)
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if ":" not in link]
    missing = [name for name in files if not (ROOT / name).is_file()]
    missing += [name for name in modules if not is_defined(name)]
    missing += [link for link in links if not (page.parent / link).is_file()]
    assert missing == []


def test_every_room_has_its_line() -> None:
    rooms = {path.name for path in (ROOT / "fcn").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms
    assert rooms <= set(re.findall(r"`(\w+)`", TEXT))


def test_few_files_lie_beside_the_rooms() -> None:
    hall = {path.name for path in (ROOT / "fcn").iterdir() if path.is_file()}
    assert hall == {"__init__.py", "__main__.py", "classes.py", "errors.py", "version.py"}
