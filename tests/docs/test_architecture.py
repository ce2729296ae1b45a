"""Tests that the pages name files, functions and modules that exist, and that the map shows every folder."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "fcn"
TEXT = (ROOT / "docs" / "architecture.md").read_text()
# The map has a row for each folder: number of the layer, folder, contents.
ROW = re.compile(r"^\| (\d+) \| `(\w+)` \| (.*) \|$", re.MULTILINE)
MAP = ROW.findall(TEXT)
# `file.py`, `file.py:name`, `:name` in the file named before it, or `folder/`.
REFERENCE = re.compile(r"([\w./-]+(?:\.py|/))?(?::([A-Za-z_][\w.]*))?")


def references(text: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Yields what a part of the page names: a path, relative to the root, and a name in that file or ""."""
    path = ""
    for code in re.findall(r"`([^`]+)`", text):
        if found := REFERENCE.fullmatch(code):
            if found[1]:
                # What is not in the package lies beside it.
                place = folder / found[1] if (folder / found[1]).exists() else ROOT / found[1]
                path = str(place.relative_to(ROOT))
            yield path, found[2] or ""


REFERENCES = sorted(
    {one for _, folder, contents in MAP for one in references(contents, PACKAGE / folder)}
    | set(references(ROW.sub("", TEXT), PACKAGE))
)
PAGES = [
    *(
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "benchmarks/README.md")
    ),
    *sorted((ROOT / "docs").rglob("*.md")),
]


def definitions(path: Path) -> set[str]:
    """Returns the names of the functions, classes and constants of a file; of methods, `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        for target in [*getattr(node, "targets", ()), getattr(node, "target", None)]:
            found |= {target.id} if isinstance(target, ast.Name) else set()
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


def test_index_and_walks_are_found() -> None:
    assert len([name for _, name in REFERENCES if name]) > 100


@pytest.mark.parametrize(("path", "name"), REFERENCES)
def test_what_is_named_exists(path: str, name: str) -> None:
    assert (ROOT / path).is_file() if path.endswith(".py") else (ROOT / path).is_dir()
    assert not name or name in definitions(ROOT / path)


def test_a_name_alone_is_in_the_file_before_it() -> None:
    text = "`cli/main.py:main`, `--set`, `:COMMANDS`; `train.py`"
    assert list(references(text, PACKAGE)) == [
        ("fcn/cli/main.py", "main"),
        ("fcn/cli/main.py", "COMMANDS"),
        ("train.py", ""),
    ]


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


def test_map_shows_every_folder() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders
    assert sorted(folder for _, folder, _ in MAP) == sorted(folders)


def test_map_shows_the_layers_of_the_linter() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    layers = [layer.split(" | ") for layer in tool["importlinter"]["contracts"][0]["layers"]]
    shown: dict[int, list[str]] = {}
    for number, folder, _ in MAP:
        shown.setdefault(int(number), []).append(folder)
    assert list(shown) == list(range(1, len(shown) + 1))
    assert list(shown.values()) == [layer for layer in layers if (PACKAGE / layer[0]).is_dir()]


def test_few_files_lie_beside_the_folders() -> None:
    beside = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert beside == {"__init__.py", "__main__.py", "classes.py", "errors.py", "py.typed", "version.py"}
