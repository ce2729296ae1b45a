"""What tests measure of a page in a browser: findings of axe-core, contrast, widths, and the Tab key."""

from functools import cache

import pytest
from axe import FOLDER, PROGRAM, VERSION
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

WIDE, PHONE, NARROW = 1280, 390, 320
"""Widths of windows; the last is that of WCAG 2.2, 1.4.10: a large screen at 400%."""


@cache
def axe_source():
    """Returns the program of axe-core; skips the test without it."""
    path = FOLDER / PROGRAM
    if not path.exists():
        pytest.skip(f"needs axe-core {VERSION}: make axe, which needs Node.js and a network")
    return path.read_text()


def emulate(driver, width, dark=False, **media):
    """Sets the width of the window, the colors that its user prefers, and other features of CSS media."""
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"prefers_color_scheme": "dark" if dark else "light", "prefers_reduced_motion": "reduce"} | media
    features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def open_details(driver):
    """Opens all that can be opened, so that it is looked at too."""
    driver.execute_script("document.querySelectorAll('details').forEach((one) => (one.open = true))")


def axe_findings(driver):
    """Returns what axe-core finds on the page, best practices included."""
    if not driver.execute_script("return typeof window.axe !== 'undefined'"):
        driver.execute_script(axe_source())
    found = driver.execute_async_script(
        "const done = arguments[0];"
        "axe.run(document, { resultTypes: ['violations'] })"
        ".then((result) => done({ violations: result.violations, passed: result.passes.length }),"
        "(error) => done({ error: String(error) }));"
    )
    assert "error" not in found, found
    assert found["passed"] > 10  # it has looked at something
    return [
        f"{one['impact']} {one['id']}: {' '.join(node['target'])} {node['html'][:100]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


LOW_CONTRAST = """
const parse = (text) => {
  const [red, green, blue, alpha = 1] = text.match(/[\\d.]+/g).map(Number);
  return [red, green, blue, alpha];
};
const over = (top, below) => below.map((value, i) => (i < 3 ? top[3] * top[i] + (1 - top[3]) * value : 1));
const luminance = (color) => {
  const [red, green, blue] = color.slice(0, 3).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const ratio = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const background = (element) => {
  const layers = [];
  for (let one = element; one; one = one.parentElement) {
    const style = getComputedStyle(one);
    const tint = style.backgroundImage.match(/rgba?\\([^)]*\\)/);
    if (tint) layers.push(parse(tint[0]));
    layers.push(parse(style.backgroundColor));
    if (layers.at(-1)[3] === 1) break;
  }
  return layers.reduceRight((below, top) => over(top, below), [255, 255, 255, 1]);
};
const found = { checked: 0, low: [] };
const check = (element, color, behind, least) => {
  found.checked += 1;
  const shown = background(behind);
  const value = ratio(over(parse(color), shown), shown);
  if (value < least) found.low.push(`${value.toFixed(2)} ${element.outerHTML.slice(0, 120)}`);
};
for (const element of document.querySelectorAll("*")) {
  const hasText = Array.from(element.childNodes).some((one) => one.nodeType === 3 && one.data.trim());
  const skipped = "style, script, title, option, noscript, .sr, .views input, :disabled";
  if (!element.checkVisibility() || element.matches(skipped)) continue;
  const style = getComputedStyle(element);
  const isDrawn = element instanceof SVGElement;
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 600);
  if (hasText) check(element, isDrawn ? style.fill : style.color, element, isLarge ? 3 : 4.5);
  if (element.matches(".axis, .line, .ideal")) check(element, style.stroke, element, 3);
  if (element.matches("circle:not(.mean), .tap, rect.right")) check(element, style.fill, element, 3);
  if (element.matches(".bar i")) check(element, style.backgroundColor, element.parentElement, 3);
  if (!element.matches(".button, .views label, .drop, select")) continue;
  check(element, style.borderTopColor, element.parentElement, 3);
}
return found;
"""
"""Also what axe-core leaves out: text of SVG, numbers over tints, drawings (WCAG 2.2, 1.4.3, 1.4.11)."""


def low_contrast(driver):
    """Returns the elements whose contrast with what is behind them is too low."""
    found = driver.execute_script(LOW_CONTRAST)
    assert found["checked"] > 10
    return found["low"]


TOO_WIDE = """
const wide = [];
const { scrollWidth } = document.documentElement;
if (scrollWidth > innerWidth) wide.push(`the page: ${scrollWidth}`);
for (const element of document.querySelectorAll("main *, header *, footer *")) {
  const scroller = element.parentElement.closest(".scroll, pre, .files, .matrix");
  const clipped = element.closest(".sr, svg");
  if (scroller || clipped || !element.checkVisibility()) continue;
  const [box, outer] = [element, element.parentElement].map((one) => one.getBoundingClientRect());
  if (box.right > outer.right + 1) wide.push(`${Math.round(box.right)} ${element.outerHTML.slice(0, 120)}`);
}
return wide;
"""


def too_wide(driver):
    """Returns what reaches out of its box: tables scroll inside theirs, and pages not at all."""
    return driver.execute_script(TOO_WIDE)


REACHABLE = """
const selector = "a[href], button, input, select, summary, [tabindex]";
return Array.from(document.querySelectorAll(selector)).filter(
  (one) =>
    one.checkVisibility() && !one.matches(":disabled, [type=radio]:not(:checked)") && one.tabIndex >= 0,
);
"""
# The element that shows the focus may be its label, where the control itself is hidden.
FOCUSED = """
const element = document.activeElement;
const shown = [element, element.nextElementSibling].filter(Boolean).map((one) => getComputedStyle(one));
const visible = shown.some((style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2);
return [element, visible];
"""


def tab_through(driver):
    """Presses Tab until the focus leaves the page, and Shift and Tab back through it.

    Returns:
        What can be reached, in the order of the page; what was, and whether its focus is visible; and what
        was reached backward.
    """
    expected = driver.execute_script(REACHABLE)
    driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    ways = []
    for keys in ((Keys.TAB,), (Keys.SHIFT, Keys.TAB)):
        way = []
        for _ in range(len(expected) + 1):
            actions = ActionChains(driver, 0)
            for key in keys[:-1]:
                actions.key_down(key)
            actions.send_keys(keys[-1])
            for key in keys[:-1]:
                actions.key_up(key)
            actions.perform()
            element, visible = driver.execute_script(FOCUSED)
            if element.tag_name == "body" or (way and element == way[0][0]):
                break  # it has left the page; a browser without a window has nothing else to focus
            way.append((element, visible))
        ways.append(way)
    return expected, *ways
