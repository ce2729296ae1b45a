"""Tests of how an image and its label are drawn."""

import json
import urllib.request
from itertools import product

import numpy as np
import pytest
from page_browser import COLORS, blocks, nearest, write_photo
from selenium.webdriver import Keys

from fcn.classes import Classes
from fcn.data.orientation import upright
from fcn.outputs.overlay_style import DEFAULT_STYLE

pytestmark = pytest.mark.slow

LABEL = ((0, 1, 1, 2), (0, 0, 2, 2), (1, 0, 2, 0))
SHOWN = DEFAULT_STYLE.recolor(Classes.named(("background", "cat", "dog"))).full_palette()


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "street.png"
    write_photo(path, LABEL)
    return path


def centers(picture, label):
    """Returns what is drawn in the middle of each square of a label."""
    (height, width), (rows, columns) = picture.shape[:2], np.shape(label)
    return np.array(
        [
            [
                picture[int((y + 0.5) * height / rows), int((x + 0.5) * width / columns)]
                for x in range(columns)
            ]
            for y in range(rows)
        ]
    ).astype(int)


def test_the_label_is_drawn_to_the_pixel(page, photo):
    page.show(photo)
    page.view("label")
    drawn = page.canvas()
    assert drawn.shape[:2] == (6 * 48, 6 * 64)
    _, label = blocks(LABEL, 16)
    np.testing.assert_array_equal(drawn, nearest(SHOWN[label], *drawn.shape[:2]))
    assert page.complaints() == []


def test_the_label_lies_over_the_photograph(page, photo):
    page.show(photo)
    image, color = COLORS[np.array(LABEL)].astype(float), SHOWN[np.array(LABEL)]
    is_background = np.array(LABEL)[..., None] == 0
    expected = np.where(is_background, image, 0.4 * image + 0.6 * color)
    np.testing.assert_allclose(centers(page.canvas(), LABEL), expected, atol=3)
    page.view("image")
    np.testing.assert_allclose(centers(page.canvas(), LABEL), image, atol=2)
    page.view("overlay")
    page.find("#opacity").send_keys(Keys.END)
    expected = np.where(is_background, image, color)
    np.testing.assert_allclose(centers(page.canvas(), LABEL), expected, atol=2)


def test_the_legend_says_what_the_server_says(page, photo, server):
    page.show(photo)
    url = f"http://127.0.0.1:{server.port}/v1/models/fcn:segment"
    with urllib.request.urlopen(url, photo.read_bytes()) as answer:
        areas = json.loads(answer.headers["X-Fcn-Areas"])
    expected = [(name, f"{100 * share:.1f}%") for name, share in areas.items()]
    shown = [tuple(entry.text.split("\n")) for entry in page.all("#legend li")]
    assert shown == expected
    assert [share for _, share in shown] == ["41.7%", "33.3%", "25.0%"]
    colors = page.run(
        "return Array.from(document.querySelectorAll('#legend .swatch'), s => s.style.background)"
    )
    assert colors == [f"rgb({', '.join(map(str, SHOWN[index]))})" for index in (0, 2, 1)]
    assert "Mean confidence\n75.0%" in page.text("#facts")
    assert "Size\n64 x 48" in page.text("#facts")


def test_a_class_of_the_legend_stands_out(page, photo):
    page.show(photo)
    plain, is_cat = page.canvas(), np.array(LABEL) == 1
    cat = page.all("#legend button")[2]
    assert cat.text.startswith("cat")
    cat.click()
    page.point_at(0.5, -0.05)
    assert cat.get_attribute("aria-pressed") == "true"
    lit, before = centers(page.canvas(), LABEL), centers(plain, LABEL)
    np.testing.assert_allclose(lit[is_cat], before[is_cat], atol=2)
    assert (lit[~is_cat].sum(-1) < 0.6 * before[~is_cat].sum(-1)).all()
    cat.click()
    page.point_at(0.5, -0.05)
    np.testing.assert_array_equal(page.canvas(), plain)


def test_the_class_under_the_mouse_is_read(page, photo):
    page.show(photo)
    names = ("background", "cat", "dog")
    for y, x in product(range(3), range(4)):
        page.point_at((x + 0.5) / 4, (y + 0.5) / 3)
        page.reads(names[LABEL[y][x]])
        assert page.text("#legend .read").startswith(names[LABEL[y][x]])
    page.point_at(0.5, -0.2)
    assert not page.sees("#stage .tag")
    assert page.all("#legend .read") == []


def test_a_finger_reads_a_class(page, photo):
    page.show(photo)
    left, top = page.run(
        "const box = document.querySelector('#stage canvas').getBoundingClientRect();"
        "return [box.left + 0.4 * box.width, box.top + 0.1 * box.height];"
    )
    touch = {"type": "touchStart", "touchPoints": [{"x": left, "y": top}]}
    page.driver.execute_cdp_cmd("Input.dispatchTouchEvent", touch)
    page.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.reads("cat")  # and stays, when the finger is gone


