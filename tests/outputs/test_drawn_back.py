"""Shapes for other tools: drawn as each tool draws them, they are the label again, to the pixel."""

import json
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.classes import VOID
from fcn.data.class_table import IGNORE, LABELME_BACKGROUND
from fcn.labels.importing.filling import LabelmeShape, fill_as_coco, fill_as_labelme, fill_as_opencv
from fcn.labels.importing.readers.labelme import _mask as read_mask
from fcn.outputs import cvat, labelme
from fcn.outputs.coco import polygon_annotations, rle_annotations
from fcn.outputs.yolo import yolo_data_file, yolo_lines

NAMES = {1: "a cat", 2: '<dog & "co">'}
VALUES = np.array([0, 1, 2, VOID], np.uint8)


@st.composite
def labels(draw):
    """Small labels: noise, with single pixels, holes and touching classes, or blocks, rings and diagonals."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    height, width = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    kind = draw(st.sampled_from(["noise", "blocks", "rings"]))
    if kind == "noise":
        return rng.choice(VALUES, (height, width), p=rng.dirichlet([1, 1, 1, 0.3]))
    if kind == "blocks":
        coarse = rng.choice(VALUES, (1 + height // 3, 1 + width // 3))
        return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)
    label = np.zeros((height, width), np.uint8)
    for _ in range(6):
        center = (int(rng.integers(width)), int(rng.integers(height)))
        thickness = int(rng.choice([-1, 1, 2]))
        cv2.circle(label, center, int(rng.integers(1, 9)), int(rng.choice(VALUES)), thickness)
        cv2.line(
            label, center, (int(rng.integers(width)), int(rng.integers(height))), int(rng.choice(VALUES))
        )
    return label


def drawn_by_labelme(label, shapes):
    keys = {IGNORE: VOID, LABELME_BACKGROUND: 0} | {name: number for number, name in NAMES.items()}
    read = [
        LabelmeShape(
            shape["shape_type"],
            shape["points"],
            keys[shape["label"]],
            None if shape["mask"] is None else read_mask(shape["mask"]),
        )
        for shape in json.loads(json.dumps(shapes))
    ]
    return fill_as_labelme(label.shape, read)


def drawn_by_cvat(label, text):
    keys = {name: number for number, name in {**NAMES, VOID: IGNORE}.items()}
    found = np.zeros(label.shape, np.int32)
    for shape in ElementTree.fromstring(f"<image>{text}</image>"):
        key = keys[shape.get("label")]
        if shape.tag == "polygon":
            points = [tuple(map(float, point.split(","))) for point in shape.get("points").split(";")]
            fill_as_opencv(found, [points], key)
            continue
        left, top, width, height = (int(shape.get(name)) for name in ("left", "top", "width", "height"))
        runs = [int(run) for run in shape.get("rle").split(",")]
        mask = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
        found[top : top + height, left : left + width][mask] = key
    return found


def drawn_by_yolo(label, text, cut):
    height, width = label.shape
    found = np.zeros(label.shape, np.int32)
    for line in text.splitlines():
        number, *values = line.split()
        points = np.array(values, np.float32).reshape(-1, 2) * np.array([width, height], np.float32)
        fill_as_opencv(found, [(points.astype(np.int32) if cut else points).tolist()], int(number) + 1)
    return found


@settings(deadline=None, max_examples=60)
@given(labels())
def test_labelme(label):
    np.testing.assert_array_equal(drawn_by_labelme(label, labelme.labelme_shapes(label, NAMES)), label)


@settings(deadline=None, max_examples=60)
@given(labels())
def test_cvat(label):
    text = cvat.cvat_shapes(label, {**NAMES, VOID: IGNORE})
    np.testing.assert_array_equal(drawn_by_cvat(label, text), label)


@settings(deadline=None, max_examples=60)
@given(labels(), st.booleans())
def test_yolo_gives_back_all_but_what_it_says(label, cut):
    """With the background among the classes there are no holes of it."""
    expected = np.where(label == VOID, 0, label)
    text, changed = yolo_lines(label, {1: 0, 2: 1})
    wrong = drawn_by_yolo(label, text, cut) != expected
    assert np.count_nonzero(wrong & (label != VOID)) == changed
    text, changed = yolo_lines(expected, {0: 0, 1: 1, 2: 2})
    assert changed == 0
    np.testing.assert_array_equal(drawn_by_yolo(label, text, cut), expected + 1)


@settings(deadline=None, max_examples=40)
@given(labels(), st.sampled_from([polygon_annotations, rle_annotations]))
def test_coco_as_an_import_draws_it(label, annotate):
    found = np.full(label.shape, VOID, np.int32)
    for annotation in json.loads(json.dumps(annotate(label))):
        fill_as_coco(found, annotation["segmentation"], annotation["category_id"])
    np.testing.assert_array_equal(found, label)


def test_a_region_with_a_hole_is_a_polygon_in_labelme_and_a_mask_in_cvat():
    label = np.zeros((12, 12), np.uint8)
    label[1:11, 1:11] = 1
    label[4:7, 4:7] = 0
    shapes = labelme.labelme_shapes(label, NAMES)
    assert [(shape["label"], shape["shape_type"]) for shape in shapes] == [
        ("a cat", "polygon"),
        ("_background_", "polygon"),
    ]
    assert shapes[0]["points"] == [[1.0, 1.0], [1.0, 10.0], [10.0, 10.0], [10.0, 1.0]]
    assert cvat.cvat_shapes(label, NAMES).startswith('<mask label="a cat"')
    label[4:7, 4:7] = 2
    assert [shape["label"] for shape in labelme.labelme_shapes(label, NAMES)] == list(NAMES.values())
    assert yolo_lines(label, {1: 0, 2: 1})[1] == 0, "what is in the hole covers it"


def test_a_single_pixel_is_kept():
    label = np.zeros((5, 5), np.uint8)
    label[2, 3] = 1
    (shape,) = labelme.labelme_shapes(label, NAMES)
    assert (shape["shape_type"], shape["points"]) == ("mask", [[3.0, 2.0], [3.0, 2.0]])
    assert 'rle="0, 1" left="3" top="2" width="1" height="1"' in cvat.cvat_shapes(label, NAMES)
    assert len(yolo_lines(label, {1: 0})[0].split()) == 1 + 3 * 2


def test_a_label_of_very_many_regions_is_a_mask_for_each_class(monkeypatch):
    monkeypatch.setattr(labelme, "_MAX_SHAPES", 20)
    monkeypatch.setattr(cvat, "_MAX_SHAPES", 20)
    label = np.random.default_rng(3).choice(VALUES, (30, 40))
    shapes = labelme.labelme_shapes(label, NAMES)
    assert [shape["label"] for shape in shapes] == [*NAMES.values(), IGNORE]
    np.testing.assert_array_equal(drawn_by_labelme(label, shapes), label)
    text = cvat.cvat_shapes(label, {**NAMES, VOID: IGNORE})
    assert text.count("<mask") == 3
    np.testing.assert_array_equal(drawn_by_cvat(label, text), label)


def test_yolo_keeps_pixels_of_large_images():
    label = np.zeros((3, 60_000), np.uint8)
    label[1, 59_990:59_999] = 1
    label[0:2, 7] = 2
    text, changed = yolo_lines(label, {1: 0, 2: 1})
    assert changed == 0
    np.testing.assert_array_equal(drawn_by_yolo(label, text, cut=True), label)
    np.testing.assert_array_equal(drawn_by_yolo(label, text, cut=False), label)


@pytest.mark.parametrize("name", ["yes", 'a "b"', "c: d", "größe 😀", "# e", "1.5", "\\n"])
def test_names_in_the_data_file_of_yolo(name):
    from ruamel.yaml import YAML

    document = YAML(typ="safe").load(yolo_data_file([name, "b"], {"train": "images/train"}))
    assert document == {"train": "images/train", "names": {0: name, 1: "b"}}
