"""The form of an answer of `:segment`, as its query asks for it."""

from collections.abc import Iterable
from inspect import signature
from typing import Annotated, Literal, NamedTuple

from fastapi import Query, Request
from pydantic import AfterValidator

from fcn.config.close_keys import close_keys
from fcn.outputs.annotation_options import DEFAULTS, AnnotationOptions, AreaLimit
from fcn.outputs.overlay_style import DEFAULT_STYLE, OverlayStyle
from fcn.server.validation import invalid, shorten

Output = Literal["label", "ids", "overlay", "uncertainty", "rle", "polygons"]
"""Form of the response."""

Palette = Literal["bright", "voc"]
"""Colors of overlays."""


class Form(NamedTuple):
    """The form of an answer.

    Attributes:
        output: What it holds.
        options: Options of annotations.
        style: How an overlay is drawn.
    """

    output: Output
    options: AnnotationOptions
    style: OverlayStyle


def _check_area(text: str) -> str:
    AreaLimit.parse(text)
    return text


def read_form(
    request: Request,
    output: Annotated[Output, Query(description="Form of the response.")] = "label",
    min_area: Annotated[
        str,
        AfterValidator(_check_area),
        Query(
            description="For polygons: smaller regions are left out. 50 means those of fewer pixels, "
            "0.1% (in a URL 0.1%25) those below that share of the image.",
            json_schema_extra={"pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?%?$"},
        ),
    ] = str(DEFAULTS.min_area),
    simplify: Annotated[bool, Query(description="For polygons: fewer corners, within half a pixel.")] = False,
    background: Annotated[
        bool, Query(description="For rle and polygons: with the background, and class ids as category ids.")
    ] = False,
    palette: Annotated[Palette, Query(description="For overlays: colors of the classes.")] = "bright",
    opacity: Annotated[
        float, Query(ge=0, le=1, description="For overlays: how much they cover the image.")
    ] = DEFAULT_STYLE.opacity,
) -> Form:
    """Returns the form that a query asks for.

    Raises:
        ServerError: If it has a parameter that is none of these.
    """
    _check_names(request.query_params)
    options = AnnotationOptions(background, AreaLimit.parse(min_area), simplify)
    return Form(output, options, OverlayStyle(palette, opacity))


def _check_names(given: Iterable[str]) -> None:
    """Checks the names of the parameters of a query.

    Raises:
        ServerError: If one is unknown.
    """
    known = [name for name in signature(read_form).parameters if name != "request"]
    for name in given:
        if name not in known:
            close = close_keys(name, known)
            hint = f"{shorten(name)}. Did you mean {close[0]}?" if close else shorten(name)
            raise invalid(f"the query parameters {', '.join(known[:-1])} or {known[-1]}", hint)
