"""Filling the templates of pages."""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fcn.pages.percent import percent
from fcn.pages.swatch import css_color

if TYPE_CHECKING:  # imported when the first page is written: most commands write none
    from jinja2 import Environment

COLORS, STYLE = (files(__package__).joinpath(name) for name in ("colors.css", "style.css"))
"""The style sheets of a page; the page of the server uses the colors too."""

_RELOAD = files(__package__).joinpath("reload.js")
"""The only script in a page that opens offline."""


def render(template: str, **values: Any) -> str:
    """Returns the HTML of a template; every value is escaped.

    Args:
        template: Name of a file in `templates/`.
        **values: What the template shows; a missing value is an error.

    Example:
        >>> from fcn.pages.swatch import Swatch
        >>> render("legend.html", swatches=[Swatch("<sky>", (0, 0, 255))], label="").count("&lt;sky&gt;")
        1
    """
    return environment().get_template(template).render(values)


def light_colors() -> dict[str, str]:
    """Returns the colors of light pages by name, for pictures that are files of their own.

    Example:
        >>> light_colors()["text"]
        '#1c2128'
    """
    light = COLORS.read_text(encoding="utf-8").partition("@media")[0]
    return dict(re.findall(r"--(\w+): (#\w+);", light))


@cache
def environment() -> "Environment":
    """Returns what all templates are read by."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    found = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.filters |= {"percent": percent, "css_color": css_color, "thousands": "{:,}".format}
    # Not escaped: a style sheet has ">" and quotes in it, and these are ours.
    found.globals["style"] = Markup("\n".join(sheet.read_text(encoding="utf-8") for sheet in (COLORS, STYLE)))
    script = _RELOAD.read_text(encoding="utf-8")
    found.globals["reload_script"] = Markup(script)
    # Browsers run no script but the one of this digest, whatever the files shown in a page contain.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    found.globals["reload_digest"] = f"sha256-{digest}"
    return found
