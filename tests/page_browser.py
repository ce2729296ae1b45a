"""A headless browser for tests of the page."""

import base64
import shutil
from contextlib import contextmanager
from io import BytesIO

import numpy as np
import pytest
from pausable_engine import PausableEngine
from PIL import Image
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from fcn.classes import Classes
from fcn.inference.engines.engine import Labeled

COLORS = np.array([[40, 90, 160], [128, 200, 30], [220, 60, 90]], np.uint8)
"""Color of each class in test images; the red value gives the class even after JPEG compression."""


class RedEngine(PausableEngine):
    """Engine that labels each pixel by its red value, in three steps."""

    def __init__(self):
        super().__init__()
        self.classes = Classes.named(("background", "cat", "dog"))

    def label(self, images):
        self._wait(images)
        return Labeled(images[..., 0] // 86, np.full(images.shape[:3], 0.75, np.float32))


def blocks(label, side):
    """Returns an image and its label, with each pixel of `label` enlarged to a square."""
    large = np.asarray(label, np.uint8).repeat(side, axis=0).repeat(side, axis=1)
    return COLORS[large], large


def write_photo(path, label, side=16, orientation=None):
    """Writes an image; returns its label in stored order."""
    pixels, large = blocks(label, side)
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    if orientation is not None:
        exif[0x112] = orientation
    options = {".jpg": {"quality": 95, "subsampling": 0}, ".webp": {"quality": 95}}.get(path.suffix, {})
    image.save(path, exif=exif, **options)
    return large


def nearest(values, height, width):
    """Returns values `[H, W, ...]` at another size, by nearest neighbor."""
    rows = (np.arange(height) + 0.5) * values.shape[0] / height
    columns = (np.arange(width) + 0.5) * values.shape[1] / width
    return values[rows.astype(int)][:, columns.astype(int)]


@contextmanager
def open_browser(downloads):
    """Yields a browser that saves downloads in a folder; skips the test without a browser."""
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        pytest.skip("needs a browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for argument in (
        "headless=new",
        "no-sandbox",  # root may not have one
        "disable-dev-shm-usage",
        "disable-background-networking",
        "disable-component-update",
        "no-first-run",
        "force-prefers-reduced-motion",
        "window-size=1280,900",
        "force-color-profile=srgb",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(programs[1]))
    try:
        driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)}
        )
        yield Page(driver)
    finally:
        driver.quit()


class Page:
    """The page in a browser, with the actions of a user."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, port):
        self.driver.get(f"http://127.0.0.1:{port}/")
        self.until(lambda: "version" in self.text("#model"))

    def until(self, happened):
        return WebDriverWait(self.driver, 20, 0.02).until(lambda _: happened())

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.find(selector).text

    def sees(self, selector):
        return self.find(selector).is_displayed()

    def choose(self, path):
        self.find("#file").send_keys(str(path))

    def show(self, path):
        """Chooses an image and waits for its label."""
        self.choose(path)
        self.until(lambda: self.text("#title") == path.name and not self.sees("#waiting"))

    def view(self, name):
        self.find(f"label[for=view-{name}]").click()

    def canvas(self):
        """Returns what is drawn, `uint8[H, W, 3]`."""
        url = self.driver.execute_script("return document.querySelector('#stage canvas').toDataURL()")
        return np.array(Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"))

    def point_at(self, x, y):
        """Moves the mouse to a place of the picture, each from 0 to 1."""
        left, top, width, height = self.run(
            "const canvas = document.querySelector('#stage canvas');"
            "canvas.scrollIntoView({ block: 'center' });"
            "const box = canvas.getBoundingClientRect();"
            "return [box.left, box.top, box.width, box.height];"
        )
        mouse = ActionBuilder(self.driver, duration=0)
        mouse.pointer_action.move_to_location(int(left + x * width), int(top + y * height))
        mouse.perform()

    def reads(self, name):
        """Waits until this class is shown beside the crosshair."""
        self.until(lambda: self.text("#stage .tag") == name)

    def press(self, *keys):
        ActionChains(self.driver, 0).send_keys(*keys).perform()

    def run(self, script, *arguments):
        """Runs the body of an asynchronous function; returns what it returns."""
        wrapped = (
            "const done = arguments[arguments.length - 1];"
            f"(async (...given) => {{ {script} }})(...arguments)"
            ".then((value) => done({ value }), (error) => done({ error: String(error) }))"
        )
        result = self.driver.execute_async_script(wrapped, *arguments)
        assert "error" not in result, result["error"]
        return result.get("value")

    def complaints(self):
        """Returns what the browser has logged since this was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]
