"""Tests that people can use the pages: on any screen, in light and dark, by keyboard, without motion."""

from itertools import product

import pytest
from accessibility import (
    NARROW,
    PHONE,
    WIDE,
    axe_findings,
    emulate,
    low_contrast,
    open_details,
    tab_through,
    too_wide,
)
from http_server import running_server
from page_browser import RedEngine, open_browser, write_photo
from sample_pages import write_pages

from fcn.report import Progress, write_progress_report
from fcn.runs.model_file import RunFolder

pytestmark = pytest.mark.slow

NAMES = ("background", "pottedplant", "dining table")
OFFLINE = ("report", "unfinished", "worst", "comparison", "inspection", "check", "suspects", "preview")
# Each page on a dark phone, and those with a section of every kind on a wide light screen.
IN_CI = {(name, PHONE, True) for name in (*OFFLINE, "reliability", "demo")}
IN_CI |= {(name, WIDE, False) for name in ("report", "comparison", "inspection", "reliability", "demo")}


def screens(*names):
    """Returns each page on each screen; those that CI leaves out are marked."""
    return pytest.mark.parametrize(
        ("name", "width", "dark"),
        [
            pytest.param(*one, marks=() if one in IN_CI else pytest.mark.exhaustive)
            for one in product(names, (WIDE, PHONE), (False, True))
        ],
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp("downloads")) as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(browser, thin_net, make_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    splits = {"train": ["a", "b"], "val": ["x", "y"]}
    root = make_dataset(folder / "a data set", splits, ((64, 80),), NAMES)
    return write_pages(folder, thin_net(class_names=NAMES), root)


@pytest.fixture(scope="module")
def engine():
    return RedEngine()


@pytest.fixture(scope="module")
def demo(browser, engine, tmp_path_factory):
    """Opens the page of a server, and shows a photograph."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "model").mkdir()
    photo = folder / "photo.jpg"
    write_photo(photo, [[0, 1, 1, 2], [0, 0, 1, 2]], side=40)
    with running_server(folder / "model", engine) as server:

        def show():
            browser.open(server.port)
            browser.until(lambda: len(browser.all(".example img")) == 6)
            browser.show(photo)

        yield show


def opened(browser, pages, name):
    browser.driver.get(pages[name].as_uri())
    open_details(browser.driver)


def test_every_page_is_looked_at(pages):
    assert {*pages} == {*OFFLINE, "reliability"}


@screens(*OFFLINE, "reliability")
def test_everything_fits_and_can_be_read(browser, pages, name, width, dark):
    opened(browser, pages, name)
    emulate(browser.driver, width, dark)
    assert low_contrast(browser.driver) == []
    if name == "reliability":
        return  # a picture, which browsers show as large as it is
    assert too_wide(browser.driver) == []
    emulate(browser.driver, NARROW)
    assert too_wide(browser.driver) == []
    emulate(browser.driver, width, dark)
    assert axe_findings(browser.driver) == []  # at last, since the test is skipped without axe-core


@pytest.mark.parametrize("name", ["report", "check"])
def test_a_phone_shows_names_of_classes_in_one_piece(browser, pages, name):
    emulate(browser.driver, PHONE)
    opened(browser, pages, name)
    lines = browser.driver.execute_script(
        "return Array.from(document.querySelectorAll('.scroll .named > span:last-child'), (name) => {"
        "  const words = document.createRange();"
        "  words.selectNodeContents(name);"
        "  return [name.textContent, words.getClientRects().length];"
        "});"
    )
    assert ["pottedplant", 1] in lines
    assert [name for name, count in lines if count > len(name.split())] == []


@pytest.mark.parametrize("name", OFFLINE)
def test_the_keyboard_reaches_everything_and_leaves_again(browser, pages, name):
    emulate(browser.driver, PHONE)
    opened(browser, pages, name)
    expected, forward, back = tab_through(browser.driver)
    assert [element for element, _ in forward] == expected
    assert [element for element, visible in forward if not visible] == []
    assert [element for element, _ in back] == expected[::-1]


@screens("demo")
def test_everything_fits_and_can_be_read_on_the_page_of_a_server(browser, demo, tmp_path, name, width, dark):
    emulate(browser.driver, width, dark)
    demo()
    open_details(browser.driver)

    assert low_contrast(browser.driver) == []
    assert too_wide(browser.driver) == []
    emulate(browser.driver, NARROW)
    browser.until(lambda: not too_wide(browser.driver))  # the page is told of its width a moment later
    emulate(browser.driver, width, dark)
    (tmp_path / f"{name}.jpg").write_text("no image")
    browser.choose(tmp_path / f"{name}.jpg")
    browser.until(lambda: browser.sees("#error"))  # above the label of the photograph
    assert low_contrast(browser.driver) == []
    assert too_wide(browser.driver) == []
    assert axe_findings(browser.driver) == []


def test_the_keyboard_reaches_everything_on_the_page_of_a_server(browser, demo):
    emulate(browser.driver, WIDE)
    demo()
    expected, forward, back = tab_through(browser.driver)
    assert [element for element, _ in forward] == expected
    assert [element for element, visible in forward if not visible] == []
    assert [element for element, _ in back] == expected[::-1]
    identities = [element.get_attribute("id") for element in expected]
    assert {"file", "view-overlay", "opacity", "stage", "download-label"} <= {*identities}


def test_nothing_moves_for_those_who_want_no_motion(browser, demo, engine, tmp_path):
    demo()
    engine.resumed.clear()
    try:
        write_photo(tmp_path / "slow.png", [[0, 1]])
        browser.choose(tmp_path / "slow.png")
        browser.until(lambda: browser.sees("#waiting"))
        moving = "return document.getAnimations().length"
        emulate(browser.driver, WIDE, prefers_reduced_motion="no-preference")
        assert browser.driver.execute_script(moving) > 0
        emulate(browser.driver, WIDE)
        assert browser.driver.execute_script(moving) == 0
    finally:
        engine.resumed.set()
    browser.until(lambda: not browser.sees("#waiting"))


@pytest.mark.parametrize("name", ["report", "demo"])
def test_colors_with_a_meaning_stay_where_a_reader_chose_the_others(browser, pages, demo, name):
    colors = (
        "const found = document.querySelectorAll('.swatch, .bar i');"
        "return Array.from(found, (one) => getComputedStyle(one).backgroundColor)"
    )
    emulate(browser.driver, WIDE)
    if name == "demo":
        demo()
    else:
        opened(browser, pages, name)
    before = browser.driver.execute_script(colors)
    text = "return getComputedStyle(document.body).color"
    plain = browser.driver.execute_script(text)
    emulate(browser.driver, WIDE, forced_colors="active")
    assert browser.driver.execute_script(text) != plain
    assert browser.driver.execute_script(colors) == before
    assert len({*before}) > 2


def test_an_unfinished_report_reloads_itself_until_its_reader_says_no(browser, tmp_path, monkeypatch):
    monkeypatch.setattr("fcn.report.page.REFRESH_SECONDS", 0.2)
    run = RunFolder(tmp_path)
    shown = "return document.querySelector('.status b')?.textContent"
    click = "const box = document.querySelector('#reload'); box?.click(); return box?.checked"
    is_checked = "return document.querySelector('#reload')?.checked"

    def write(step):
        write_progress_report(run, Progress(step, 10))

    def until_shown(step):
        browser.until(lambda: browser.driver.execute_script(shown) == f"training: step {step} of 10")

    def wait():
        browser.driver.execute_async_script("setTimeout(arguments[0], 500)")

    def stop():
        browser.driver.execute_script(click)
        wait()  # it may have been reloading itself already
        return browser.driver.execute_script(is_checked) is False

    write(3)
    browser.driver.get(run.report.as_uri())
    until_shown(3)
    write(4)
    until_shown(4)
    browser.until(stop)
    write(5)
    wait()
    until_shown(4)
    browser.driver.execute_script(click)
    until_shown(5)
    assert [text for text in browser.complaints() if "Content Security" in text] == []
