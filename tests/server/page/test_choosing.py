"""From a file to its label and back to files, and what is said where that fails."""

import base64
import json
import threading
import time
import urllib.request

import cv2
import numpy as np
import pytest
from http_server import running_server, wait_until
from page_browser import RedEngine, write_photo
from selenium.webdriver import Keys

from fcn.data.image_io import encode_png
from fcn.runs.arrival import write_file_sizes
from fcn.server.app import ServerSettings

pytestmark = pytest.mark.slow

LABEL = ((0, 1), (2, 0))
DROP = """
const bytes = Uint8Array.from(atob(given[1]), (character) => character.charCodeAt(0));
const files = new DataTransfer();
files.items.add(new File([bytes], given[2], { type: "image/png" }));
const options = { bubbles: true, cancelable: true, dataTransfer: files, clipboardData: files };
const event = given[0] === "paste" ? new ClipboardEvent("paste", options) : new DragEvent("drop", options);
document.body.dispatchEvent(event);
return event.defaultPrevented;
"""


@pytest.fixture
def photo(tmp_path):
    write_photo(tmp_path / "street.png", LABEL)
    return tmp_path / "street.png"


def post(server, path, data):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/v1/models/fcn{path}", data) as answer:
        return answer.read()


def message(page):
    page.until(lambda: page.sees("#error .message"))
    return page.text("#error .message")


def test_a_photograph_can_be_dropped_and_pasted(page, photo):
    data = base64.b64encode(photo.read_bytes()).decode()
    assert page.run(DROP, "drop", data, "dropped.png") is True
    page.until(lambda: page.text("#title") == "dropped.png")
    page.run(DROP, "paste", data, "pasted.png")
    page.until(lambda: page.text("#title") == "pasted.png")
    page.run(
        "const event = new DragEvent('drop', { bubbles: true, dataTransfer: new DataTransfer() });"
        "document.body.dispatchEvent(event);"
    )
    assert "did not drop a file" in message(page)


def test_nothing_is_asked_of_others(page, photo, server):
    page.until(lambda: len(page.all(".example img")) == 6)
    page.all(".example")[2].click()
    page.until(lambda: page.sees("#result"))
    page.show(photo)
    names = page.run("return performance.getEntries().map((entry) => entry.name)")
    addresses = [name for name in names if ":" in name]
    assert len(addresses) > 10
    own = (f"http://127.0.0.1:{server.port}/", f"blob:http://127.0.0.1:{server.port}/")
    assert [address for address in addresses if not address.startswith(own)] == []
    assert page.complaints() == []


def test_downloads_are_what_the_server_answers(page, photo, server, downloads):
    page.show(photo)
    for output, name in (
        ("label", "street.png"),
        ("overlay", "street.overlay.jpg"),
        ("polygons", "street.coco.json"),
    ):
        page.find(f"#download-{output}").click()
        wait_until((downloads / name).exists)
        expected = post(server, f":segment?output={output}", photo.read_bytes())
        wait_until(lambda name=name, expected=expected: len((downloads / name).read_bytes()) == len(expected))
        assert (downloads / name).read_bytes() == expected
    # The background is no category of COCO.
    assert len(json.loads((downloads / "street.coco.json").read_bytes())["annotations"]) == 2


def test_times_are_told(page, photo):
    page.show(photo)
    facts = dict(row.text.split("\n") for row in page.all("#facts div"))
    parts = [facts[name] for name in ("Decoding", "Queue and engine", "Encoding", "Network and other")]
    seconds = [
        float(text.split()[0]) * {"ms": 1e-3, "s": 1}[text.split()[1]] for text in (*parts, facts["Total"])
    ]
    assert sum(seconds[:-1]) == pytest.approx(seconds[-1], abs=3e-3)
    assert facts["Engine"] == "held float32"
    assert page.text("#model") == "Model fcn, version 1, held float32, 3 classes"


@pytest.mark.parametrize(
    ("name", "content", "said", "told"),
    [
        (
            "notes.txt",
            b"no photograph",
            "could not be read as an image",
            "JPEG, PNG, BMP, WebP, TIFF, GIF, AVIF, HEIC, JPEG 2000 or PNM",
        ),
        (
            "heavy.png",
            bytes(1_250_000),
            "too large for this server",
            "heavy.png has 1.2 MB; the server accepts at most 0.5 MB",
        ),
        (
            "vast.png",
            encode_png(np.zeros((3000, 4001, 3), np.uint8)),
            "too large for this server",
            "12000000 pixels",
        ),
    ],
)
def test_what_is_refused_is_told_and_the_last_picture_stays(page, photo, tmp_path, name, content, said, told):
    page.show(photo)
    picture = page.canvas()
    (tmp_path / name).write_bytes(content)
    page.choose(tmp_path / name)
    assert said in message(page)
    assert told in page.text("#error .detail")
    assert not page.sees("#again")
    assert page.text("#title") == "street.png"
    np.testing.assert_array_equal(page.canvas(), picture)
    page.show(photo)
    assert not page.sees("#error")


