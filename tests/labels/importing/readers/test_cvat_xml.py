"""Tests of reading CVAT's XML for images: each kind of shape, layers, subsets, and damaged files."""

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_fuzz import read_damaged
from PIL import Image

from fcn.errors import DataError
from fcn.labels.importing.importer import ImportOptions, plan_import
from fcn.labels.importing.readers import cvat_xml
from fcn.labels.importing.recognition import recognize
from fcn.labels.importing.source import SourceClass

SIZE = (12, 16)
LABELS = (("cat", "#ff0000"), ("dog", "#00ff00"))
TRIANGLE = (
    '<polygon label="cat" source="manual" occluded="0" points="1.00,1.00;9.00,1.00;1.00,9.00" z_order="0"/>'
)


def image_element(
    shapes: str, name: str = "a.jpg", size: tuple[int, int] = SIZE, number: int = 0, more: str = ""
) -> str:
    height, width = size
    attributes = f'id="{number}" name={quoteattr(name)} width="{width}" height="{height}" {more}'
    return f"<image {attributes}>\n{shapes}\n</image>\n"


def write_cvat(
    folder: Path, images: str, name: str = "annotations.xml", labels: Sequence[tuple[str, str]] = LABELS
) -> Path:
    listed = "".join(
        f"<label><name>{label}</name><color>{color}</color><type>any</type><attributes></attributes></label>"
        for label, color in labels
    )
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
        f"<meta><task><id>7</id><name>rooms</name><labels>{listed}</labels></task></meta>\n{images}</annotations>\n"
    )
    return path


def write_image(path: Path, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1]).save(path)
    return path


def drawn(folder: Path, shapes: str, size: tuple[int, int] = SIZE) -> np.ndarray:
    write_image(folder / "a.jpg", size)
    write_cvat(folder, image_element(shapes, size=size))
    (item,) = cvat_xml.read(folder).items
    return item.read_keys(size)


def refusal(folder: Path, size: tuple[int, int] = SIZE) -> str:
    with pytest.raises(DataError) as caught:
        [item.read_keys(size) for item in cvat_xml.read(folder).items]
    return str(caught.value)


coordinates = st.integers(-500, 4000).map(lambda value: value / 100)
polygons = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8)


@settings(max_examples=40)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(-1, 1), polygons), min_size=1, max_size=5),
)
def test_polygons_equal_opencv_to_the_pixel_in_the_order_of_their_layers(
    tmp_path_factory: pytest.TempPathFactory,
    size: tuple[int, int],
    shapes: list[tuple[int, int, list[tuple[float, float]]]],
) -> None:
    text = "".join(
        f'<polygon label="{LABELS[key - 1][0]}" z_order="{layer}" '
        f'points="{";".join(f"{x:.2f},{y:.2f}" for x, y in points)}"></polygon>'
        for key, layer, points in shapes
    )
    expected = np.zeros(size, np.uint8)
    for key, _, points in sorted(shapes, key=lambda one: one[1]):
        corners = [(round(float(f"{x:.2f}")), round(float(f"{y:.2f}"))) for x, y in points]
        cv2.fillPoly(expected, [np.array(corners, np.int32)], [key])
    np.testing.assert_array_equal(drawn(tmp_path_factory.mktemp("cvat"), text, size), expected)


def test_boxes_lie_on_their_corners_and_turn(tmp_path: Path) -> None:
    box = '<box label="cat" xtl="2.0" ytl="3.0" xbr="6.0" ybr="5.0" z_order="0"{}></box>'
    keys = drawn(tmp_path, box.format(""))
    expected = np.zeros(SIZE, np.int32)
    expected[3:6, 2:7] = 1
    np.testing.assert_array_equal(keys, expected)
    turned = drawn(tmp_path, box.format(' rotation="90.00"'))
    expected = np.zeros(SIZE, np.int32)
    expected[2:7, 3:6] = 1
    np.testing.assert_array_equal(turned, expected)


def test_an_ellipse_is_that_of_opencv(tmp_path: Path) -> None:
    keys = drawn(
        tmp_path, '<ellipse label="dog" cx="8.2" cy="5.9" rx="5.1" ry="2.8" rotation="30.5" z_order="0"/>'
    )
    expected = np.zeros(SIZE, np.uint8)
    cv2.ellipse(expected, (8, 6), (5, 3), 30.5, 0, 360, [2], thickness=-1)
    np.testing.assert_array_equal(keys, expected)


def test_a_mask_counts_along_its_rows(tmp_path: Path) -> None:
    shape = '<mask label="dog" rle="1, 2, 3" left="4" top="5" width="3" height="2" z_order="0"/>'
    expected = np.zeros(SIZE, np.int32)
    expected[5, 5:7] = 2
    np.testing.assert_array_equal(drawn(tmp_path, shape), expected)


