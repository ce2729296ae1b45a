"""Tests of the categories and images of COCO documents."""

import numpy as np
import pytest

from fcn.classes import VOID, Classes
from fcn.outputs.annotation_options import AnnotationOptions, AreaLimit
from fcn.outputs.coco_document import Categories, annotate

WITH_BACKGROUND = Classes.named(("Background", "cat", "dog"))
WITHOUT = Classes.named(("sky", "sea"))


def ids(categories: Categories) -> list[tuple[int, str]]:
    return [(one["id"], one["name"]) for one in categories.listed()]


def test_ids_begin_with_1_and_the_background_is_left_out() -> None:
    assert ids(Categories.of(WITH_BACKGROUND)) == [(1, "cat"), (2, "dog")]
    assert ids(Categories.of(WITHOUT)) == [(1, "sky"), (2, "sea")]


def test_with_the_background_they_are_class_ids() -> None:
    assert ids(Categories.of(WITH_BACKGROUND, True)) == [(0, "Background"), (1, "cat"), (2, "dog")]
    assert ids(Categories.of(WITHOUT, True)) == [(0, "sky"), (1, "sea")]


@pytest.mark.parametrize("kind", ["rle", "polygons"])
@pytest.mark.parametrize("classes", [WITH_BACKGROUND, WITHOUT])
@pytest.mark.parametrize("background", [False, True])
def test_annotations_have_these_ids(kind: str, classes: Classes, background: bool) -> None:
    label = np.array([[0, 0, 1, 1, VOID]], np.uint8)
    found = annotate(label, classes, kind, AnnotationOptions(background)).annotations
    listed = {one["name"]: one["id"] for one in Categories.of(classes, background).listed()}
    expected = {listed[classes.names[one]]: 2 for one in (0, 1) if classes.names[one] in listed}
    assert {one["category_id"]: one["area"] for one in found} == expected


def test_small_regions_are_left_out_of_polygons_alone_and_counted() -> None:
    label = np.zeros((100, 200), np.uint8)  # 0.01% are 2 pixels
    label[10, 10] = label[20, 20] = 1
    label[30, 30:32] = label[40:60, 40:60] = 2
    traced = annotate(label, WITH_BACKGROUND, "polygons", AnnotationOptions())
    assert sorted(one["area"] for one in traced.annotations) == [2, 400]
    assert traced.left_out == 2
    fewer = AnnotationOptions(min_area=AreaLimit.parse("3"))
    assert annotate(label, WITH_BACKGROUND, "polygons", fewer).left_out == 3
    assert annotate(label, WITH_BACKGROUND, "polygons", AnnotationOptions(min_area=AreaLimit.parse("0"))) == (
        annotate(label, WITH_BACKGROUND, "polygons", AnnotationOptions(min_area=AreaLimit.parse("1")))
    )
    whole = annotate(label, WITH_BACKGROUND, "rle", fewer)
    assert ({one["category_id"]: one["area"] for one in whole.annotations}, whole.left_out) == (
        {1: 2, 2: 402},
        0,
    )
