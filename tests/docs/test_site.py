"""The documentation site: its list of pages, and the site itself where `make docs` has built it."""

import re
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import stage_pages
from accessibility import PHONE, WIDE, axe_findings, emulate
from build_site import foreign_resources
from page_browser import open_browser
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from stage_pages import Stage, configuration, described_pages, pages_in_navigation

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SITE = ROOT / "site"
PAGES = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
NAVIGATION = list(pages_in_navigation())
BESIDE = {"readme.md", "changelog.md", "contributing.md", "reporting_security.md"}
"""Pages beside `docs/`, as the site calls them."""


def test_each_page_is_once_in_the_navigation() -> None:
    assert sorted(NAVIGATION) == sorted(PAGES | BESIDE)


def test_llms_txt_lists_each_page_with_a_line() -> None:
    # It names the list of the decisions, not each of them.
    listed = [name for name in NAVIGATION if not re.match(r"decisions/\d", name)]
    assert list(described_pages()) == listed


def test_a_list_begins_after_an_empty_line() -> None:
    # A git host takes a list without one, the site a paragraph.
    for name in (*sorted(PAGES), "../README.md", "../CHANGELOG.md", "../CONTRIBUTING.md"):
        text = re.sub(r"^```.*?^```", "", (DOCS / name).read_text(), flags=re.M | re.S)
        before = ""
        for line in text.splitlines():
            begins = re.match(r"([-*]|\d+\.) \S", line)
            assert not begins or not before or re.match(r"([-*]|\d+\.) |  ", before), f"{name}: {line}"
            before = line


def test_links_lead_to_pages_of_the_site(tmp_path: Path) -> None:
    Stage(tmp_path).fill()
    assert "(changelog.md)" in (tmp_path / "upgrading.md").read_text()
    assert "(../architecture.md)" in (tmp_path / "decisions" / "0024-rooms.md").read_text()
    assert "(own_labels.md)" in (tmp_path / "readme.md").read_text()
    assert "(files/fcn/training/__init__.py.md)" in (tmp_path / "architecture.md").read_text()
    shown = (tmp_path / "files" / "fcn" / "training" / "__init__.py.md").read_text()
    assert (ROOT / "fcn" / "training" / "__init__.py").read_text() in shown


def test_the_search_leaves_out_decisions_but_not_their_list(tmp_path: Path) -> None:
    Stage(tmp_path).fill()
    excluded = {
        page.relative_to(tmp_path).as_posix()
        for page in tmp_path.rglob("*.md")
        if re.match(r"---\n(?:description: .*\n)?search:\n  exclude: true\n---\n", page.read_text())
    }
    decisions = {name for name in NAVIGATION if re.match(r"decisions/\d", name)}
    assert excluded == decisions | {"changelog.md"}


@pytest.mark.parametrize("target", ["missing.md", "../missing.yaml", "../../outside.md"])
def test_a_link_that_leads_nowhere_is_refused(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = tmp_path / "repository" / "docs"
    docs.mkdir(parents=True)
    (docs / "index.md").write_text(f"[a]({target})")
    (tmp_path / "outside.md").touch()
    monkeypatch.setattr(stage_pages, "DOCS", docs)
    monkeypatch.setattr(stage_pages, "ROOT", docs.parent)
    with pytest.raises(ValueError, match=rf"docs/index\.md: the link {re.escape(target)} leads nowhere"):
        Stage(tmp_path / "stage").fill()


def test_what_a_page_would_load_from_another_host_is_found() -> None:
    loads = [
        '<script async src="https://a.example/1.js"></script>',
        "<link rel=stylesheet href=//a.example/2.css>",
        "<style>@font-face { src: url(https://a.example/3.woff2) }</style>",
        '<img alt="" src="http://a.example/4.png">',
    ]
    assert len(foreign_resources("".join(loads))) == 4
    assert foreign_resources('<a href="https://a.example/"><img src="a.png"><link href="b.css">') == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a](#a-heading)", "No issues found"),
        ("[a](missing.md)", "page does not exist"),
        ("[a](#missing)", "anchor does not exist"),
    ],
)
def test_a_strict_build_refuses_links_that_lead_nowhere(text: str, said: str, tmp_path: Path) -> None:
    python = ROOT / ".venv-docs" / "bin" / "python"
    if not python.exists():
        pytest.skip("needs Zensical: make docs")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# A heading\n\n{text}\n")
    config = re.sub(
        r"^nav = \[.*?^\]$|^\[project.plugins.mkdoc.*?(?=^\[)", "", configuration(), flags=re.M | re.S
    )
    (tmp_path / "zensical.toml").write_text(config)
    done = subprocess.run(
        [python, "-m", "zensical", "build", "--strict"], cwd=tmp_path, capture_output=True, text=True
    )
    assert said in done.stdout + done.stderr
    assert (done.returncode == 0) == (said == "No issues found")


