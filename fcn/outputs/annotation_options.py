"""Options of annotations: which classes and regions they have, and how exact their polygons are."""

import json
import re
from fractions import Fraction
from math import ceil
from typing import NamedTuple

_PERCENT = 100
_NUMBER = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(%?)")


class AreaLimit(NamedTuple):
    """The smallest region that is annotated.

    Attributes:
        value: Its area in pixels, or as a share of the image.
        is_share: Whether it is a share.
    """

    value: Fraction
    is_share: bool

    @classmethod
    def parse(cls, text: str) -> "AreaLimit":
        """Reads a number of pixels, or percent of the image.

        Raises:
            ValueError: If it is neither.

        Example:
            >>> AreaLimit.parse("0.01%").pixels((480, 640)), AreaLimit.parse("50").pixels((480, 640))
            (31, 50)
        """
        found = _NUMBER.fullmatch(text.strip())
        value = Fraction(found[1]) if found else None
        is_share = bool(found and found[2])
        if value is None or (value > _PERCENT if is_share else value.denominator != 1):
            raise ValueError(
                "Expected a number of pixels, such as 50, or percent of the image, such as 0.01%. Received: "
                f"{text}."
            )
        return cls(value / _PERCENT if is_share else value, is_share)

    def pixels(self, size: tuple[int, int]) -> int:
        """Returns the fewest pixels of a region in an image of a (height, width)."""
        return ceil(self.value * size[0] * size[1] if self.is_share else self.value)

    def __str__(self) -> str:
        """Returns the text that `parse` reads."""
        return f"{float(self.value * _PERCENT):.12g}%" if self.is_share else str(self.value)


class AnnotationOptions(NamedTuple):
    """Options of annotations: COCO's, and the shapes for labeling tools.

    Attributes:
        background: Whether COCO has the background, and class ids as ids of categories. Otherwise ids begin
            with 1, as CVAT and others expect.
        min_area: The smallest region that is a polygon or a shape.
        simplify: Whether polygons have fewer corners, and follow the region within half a pixel.
        as_before: Whether COCO's images have numbers by their order and are named by their whole paths, as in
            jobs that older versions started.
    """

    background: bool = False
    min_area: AreaLimit = AreaLimit(Fraction(1, 10_000), True)
    simplify: bool = False
    as_before: bool = False

    def describe(self) -> str:
        """Returns the options as `infer` takes them.

        Example:
            >>> AnnotationOptions(simplify=True).describe()
            '--min-area 0.01% --simplify'
        """
        if self.as_before:
            return "as an older version writes it"
        simplify = " --simplify" if self.simplify else ""
        background = " --coco-background" if self.background else ""
        return f"--min-area {self.min_area}{simplify}{background}"

    def to_json(self) -> str:
        """Returns the options as a document.

        Example:
            >>> AnnotationOptions.from_json(AnnotationOptions(simplify=True).to_json()).simplify
            True
        """
        return json.dumps(
            {"background": self.background, "min_area": str(self.min_area), "simplify": self.simplify}
        )

    @classmethod
    def from_json(cls, text: str) -> "AnnotationOptions":
        """Reads what `to_json` returns.

        Raises:
            ValueError, KeyError, TypeError: If the text is something else.
        """
        found = json.loads(text)
        return cls(bool(found["background"]), AreaLimit.parse(found["min_area"]), bool(found["simplify"]))

    def describe_left_out(self, count: int) -> str:
        """Returns a sentence about regions that are too small.

        It advises another folder: `--restart` is refused while documents of labelme are in the way, which may
        be corrected.

        Example:
            >>> AnnotationOptions().describe_left_out(7)
            '7 regions below 0.01% of their image were left out; --min-area 0 with a new --output keeps them.'
        """
        limit = f"{self.min_area} of their image" if self.min_area.is_share else f"{self.min_area} pixels"
        regions, were = ("region", "was") if count == 1 else ("regions", "were")
        keep = "--min-area 0 with a new --output keeps them"
        return f"{count:,} {regions} below {limit} {were} left out; {keep}."


DEFAULTS = AnnotationOptions()
"""The options of a new job."""

AS_BEFORE = AnnotationOptions(background=True, min_area=AreaLimit(Fraction(0), False), as_before=True)
"""The options of a job that an older version started."""