def test_all_can_be_done_with_the_keyboard(page):
    page.until(lambda: len(page.all(".example img")) == 6)

    def go_to(selector):
        for _ in range(30):
            if page.run("return document.activeElement.matches(given[0])", selector):
                return
            page.press(Keys.TAB)
        raise AssertionError(f"{selector} cannot be reached")

    go_to("#file")
    go_to(".example")
    page.press(Keys.ENTER)
    page.until(lambda: page.sees("#result"))
    assert page.text("#title") == "Drawn scene 1"
    assert page.run("return document.querySelector('#spoken').textContent").startswith(
        "Drawn scene 1 is labeled"
    )
    go_to("[name=view]")
    overlay = page.canvas()
    page.press(Keys.ARROW_RIGHT)
    label = page.canvas()
    assert (label != overlay).any()
    page.press(Keys.ARROW_LEFT)
    go_to("#opacity")
    page.press(Keys.HOME)
    assert (page.canvas() != overlay).any()
    go_to("#stage")
    assert not page.sees("#stage .tag")
    page.press(Keys.ARROW_RIGHT)
    height, width = label.shape[:2]
    middle = label[height // 2 + 3, width // 2 + 3]
    names = {tuple(SHOWN[index]): name for index, name in enumerate(("background", "cat", "dog"))}
    assert page.text("#stage .tag") == names[tuple(middle)]
    assert page.run("return document.querySelector('#spoken').textContent") == names[tuple(middle)]
    for _ in range(45):
        page.press(Keys.ARROW_UP, Keys.ARROW_LEFT)
    assert page.text("#stage .tag") == names[tuple(label[1, 1])]
    page.press(Keys.ESCAPE)
    assert not page.sees("#stage .tag")
    before = page.canvas()
    go_to("#legend button")
    assert (page.canvas() != before).any()
    go_to("#download-label")
    np.testing.assert_array_equal(page.canvas(), before)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png"])
def test_photograph_and_label_are_upright(page, tmp_path, suffix):
    for orientation in range(1, 9) if suffix != ".png" else (6,):
        path = tmp_path / f"turned-{orientation}{suffix}"
        write_photo(path, LABEL, orientation=orientation)
        page.show(path)
        expected = upright(np.array(LABEL, np.uint8), orientation)
        page.view("label")
        drawn = page.canvas()
        assert drawn.shape[1] / drawn.shape[0] == pytest.approx(
            expected.shape[1] / expected.shape[0], abs=0.01
        )
        np.testing.assert_array_equal(centers(drawn, expected), SHOWN[expected], str(orientation))
        page.view("image")
        np.testing.assert_allclose(centers(page.canvas(), expected), COLORS[expected], atol=8)
        page.point_at(0.5 / expected.shape[1], 0.5 / expected.shape[0])
        page.reads(("background", "cat", "dog")[expected[0, 0]])


def test_what_the_browser_cannot_show_is_a_label_alone(page, photo, tmp_path):
    write_photo(tmp_path / "scan.tif", LABEL)
    page.show(tmp_path / "scan.tif")
    assert page.sees("#note")
    np.testing.assert_array_equal(centers(page.canvas(), LABEL), SHOWN[np.array(LABEL)])
    page.show(photo)
    assert not page.sees("#note")
    assert page.find("#view-overlay").is_selected()


def test_a_large_photograph_takes_no_more_pixels_than_the_screen_shows(page, tmp_path):
    path = tmp_path / "large.jpg"
    write_photo(path, LABEL, side=1000)
    page.show(path)
    assert page.canvas().shape[1] <= 1280
    page.view("image")
    np.testing.assert_allclose(centers(page.canvas(), LABEL), COLORS[np.array(LABEL)], atol=8)
    page.point_at(0.4, 0.1)
    page.reads("cat")


@pytest.mark.parametrize(("width", "ratio"), [(360, 2), (1600, 1)])
def test_all_of_it_fits_the_screen(page, photo, width, ratio):
    size = {"width": width, "height": 760, "deviceScaleFactor": ratio, "mobile": width < 600}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.open(page.driver.current_url.rsplit(":")[2].strip("/"))
        page.show(photo)
        wide = page.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1] == width
        page.view("label")
        drawn, shown = page.canvas(), page.find("#stage canvas").size
        assert drawn.shape[:2] == (ratio * shown["height"], ratio * shown["width"])
        assert shown["width"] > (280 if width == 360 else 380)
        small = [
            button.text
            for button in page.all("button, .button, .views label")
            if button.is_displayed() and button.text and button.size["height"] < 40
        ]
        assert small == []  # a finger needs room
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