def test_a_busy_server_is_asked_again(page, photo, server, engine):
    engine.resumed.clear()
    other = threading.Thread(target=post, args=(server, ":segment", photo.read_bytes()))
    other.start()
    wait_until(lambda: server.queue() == 1)
    page.choose(photo)
    assert message(page) == "The server is busy. Try again in 1 second."
    engine.resumed.set()
    other.join(20)
    page.find("#again").click()
    page.until(lambda: page.text("#title") == "street.png")


def test_waiting_is_seen_and_can_be_canceled(page, photo, server, engine):
    engine.resumed.clear()
    page.choose(photo)
    page.until(lambda: page.sees("#waiting") and page.text("#doing") == "Labeling street.png…")
    wait_until(lambda: server.queue() == 1)
    time.sleep(1.1)  # who closes a connection sooner may only have said that nothing more is sent
    page.find("#cancel").click()
    assert not page.sees("#waiting")
    assert not page.sees("#error")
    wait_until(lambda: server.queue() == 0)  # a place is free again
    engine.resumed.set()
    assert not page.sees("#result")
    page.show(photo)


def test_the_last_choice_counts(page, photo, tmp_path, engine):
    write_photo(tmp_path / "first.png", ((1,),))
    engine.resumed.clear()
    page.choose(tmp_path / "first.png")
    page.until(lambda: page.text("#doing") == "Labeling first.png…")
    page.choose(photo)
    engine.resumed.set()
    page.until(lambda: page.text("#title") or page.sees("#error"))
    if page.sees("#error"):  # the place of the first one was not free yet
        page.find("#again").click()
    page.until(lambda: page.text("#title") == "street.png")
    assert len(page.all("#legend li")) == 3


def test_a_server_that_is_gone_is_told(browser, photo, tmp_path):
    with running_server(tmp_path, RedEngine()) as server:
        browser.open(server.port)
        browser.show(photo)
    browser.find("#download-overlay").click()
    assert "cannot be reached" in message(browser)
    assert browser.sees("#again")
    browser.choose(photo)
    browser.until(lambda: browser.text("#doing") == "" and browser.sees("#error"))
    assert browser.text("#title") == "street.png"


def test_a_token_is_asked_for_where_one_is_needed(browser, photo, tmp_path):
    with running_server(tmp_path, RedEngine(), ServerSettings(token="open-sesame")) as server:
        browser.driver.get(f"http://127.0.0.1:{server.port}/")
        assert message(browser) == "This server requires a token."
        assert browser.all(".example") == []
        browser.press("schlüssel", Keys.ENTER)  # the field has the focus; no header holds this
        assert browser.find("#token-text:invalid")
        assert message(browser) == "This server requires a token."
        browser.find("#token-text").clear()
        browser.find("#token-text").send_keys("guess", Keys.ENTER)
        browser.until(lambda: "does not accept" in message(browser))
        browser.find("#token-text").clear()
        browser.find("#token-text").send_keys("open-sesame", Keys.ENTER)
        browser.until(lambda: "version 1" in browser.text("#model"))
        assert not browser.sees("#token")
        browser.until(lambda: len(browser.all(".example img")) == 6)
        browser.show(photo)
        browser.open(server.port)
        assert not browser.sees("#token")


def test_a_new_version_is_noticed(browser, photo, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    with running_server(folder, RedEngine()) as server:
        browser.open(server.port)
        assert not browser.sees("#token")
        browser.show(photo)
        (folder / "2").mkdir()
        (folder / "2" / "saved_model.pb").touch()
        write_file_sizes(folder / "2")
        wait_until(lambda: server.service.describe().version == 2)
        browser.find("#download-polygons").click()
        assert "may have been replaced" in message(browser)
        browser.show(photo)
        assert "version 2" in browser.text("#model")


def test_examples_of_a_folder_are_labeled(browser, tmp_path):
    (tmp_path / "photographs").mkdir()
    for name in ("b.png", "a.jpg", "c.tif"):
        write_photo(tmp_path / "photographs" / name, LABEL)
    cv2.imwrite(str(tmp_path / "photographs" / "d.bmp"), np.zeros((8, 8, 3), np.uint8))
    with running_server(tmp_path, RedEngine(), ServerSettings(examples=tmp_path / "photographs")) as server:
        browser.open(server.port)
        browser.until(lambda: len(browser.all(".example img")) == 3)
        assert [image.get_attribute("alt") for image in browser.all(".example img")] == ["a", "b", "d"]
        assert "images" in browser.text("#examples-title")
        browser.all(".example")[1].click()
        browser.until(lambda: browser.text("#title") == "b")
