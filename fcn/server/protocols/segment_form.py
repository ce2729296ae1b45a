"""The form of an answer of `:segment`, as its query asks for it."""

from typing import Annotated, Literal, NamedTuple

from fastapi import Query
from pydantic import AfterValidator

from fcn.outputs.annotation_options import DEFAULTS, AnnotationOptions, AreaLimit
from fcn.outputs.overlay_style import DEFAULT_STYLE, OverlayStyle

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
    """Returns the form that a query asks for."""
    options = AnnotationOptions(background, AreaLimit.parse(min_area), simplify)
    return Form(output, options, OverlayStyle(palette, opacity))
