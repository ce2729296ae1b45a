"""The form of an answer of `:segment`, as its query asks for it."""

from fractions import Fraction
from typing import Annotated, Literal, NamedTuple

from fastapi import Query

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


def read_form(
    output: Annotated[Output, Query(description="Form of the response.")] = "label",
    min_area: Annotated[
        int | None,
        Query(
            ge=1,
            description="For polygons: regions of fewer pixels are left out; by default those below "
            f"{DEFAULTS.min_area} of the image.",
        ),
    ] = None,
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
    least = DEFAULTS.min_area if min_area is None else AreaLimit(Fraction(min_area), False)
    return Form(output, AnnotationOptions(background, least, simplify), OverlayStyle(palette, opacity))
