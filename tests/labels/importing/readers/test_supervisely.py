import base64
import json
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from importing_sources import SIZE, import_labels, plan_of, write_image
from PIL import Image

from fcn.errors import DataError
from fcn.labels.importing.readers.supervisely_objects import draw_object, fill_as_supervisely, read_bitmap
from fcn.labels.importing.recognition import recognize

META = {
    "classes": [
        {"title": "dog", "shape": "any", "color": "#C81E3C"},
        {"title": "cat", "shape": "bitmap", "color": "#0AFA05"},
    ]
}


def encode(mask, packed=True, mode="palette") -> str:
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    options = {}
    if mode == "palette":  # as Supervisely's own library writes it
        image.putpalette([0, 0, 0, 255, 255, 255])
        image = Image.fromarray(mask.astype(np.uint8))
        image.putpalette([0, 0, 0, 255, 255, 255])
        options = {"transparency": 0}
    elif mode == "RGBA":
        image = Image.fromarray(np.dstack([np.full_like(np.array(image), 7)] * 3 + [np.array(image)]))
    buffer = BytesIO()
    image.save(buffer, "PNG", **options)
    data = buffer.getvalue()
    return base64.b64encode(zlib.compress(data) if packed else data).decode()


def polygon(title, exterior, interior=()) -> dict:
    points = {"exterior": exterior, "interior": list(interior)}
    return {"classTitle": title, "geometryType": "polygon", "points": points}


def rectangle(title, exterior) -> dict:
    return {
        "classTitle": title,
        "geometryType": "rectangle",
        "points": {"exterior": exterior, "interior": []},
    }


def bitmap(title, mask, origin=(0, 0), **options) -> dict:
    return {
        "classTitle": title,
        "geometryType": "bitmap",
        "bitmap": {"data": encode(mask, **options), "origin": list(origin)},
    }


def build(folder, objects, meta=META, size=SIZE, dataset="train"):
    write_image(folder / dataset / "img/a.jpg", size)
    path = folder / dataset / "ann/a.jpg.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"size": dict(zip(("height", "width"), size, strict=True)), "objects": objects})
    )
    write_image(folder / "valid/img/b.png", size)
    (folder / "valid/ann").mkdir(parents=True, exist_ok=True)
    (folder / "valid/ann/b.png.json").write_text(path.read_text())
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


SQUARE = [[1, 1], [6, 1], [6, 4], [1, 4]]


def test_polygons_rectangles_and_bitmaps_in_the_order_of_the_file(tmp_path) -> None:
    mask = np.array([[1, 0], [0, 1]], bool)
    objects = [
        polygon("cat", SQUARE, [[[3, 2], [5, 2], [5, 3], [3, 3]]]),
        rectangle("dog", [[6.9, 5.5], [5, 4]]),
        bitmap("dog", mask, (0, 0)),
        bitmap("cat", mask, (7, 5)),
        {
            "classTitle": "cat",
            "geometryType": "line",
            "points": {"exterior": [[0, 0], [7, 5]], "interior": []},
        },
    ]
    folder = build(tmp_path / "source", objects)
    assert recognize(folder) == "supervisely"
    plan, labels = import_labels(folder)
    assert plan.choice.classes.names == ("background", "dog", "cat")
    assert plan.splits == ["train", "val"]
    assert "2 objects without an area (lines, points and others): left out" in plan.notes
    expected = [
        [1, 0, 0, 0, 0, 0, 0, 0],
        [0, 1, 2, 2, 2, 2, 2, 0],
        [0, 2, 2, 0, 0, 0, 2, 0],
        [0, 2, 2, 0, 0, 0, 2, 0],
        [0, 2, 2, 2, 2, 1, 1, 0],
        [0, 0, 0, 0, 0, 1, 1, 2],
    ]
    for label in labels.values():
        np.testing.assert_array_equal(label, expected)


def test_nested_datasets_and_annotations_without_a_suffix(tmp_path) -> None:
    folder = build(tmp_path / "source", [rectangle("cat", [[0, 0], [1, 1]])], dataset="a/datasets/b")
    (folder / "a/datasets/b/ann/a.jpg.json").rename(folder / "a/datasets/b/ann/a.json")
    assert sorted(plan_of(folder).names) == ["a", "b"]


def test_a_class_that_is_called_background(tmp_path) -> None:
    meta = {"classes": [{"title": "cat", "color": "#ff0000"}, {"title": "background", "color": "#000000"}]}
    plan = plan_of(build(tmp_path, [rectangle("background", [[0, 0], [1, 1]])], meta))
    assert plan.choice.classes.names == ("background", "cat")


def test_an_annotation_without_its_image(tmp_path) -> None:
    folder = build(tmp_path, [])
    (folder / "valid/img/b.png").unlink()
    plan_notes = []
    with pytest.raises(DataError, match="images"):
        plan_notes = plan_of(folder).notes
    write_image(folder / "train/img/c.jpg")
    (folder / "train/ann/c.jpg.json").write_text((folder / "train/ann/a.jpg.json").read_text())
    plan_notes = plan_of(folder).notes
    assert any("1 annotation has no image" in note for note in plan_notes)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("mode", ["palette", "RGBA", "gray"])
def test_bitmaps_are_read_however_they_are_stored(packed, mode) -> None:
    mask = np.random.default_rng(0).integers(0, 2, (5, 7)).astype(bool)
    np.testing.assert_array_equal(read_bitmap(encode(mask, packed, mode), (5, 7)), mask)