def test_the_subset_of_a_task_or_else_the_name_of_its_file_is_the_split(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_image(tmp_path / f"{name}.jpg")
        write_cvat(tmp_path, image_element(TRIANGLE, f"{name}.jpg"), f"{name}.xml")
    (tmp_path / "b.xml").rename(tmp_path / "val.xml")
    path = tmp_path / "c.xml"
    path.write_text(path.read_text().replace("<id>7</id>", "<id>7</id><subset>Validation</subset>"))
    assert [item.split for item in cvat_xml.read(tmp_path).items] == [None, "val", "val"]


def test_what_has_no_area_and_images_without_shapes_are_said(tmp_path: Path) -> None:
    lines = '<polyline label="cat" points="1,1;5,5"/><points label="cat" points="1,1"/><tag label="cat"/>'
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        write_image(tmp_path / name)
    elements = [image_element(lines), image_element(TRIANGLE, "b.jpg"), image_element(TRIANGLE, "gone.jpg")]
    write_cvat(tmp_path, "".join(elements))
    source = cvat_xml.read(tmp_path)
    assert recognize(tmp_path) == "cvat"
    assert [bool(item.read_keys(SIZE).any()) for item in source.items] == [False, True]
    assert source.notes == (
        "1 image has no shape: all of them is background",
        "3 annotations without an area (polylines, points, cuboids, skeletons, tags): left out",
        "1 image is listed, but not there: left out, such as 'gone.jpg' (annotations.xml)",
        "1 image is in no file of CVAT: left out",
    )


def test_labels_keep_their_colors_and_background_is_no_class_of_its_own(tmp_path: Path) -> None:
    labels = (("background", "#000000"), ("cat", "#12ab00"), ("ear", ""))
    write_image(tmp_path / "a.jpg")
    hole = TRIANGLE.replace("cat", "background").replace('z_order="0"', 'z_order="1"')
    write_cvat(
        tmp_path, image_element(hole + TRIANGLE + TRIANGLE.replace("cat", "&lt;new&gt;")), labels=labels
    )
    source = cvat_xml.read(tmp_path)
    assert source.classes == {
        0: SourceClass("background"),
        1: SourceClass("cat", (0x12, 0xAB, 0)),
        2: SourceClass("ear"),
        3: SourceClass("<new>"),
    }
    assert not source.items[0].read_keys(SIZE).any()


def test_one_color_for_two_labels_is_said_and_not_written(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_image(tmp_path / f"{name}.jpg")
    images = image_element(TRIANGLE) + image_element(TRIANGLE).replace("a.jpg", "b.jpg")
    write_cvat(tmp_path, images, labels=(("cat", "#12ab00"), ("dog", "#12ab00")))
    plan = plan_import([tmp_path], ImportOptions())
    assert (
        "'cat', 'dog' have one color in the source; Pascal VOC's colors were taken, which differ"
        in plan.notes
    )
    assert len({*plan.choice.classes.palette}) == 3


def test_subsets_and_tasks_of_a_project(tmp_path: Path) -> None:
    for subset in ("Train", "Validation"):
        write_image(tmp_path / "images" / subset / "room 1" / "a.jpg")
    elements = [
        image_element(TRIANGLE, "room 1/a.jpg", more=f'subset="{subset}" task_id="{number}"')
        for number, subset in enumerate(["Train", "Validation"])
    ]
    write_cvat(tmp_path, "".join(elements))
    source = cvat_xml.read(tmp_path)
    assert {item.name: item.split for item in source.items} == {
        "images/Train/room 1/a": "train",
        "images/Validation/room 1/a": "val",
    }


def test_several_files_of_tasks_share_labels_by_name(tmp_path: Path) -> None:
    for task in ("one", "two"):
        write_image(tmp_path / task / "images" / "a.jpg")
    write_cvat(tmp_path / "one", image_element(TRIANGLE))
    write_cvat(tmp_path / "two", image_element(TRIANGLE), labels=LABELS[::-1])
    keys = [item.read_keys(SIZE) for item in cvat_xml.read(tmp_path).items]
    assert len(keys) == 2
    np.testing.assert_array_equal(keys[0], keys[1])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ('<polygon label="cat" points="1,1;5,5"/>', "not three or more pairs"),
        ('<polygon label="cat" points="1,1;5,5;3"/>', "not three or more pairs"),
        ('<polygon label="cat" points="1,1;5,5;x,3"/>', "not numbers"),
        ('<polygon label="cat" points="1,1;5,5;nan,3"/>', "not within"),
        ('<polygon label="cat" points="1,1;5,5;1e9,3"/>', "not within"),
        ('<polygon label="cat"/>', "not three or more pairs"),
        ('<polygon points="1,1;5,5;1,5"/>', "has no label"),
        ('<polygon label="cat" points="1,1;5,5;1,5" z_order="high"/>', "whole number for z_order"),
        ('<box label="cat" xtl="1" ytl="1" xbr="5"/>', "expected a number for ybr"),
        ('<box label="cat" xtl="1" ytl="1" xbr="5" ybr="inf"/>', "expected a number for ybr"),
        ('<ellipse label="cat" cx="1" cy="1" rx="-5" ry="1"/>', "radius is negative"),
        ('<mask label="cat" rle="1,2,3" left="15" top="5" width="3" height="2"/>', "not within the image"),
        ('<mask label="cat" rle="1,2" left="4" top="5" width="3" height="2"/>', "do not add up"),
        ('<mask label="cat" rle="1,-2,7" left="4" top="5" width="3" height="2"/>', "not numbers"),
        ('<mask label="cat" rle="" left="4" top="5" width="3" height="2"/>', "not numbers"),
        (f'<mask label="cat" rle="{1 << 64},2" left="4" top="5" width="3" height="2"/>', "whole numbers"),
        (f'<mask label="cat" rle="{"9" * 5000}" left="4" top="5" width="3" height="2"/>', "not numbers"),
        ('<mask label="cat" rle="6" left="4" top="5" width="999999999" height="999999999"/>', "not within"),
    ],
)
def test_a_damaged_shape_is_named_with_its_line(tmp_path: Path, shape: str, expected: str) -> None:
    write_image(tmp_path / "a.jpg")
    path = write_cvat(tmp_path, image_element(shape))
    message = refusal(tmp_path)
    assert expected in message
    assert message.startswith(f"{path}: line 6: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<!DOCTYPE annotations><annotations></annotations>", "line 1: has a document type"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "line 1: has a document type"),
        ("<annotations>&b;</annotations>", "is not XML (undefined entity"),
        ("<annotations>", "is not XML"),
        ("<a><annotations></annotations></a>", "expected annotations of CVAT"),
        ("<annotations><track/></annotations>", "CVAT for video"),
        ("<annotations>" + "<a>" * 40, "nested deeper"),
        ("<annotations><meta><labels><label></label></labels></meta></annotations>", "label without a name"),
        ('<annotations><image name="a.jpg" width="16"/></annotations>', "whole number for height"),
        ('<annotations><image width="16" height="12"/></annotations>', "has no name"),
        (
            '<annotations><image name="../../b.jpg" width="16" height="12"/></annotations>',
            "none of its images",
        ),
        ('<annotations><image name="a.jpg" width="12" height="16"/></annotations>', "as stored"),
        ("<annotations>\0</annotations>", "is not XML"),
        ("<annotations></annotations>", "none of its images"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, expected: str) -> None:
    write_image(tmp_path / "a.jpg")
    path = tmp_path / "annotations.xml"
    path.write_text(text)
    message = refusal(tmp_path)
    assert message.startswith(f"{path}: ")
    assert expected in message


