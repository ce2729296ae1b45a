"""The record of a labeled image that a job keeps."""

from typing import Any, NotRequired, TypedDict

Annotation = dict[str, Any]
"""An annotation of COCO that has no `id` and no `image_id` yet."""


class Record(TypedDict):
    """The data of an image that summaries are made from, as JSON.

    Attributes:
        height: Of the image as it is stored, in pixels.
        width: Of the image as it is stored, in pixels.
        mean_confidence: Probability of the label, on average over all pixels, 1/C to 1.
        doubtful: The share of the image whose label has a probability below 0.7; records of earlier versions
            have none.
        areas: The share of the image that each class covers, by name; absent ones are left out.
        annotations: Annotations of COCO; empty if they are not an output.
        left_out: How many regions are too small for an annotation; missing if none are.
        cvat: CVAT's elements for its shapes; missing if they are not an output.
    """

    height: int
    width: int
    mean_confidence: float
    doubtful: NotRequired[float]
    areas: dict[str, float]
    annotations: list[Annotation]
    left_out: NotRequired[int]
    cvat: NotRequired[str]
