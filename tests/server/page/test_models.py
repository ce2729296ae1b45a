"""The page of a server with several models."""

import pytest
from http_server import running_models
from page_browser import RedEngine, write_photo
from selenium.webdriver.support.ui import Select

from fcn.classes import Classes

pytestmark = pytest.mark.slow


class ShiftedEngine(RedEngine):
    """An engine with other classes, one after that of the other engine."""

    def __init__(self):
        super().__init__()
        self.classes = Classes.named(("ground", "road", "tree", "sky"))

    def label(self, images):
        labeled = super().label(images)
        labeled.label[:] += 1
        return labeled


def legend(page):
    return {line for line in page.text("#legend").splitlines() if line.isalpha()}


def test_a_model_is_chosen_and_the_image_is_labeled_again(browser, tmp_path):
    write_photo(tmp_path / "street.png", ((0, 1), (2, 0)))
    engines = {"voc": RedEngine(), "city": ShiftedEngine()}
    with running_models(tmp_path / "models", engines) as (server, _):
        browser.open(server.port)
        assert browser.sees("#model-name")
        assert browser.text("#model") == "Model voc, version 1, held float32, 3 classes"
        browser.show(tmp_path / "street.png")
        assert legend(browser) == {"background", "cat", "dog"}
        Select(browser.find("#model-name")).select_by_visible_text("city")
        browser.until(lambda: legend(browser) == {"road", "tree", "sky"})
        assert browser.text("#model") == "Model city, version 1, held float32, 4 classes"
        assert browser.text("#title") == "street.png"
        assert "/v1/models/city:segment" in browser.find("#curl").get_attribute("textContent")
        browser.until(lambda: len(browser.all(".example img")) == 6)
        browser.driver.refresh()
        browser.until(lambda: "Model city" in browser.text("#model"))
        assert Select(browser.find("#model-name")).first_selected_option.text == "city"
        assert browser.complaints() == []


def test_a_single_model_is_no_choice(page):
    assert not page.sees("#model-name")
    assert page.text("#model").startswith("Model fcn, version 1")
