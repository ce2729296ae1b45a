"""Copies the pages of `docs/`, and what they link to outside of it, to the folder that the site is made from.

Pages are written for a git host, where a link may lead to any file of the repository. In the site such a file
is a page of its own: `CHANGELOG.md` is `changelog.md`, and any other file is shown as it is. What is between
`<!-- site: TEXT -->` and `<!-- /site -->` is replaced by TEXT in the site. The search leaves decisions and
changes out: their titles have the words that users search for, and hid the pages that tell what to do.
"""

import os
import re
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
WEBSITE = DOCS / "website"
CONFIG = WEBSITE / "zensical.toml"
LLMS = DOCS / "llms.txt"

PROJECT_PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "readme.md",
    "SECURITY.md": "reporting_security.md",
}
"""Pages beside `docs/`, with their names in the site."""

_CODE_OR_TARGET = re.compile(
    r"(?P<code>^```.*?^```|`[^`\n]*`|^(?: {4}|\t)[^\n]*$)"
    r"|(?P<before>\]\(|(?:src|href)=\")(?P<target>[^)\s\"]+)",
    re.MULTILINE | re.DOTALL,
)
_DECISIONS = re.compile(r"^ *# build_site.py adds each decision here\.$", re.MULTILINE)
_ONLY_IN_SITE = re.compile(r"^<!-- site: (.*?) -->$.*?^<!-- /site -->$", re.MULTILINE | re.DOTALL)
_NOT_SEARCHED = re.compile(r"decisions/\d.*|changelog\.md")
_LLMS_LINE = re.compile(r"^- \[(?P<title>[^]]+)\]\((?P<path>[^)]+)\): (?P<line>.+)$", re.MULTILINE)


def configuration() -> str:
    """Returns the configuration of the site, with each decision in its navigation."""
    entries = [
        f'      {{ "{page.stem[:4]} {page.stem[5:].replace("-", " ")}" = "decisions/{page.name}" }},'
        for page in sorted((DOCS / "decisions").glob("[0-9]*.md"))
    ]
    text, count = _DECISIONS.subn("\n".join(entries), CONFIG.read_text(encoding="utf-8"))
    if count != 1:
        raise ValueError(f"{CONFIG}: expected one line that says where decisions are added.")
    return text


def pages_in_navigation(entries: list[Any] | None = None) -> Iterator[str]:
    """Yields the pages of the navigation, in its order, by their names in the site.

    Args:
        entries: A part of the navigation; None for all of it.
    """
    if entries is None:
        entries = tomllib.loads(configuration())["project"]["nav"]
    for entry in entries:
        for value in entry.values():
            if isinstance(value, str):
                yield value
            else:
                yield from pages_in_navigation(value)


def described_pages() -> dict[str, str]:
    """Returns what `docs/llms.txt` says about each page, by their names in the site, in its order."""
    found = _LLMS_LINE.finditer(LLMS.read_text(encoding="utf-8"))
    return {PROJECT_PAGES.get(each["path"].removeprefix("../"), each["path"]): each["line"] for each in found}


def change_links(text: str, change: Callable[[str], str]) -> str:
    """Returns the text of a page with other targets of its links; code stays as it is.

    Args:
        text: The page, in Markdown.
        change: Returns the new target of a link, from the old one.

    Example:
        >>> change_links("[a](b.md), `[c](d.md)`", str.upper)
        '[a](B.MD), `[c](d.md)`'
    """

    def replace(found: re.Match[str]) -> str:
        return found["code"] or found["before"] + change(found["target"])

    return _CODE_OR_TARGET.sub(replace, text)


class Stage:
    """The folder that the site is built from.

    Attributes:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shown: dict[Path, str] = {}

    def fill(self) -> None:
        """Writes all pages, their images, the style and the scripts.

        Raises:
            ValueError: If a link leads to a file that does not exist, or out of the repository.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        for source in sorted(DOCS.rglob("*")):
            name = source.relative_to(DOCS)
            if source.is_dir() or name.parts[0] == WEBSITE.name:
                continue
            if source.suffix == ".md" or source == LLMS:
                self._write_page(source, str(name))
            else:
                self._path(str(name)).write_bytes(source.read_bytes())
        for source_name, name_in_site in PROJECT_PAGES.items():
            self._write_page(ROOT / source_name, name_in_site)
        for file in (*WEBSITE.glob("*.css"), *WEBSITE.glob("*.js")):
            self._path(file.name).write_bytes(file.read_bytes())
        for source, shown in self._shown.items():
            text = source.read_text(encoding="utf-8").replace("```", "` ` `")
            language = source.suffix.removeprefix(".")
            title = source.relative_to(ROOT).as_posix()
            self._path(shown).write_text(f"# {title}\n\n```{language}\n{text}```\n", encoding="utf-8")

    def _path(self, name: str) -> Path:
        """Returns the path of a file in the folder, after making the folders above it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _write_page(self, source: Path, name: str) -> None:
        """Writes one page, with the links that its place in the site needs."""
        text = _ONLY_IN_SITE.sub(r"\1", source.read_text(encoding="utf-8"))
        text = change_links(text, lambda target: self._target(source, name, target))
        about = []
        if line := described_pages().get(name):
            quoted = line.replace("\\", "\\\\").replace('"', '\\"')
            about.append(f'description: "{quoted}"\n')
        if _NOT_SEARCHED.fullmatch(name):
            about.append("search:\n  exclude: true\n")
        if about:
            text = f"---\n{''.join(about)}---\n\n{text}"
        self._path(name).write_text(text, encoding="utf-8")

    def _target(self, source: Path, name: str, target: str) -> str:
        """Returns the target in the site of a link of a page."""
        path, hash_sign, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:") or not path:
            return target
        found = (source.parent / path).resolve()
        if not found.is_relative_to(ROOT) or not found.is_file():
            raise ValueError(f"{source.relative_to(ROOT)}: the link {target} leads nowhere. Correct it.")
        return os.path.relpath(self._name(found), Path(name).parent) + hash_sign + anchor

    def _name(self, found: Path) -> str:
        """Returns the name in the site of a file of the repository."""
        if found.is_relative_to(DOCS):
            return found.relative_to(DOCS).as_posix()
        name = found.relative_to(ROOT).as_posix()
        if name in PROJECT_PAGES:
            return PROJECT_PAGES[name]
        if found.suffix == ".md":
            raise ValueError(f"{name}: is not a page of the site. Add it to PROJECT_PAGES in {__file__}.")
        return self._shown.setdefault(found, f"files/{name}.md")
