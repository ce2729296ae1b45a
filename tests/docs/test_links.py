"""Links of pages to files and headings of this repository, and the length of README."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks" / "README.md")


def anchors(page: Path) -> set[str]:
    """Returns the anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(), flags=re.M | re.S)
    targets = [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r"""(?:src|href)="([^"]+)""", text)]
    for target in targets:
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.is_relative_to(ROOT), target
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= 950


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_no_line_is_longer_than_editors_show(name: str) -> None:
    assert max(map(len, (ROOT / name).read_text().splitlines())) <= 120


def test_the_address_to_clone_is_a_placeholder_that_anyone_sees() -> None:
    (address,) = re.findall(r"git clone (\S+)", (ROOT / "README.md").read_text())
    assert "example.org" in address
    assert "REPLACE" in address


def test_each_page_is_found_from_the_readme() -> None:
    linked = set(re.findall(r"\]\(docs/([\w/]+\.md)", (ROOT / "README.md").read_text()))
    assert {page.name for page in ROOT.glob("docs/*.md")} <= {name for name in linked if "/" not in name}
