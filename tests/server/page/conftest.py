"""One browser for each file of tests."""

import pytest
from http_server import running_server, wait_until
from page_browser import RedEngine, open_browser


@pytest.fixture(scope="module")
def engine():
    return RedEngine()


@pytest.fixture(scope="module")
def server(engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    limits = {"request_bytes": 2**19, "image_pixels": 12_000_000, "queue_images": 1}
    with running_server(folder, engine, **limits) as server:
        yield server


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(downloads):
    with open_browser(downloads) as browser:
        yield browser


@pytest.fixture
def page(browser, server, engine):
    """The page, just opened, of a server that has nothing to do."""
    browser.open(server.port)
    browser.complaints()
    yield browser
    engine.resumed.set()
    wait_until(lambda: server.queue() == 0)