def test_an_image_in_two_files_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    write_cvat(tmp_path, image_element(TRIANGLE))
    write_cvat(tmp_path, image_element(TRIANGLE), "again.xml")
    assert "was labeled twice, also in" in refusal(tmp_path)


def test_xml_of_voc_is_not_cvats(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    (tmp_path / "a.xml").write_text("<annotation><object><name>cat</name></object></annotation>")
    assert not cvat_xml.recognizes(tmp_path)


@pytest.mark.parametrize(
    "examples", [60, pytest.param(10_000, marks=pytest.mark.exhaustive)], ids=lambda count: f"{count} files"
)
def test_damaged_files_are_read_or_refused(tmp_path: Path, examples: int) -> None:
    write_image(tmp_path / "a.jpg")
    shapes = (
        f"{TRIANGLE}\n"
        '<box label="dog" xtl="2.0" ytl="3.0" xbr="6.0" ybr="5.0" rotation="10.5" z_order="1"></box>\n'
        '<ellipse label="dog" cx="8.2" cy="5.9" rx="5.1" ry="2.8" rotation="30.5" z_order="0"/>\n'
        '<mask label="dog" rle="1, 2, 3" left="4" top="5" width="3" height="2" z_order="0"/>\n'
    )
    path = write_cvat(tmp_path, image_element(shapes))
    read_damaged(tmp_path, path, cvat_xml.read, examples, SIZE)
