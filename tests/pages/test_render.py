"""Tests of what every page has: its frame, escaping and the style sheet."""

import re
from importlib.resources import files

import jinja2
import pytest
from html_page import Page

from fcn.pages.render import environment, render
from fcn.pages.swatch import Swatch, css_color
from fcn.report.pictures import VOID_COLORS, WRONG_COLOR

CHILD = """{% extends "layout.html" %}
{% block script_source %}; script-src 'sha256-x'{% endblock %}
{% block kind %}inspection{% endblock %}
{% block subtitle %}now{% endblock %}
{% block main %}<section><p>{{ first }}</p></section>
<section><p>two</p></section>{% endblock %}
"""
STYLE = "\n".join(files("fcn.pages").joinpath(name).read_text() for name in ("colors.css", "style.css"))


def test_names_are_escaped_and_sections_are_in_order() -> None:
    text = environment().from_string(CHILD).render(name="<b>net", first="<i>one")
    page = Page(text)
    assert page.open == []
    assert page.text.split() == ["<b>net:", "inspection", "<b>net", "now", "<i>one", "two"]
    assert text.count("&lt;b&gt;net") == 2
    (policy,) = [str(found["content"]) for found in page.all("meta") if "http-equiv" in found]
    assert policy.startswith("default-src 'none'; ")
    assert policy.endswith("; script-src 'sha256-x'")


def test_a_page_holds_its_style_sheet_as_it_is() -> None:
    text = environment().from_string(CHILD).render(name="net", first="one")
    (style,) = re.findall(r"<style>\n(.*?)\n</style>", text, re.S)
    assert style.strip() == STYLE.strip()


def test_the_style_sheet_fetches_nothing_and_is_balanced() -> None:
    assert not re.search(r"url\(|@import|https?:|</", STYLE)
    assert STYLE.count("{") == STYLE.count("}") > 50


def test_a_legend_shows_the_colors_of_the_pictures() -> None:
    colors = dict(re.findall(r"--(wrong|void|void-stripe): (#\w{6});", STYLE))
    assert colors == {
        "wrong": css_color(WRONG_COLOR),
        "void": css_color(VOID_COLORS[0]),
        "void-stripe": css_color(VOID_COLORS[1]),
    }


def test_every_color_has_a_variable_that_is_set() -> None:
    used, given = set(re.findall(r"var\(--([\w-]+)", STYLE)), set(re.findall(r"--([\w-]+):", STYLE))
    # A cell of the matrix sets its opacity itself, a table its cells' width, a row how many pictures it has.
    assert used - given == {"a", "cell", "columns"}


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="label"):
        render("legend.html", swatches=[Swatch("sky", (0, 0, 0))])


def test_every_template_can_be_read() -> None:
    names = environment().list_templates()
    assert {"layout.html", "report.html", "comparison.html", "inspection.html"} <= set(names)
    for name in names:
        environment().get_template(name)