# The site that `make docs` has built, in a browser.


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory):
    if not SITE.is_dir():
        pytest.skip("needs the site: make docs")
    with open_browser(tmp_path_factory.mktemp("downloads")) as page:
        yield page.driver


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SITE))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def in_search(browser, selector: str):
    """Returns an element of the search, which is in a shadow root; None if it is not there yet."""
    return browser.execute_script(
        "return [...document.querySelectorAll('*')]"
        ".map((one) => one.shadowRoot?.querySelector(arguments[0])).find((found) => found)",
        selector,
    )


@pytest.mark.slow
@pytest.mark.parametrize("page", ["index.html", "decisions/0001-dependencies.html"])
@pytest.mark.parametrize("place", ["folder", "server"])
def test_search_finds_a_page_from_a_folder_and_from_a_server(
    browser, address: str, place: str, page: str
) -> None:
    base = address if place == "server" else SITE.as_uri()
    browser.get(f"{base}/{page}")
    wait = WebDriverWait(browser, 20, 0.05)
    browser.find_element(By.CSS_SELECTOR, ".md-search__button").click()
    wait.until(lambda _: in_search(browser, "input")).send_keys("receptive field")
    wait.until(lambda _: in_search(browser, "ol a[href*='inspecting.html']")).click()
    wait.until(lambda _: "inspecting.html" in browser.current_url)
    loaded = browser.execute_script(
        "return [...performance.getEntriesByType('resource').map((one) => one.name), "
        "...[...document.querySelectorAll('[src], link')].map((one) => one.src ?? one.href)]"
    )
    assert f"{base}/style.css" in loaded
    assert [name for name in loaded if not name.startswith(base)] == []
    severe = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []


@pytest.mark.slow
@pytest.mark.parametrize("page", ["index.html", "installing.html"])
def test_a_page_fits_a_phone(browser, page: str) -> None:
    emulate(browser, PHONE)
    browser.get(f"{SITE.as_uri()}/{page}")
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def open_page(browser, page: str, width: int, dark: bool = False) -> None:
    """Opens a page of the site and waits until the theme and our script have done their parts."""
    emulate(browser, width, dark)
    browser.get(f"{SITE.as_uri()}/{page}")
    done = (
        "const code = document.querySelector('.md-typeset pre > code');"
        "const buttons = [...document.querySelectorAll('.md-code__nav')];"
        "return (!code || buttons.length > 0) && buttons.every((one) => one.role === 'none')"
    )
    WebDriverWait(browser, 60, 0.05).until(lambda _: browser.execute_script(done))
    browser.set_script_timeout(100)  # axe-core takes a second of CPU in long pages
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "width", "dark"),
    [
        ("index.html", PHONE, True),
        ("readme.html", WIDE, False),
        ("readme.html", PHONE, True),
        ("training.html", WIDE, True),
        ("decisions/index.html", WIDE, False),
        ("tutorials/own_labels.html", PHONE, False),
    ],
)
def test_axe_core_finds_nothing_in_a_page(browser, page: str, width: int, dark: bool) -> None:
    open_page(browser, page, width, dark)
    assert axe_findings(browser) == []


@pytest.mark.slow
def test_the_keyboard_scrolls_code_that_is_wider_than_its_box(browser) -> None:
    open_page(browser, "readme.html", WIDE)
    code = browser.find_element(By.CSS_SELECTOR, ".md-typeset pre > code")
    assert code.get_attribute("tabindex") is None
    emulate(browser, PHONE)
    wait = WebDriverWait(browser, 60, 0.05)
    wait.until(lambda _: code.get_attribute("tabindex") == "0")

    def scroll(_) -> bool:
        code.send_keys(Keys.ARROW_RIGHT)
        return browser.execute_script("return arguments[0].scrollLeft > 0", code)

    wait.until(scroll)
    style = "const style = getComputedStyle(arguments[0]); return style.outlineStyle + style.outlineWidth"
    assert browser.execute_script(style, code) == "solid2px"
    emulate(browser, WIDE)
    wait.until(lambda _: code.get_attribute("tabindex") is None)