def test_a_bitmap_of_supervisely_itself() -> None:
    """From the documentation of its library: a square of 3x3 without its center."""
    image = cv2.imencode(".png", np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8))[1].tobytes()
    found = read_bitmap(base64.b64encode(zlib.compress(image)).decode(), (3, 3))
    np.testing.assert_array_equal(found, [[1, 1, 1], [1, 0, 1], [1, 1, 1]])


@pytest.mark.parametrize("origin", [(-2, -3), (6, 4), (100, 0), (-100, -100), (0.9, 1.2)])
def test_bitmaps_beyond_the_image_are_cut(origin) -> None:
    mask = np.ones((4, 4), bool)
    keys = np.zeros(SIZE, np.int32)
    draw_object(keys, bitmap("cat", mask, origin), 5)
    left, top = np.floor(origin)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    inside = (rows >= top) & (rows < top + 4) & (columns >= left) & (columns < left + 4)
    np.testing.assert_array_equal(keys, 5 * inside)


def fill_whole_image(size, exterior, interiors) -> np.ndarray:
    """What its library does: exterior, then interiors, on an empty image of the whole size."""
    image = np.zeros(size, np.uint8)
    cv2.fillPoly(image, [exterior], [1])
    cv2.fillPoly(image, interiors, [0])
    return image


rings = st.lists(st.tuples(st.integers(-60, 120), st.integers(-60, 120)), min_size=3, max_size=9).map(
    lambda points: np.array(points, np.int32)
)


@settings(deadline=None, max_examples=60)
@given(rings, st.lists(rings, max_size=3), st.integers(1, 70), st.integers(1, 70))
def test_polygons_equal_a_filling_of_the_whole_image(exterior, interiors, height, width) -> None:
    keys = np.zeros((height, width), np.int32)
    fill_as_supervisely(keys, exterior, interiors, 1)
    np.testing.assert_array_equal(keys, fill_whole_image((height, width), exterior, interiors))


@settings(deadline=None, max_examples=15)
@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), min_size=3, max_size=9))
def test_far_polygons_equal_a_filling_of_the_whole_image(points) -> None:
    exterior = np.floor(points).astype(np.int32)
    keys = np.zeros((20, 30), np.int32)
    draw_object(keys, polygon("cat", [list(point) for point in points]), 1)
    np.testing.assert_array_equal(keys, fill_whole_image((20, 30), exterior, []))


BOMB = base64.b64encode(zlib.compress(b"\x89PNG" + bytes(1 << 26))).decode()


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (polygon("cat", [[0, 0], [1, 1]]), "fewer than three corners"),
        (polygon("cat", SQUARE, [[[1, 1]]]), "fewer than three corners"),
        (polygon("cat", "x"), "it has no points"),
        (polygon("cat", SQUARE) | {"points": []}, "it has no points"),
        (
            polygon("cat", SQUARE) | {"points": {"exterior": SQUARE, "interior": 5}},
            "interiors are not a list",
        ),
        (polygon("cat", [[0, 0], [1, 1e30], [2, 2]]), "not within"),
        (polygon("cat", [[0, 0], [1], [2, 2]]), "not numbers"),
        (polygon("cat", [[0, 0], [float("nan"), 1], [2, 2]]), "not within"),
        (rectangle("cat", [[0, 0]]), "not two corners"),
        (bitmap("cat", np.ones((9, 9), bool)), "larger than the image"),
        (bitmap("cat", np.ones((2, 2), bool)) | {"bitmap": {"data": 5, "origin": [0, 0]}}, "no bitmap"),
        (bitmap("cat", np.ones((2, 2), bool)) | {"bitmap": {"data": "@@@@", "origin": [0, 0]}}, "damaged"),
        (bitmap("cat", np.ones((2, 2), bool)) | {"bitmap": {"data": BOMB, "origin": [0, 0]}}, "too large"),
        (bitmap("cat", np.ones((2, 2), bool), []), "its points are not pairs of numbers"),
        (polygon("cow", SQUARE), "does not name: 'cow'"),
        (polygon("cat", SQUARE) | {"geometryType": "cube"}, "unknown geometry: 'cube'"),
        (polygon("cat", SQUARE) | {"geometryType": []}, "unknown geometry"),
        (polygon([], SQUARE), "does not name"),
        (5, "unknown geometry: '5'"),
    ],
)
def test_damaged_objects_are_refused_by_number(tmp_path, one, message) -> None:
    folder = build(tmp_path, [rectangle("cat", [[0, 0], [1, 1]]), one])
    with pytest.raises(DataError, match=rf"a\.jpg\.json: object 2.*{message}"):
        plan_of(folder)


def test_an_annotation_of_another_size(tmp_path) -> None:
    folder = build(tmp_path, [])
    write_image(folder / "train/img/a.jpg", (9, 9))
    with pytest.raises(DataError, match=r"a\.jpg\.json: expected the size of its image, 9x9") as caught:
        plan_of(folder)
    assert "--fit skip" in str(caught.value)
    assert "--fit pad" not in str(caught.value), "that is for masks"


@pytest.mark.parametrize(
    "meta",
    [{"classes": 5}, {"classes": [5]}, {"classes": [{}]}, {"classes": [{"title": "a"}, {"title": "a"}]}, []],
)
def test_damaged_descriptions(tmp_path, meta) -> None:
    with pytest.raises(DataError, match=r"meta\.json: expected|is not a project"):
        plan_of(build(tmp_path, [], meta), "supervisely")
