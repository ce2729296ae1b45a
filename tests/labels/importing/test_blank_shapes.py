"""Shapes that cover no pixel of their image are counted, and the first is named."""

import base64
import json
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from importing_sources import write_image, write_text
from PIL import Image

from fcn.labels.importing.filling import (
    LabelmeShape,
    fill_as_coco,
    fill_as_labelme,
    fill_as_opencv,
    is_outside,
)
from fcn.labels.importing.importer import ImportOptions, plan_import, write_import
from fcn.labels.importing.readers.supervisely_objects import draw_object

SIZE = (12, 16)
INSIDE = [(2, 2), (9, 2), (9, 9), (2, 9)]
FAR = [(100, 2), (109, 2), (109, 9), (100, 9)]
SHARES = [(0.1, 0.1), (0.4, 0.1), (0.4, 0.4), (0.1, 0.4)]


def flat(points):
    return [number for point in points for number in point]


def write_coco(folder: Path) -> str:
    shapes = [(1, INSIDE), (1, SHARES), (2, FAR), (2, INSIDE)]
    document = {
        "images": [{"id": number, "file_name": f"{name}.png"} for number, name in enumerate("ab", start=1)],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": number * 10, "image_id": image, "category_id": 1, "segmentation": [flat(points)]}
            for number, (image, points) in enumerate(shapes)
        ],
    }
    return f"annotations[1] (id 10) in {write_text(folder / 'labels.json', json.dumps(document))}"


def write_cvat(folder: Path) -> str:
    def polygon(points):
        return f'<polygon label="cat" points="{";".join(f"{x},{y}" for x, y in points)}"/>\n'

    images = [
        f'<image name="{name}.png" height="12" width="16">\n{"".join(map(polygon, shapes))}</image>\n'
        for name, shapes in (("a", [INSIDE, FAR]), ("b", [FAR, INSIDE]))
    ]
    path = write_text(folder / "annotations.xml", f"<annotations>\n{''.join(images)}</annotations>")
    return f"line 4 in {path}"


def write_yolo(folder: Path) -> str:
    def line(points):
        return "0 " + " ".join(f"{x / 16:g} {y / 12:g}" for x, y in points)

    edge = [(16, 2), (16, 5), (16, 9)]
    for name in "ab":
        write_text(folder / f"{name}.txt", f"{line(INSIDE)}\n\n{line(edge)}\n")
    write_text(folder / "data.yaml", "names: [cat]\n")
    return f"line 3 in {folder / 'a.txt'}"


def write_labelme(folder: Path) -> str:
    for name in "ab":
        shapes = [{"label": "cat", "shape_type": "polygon", "points": points} for points in (FAR, INSIDE)]
        document = {"shapes": shapes, "imagePath": f"{name}.png", "imageHeight": 12, "imageWidth": 16}
        write_text(folder / f"{name}.json", json.dumps(document))
    return f"shape 1 in {folder / 'a.json'}"


def write_supervisely(folder: Path) -> str:
    write_text(folder / "meta.json", json.dumps({"classes": [{"title": "cat", "color": "#ff0000"}]}))
    for name in "ab":
        objects = [
            {"classTitle": "cat", "geometryType": "polygon", "points": {"exterior": points, "interior": []}}
            for points in (INSIDE, FAR)
        ]
        document = {"size": {"height": 12, "width": 16}, "objects": objects}
        write_text(folder / "set" / "ann" / f"{name}.png.json", json.dumps(document))
        write_image(folder / "set" / "img" / f"{name}.png", SIZE)
    return f"object 2 in {folder / 'set' / 'ann' / 'a.png.json'}"


@pytest.mark.parametrize("write", [write_coco, write_cvat, write_yolo, write_labelme, write_supervisely])
def test_shapes_without_a_pixel_are_counted_with_the_first(tmp_path, write) -> None:
    source = tmp_path / "source"
    if write is not write_supervisely:
        for name in "ab":
            write_image(source / f"{name}.png", SIZE)
    first = write(source)
    plan = plan_import([source], ImportOptions())
    (note,) = (note for note in plan.notes if "no pixel of the image" in note)
    assert note.startswith(f"2 shapes cover no pixel of the image, such as {first};")
    write_import(plan, tmp_path / "root")
    record = json.loads((tmp_path / "root" / "import.json").read_text())
    assert sum("no pixel" in one for one in record["notes"]) == 1


def test_one_shape_is_one() -> None:
    from fcn.labels.importing.blank_shapes import BlankShapes

    blanks = BlankShapes()
    assert blanks.describe() == []
    blanks.add(Path("b.json"), 2, "shape 2")
    assert blanks.describe()[0].startswith("1 shape covers no pixel of the image, such as shape 2 in b.json")
    blanks.add(Path("b.json"), 10, "shape 10")
    blanks.add(Path("a.json"), 30, "shape 30")
    assert blanks.describe()[0].startswith("3 shapes cover no pixel of the image, such as shape 30 in a.json")


def bitmap(left: int, top: int, pixel: int) -> dict[str, object]:
    file = BytesIO()
    Image.fromarray(np.full((3, 3), pixel, np.uint8)).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return {"geometryType": "bitmap", "bitmap": {"data": data, "origin": [left, top]}}


def test_what_is_drawn_decides_whether_a_shape_has_a_pixel() -> None:
    """For random shapes at the borders of an image."""
    rng = np.random.default_rng(0)
    for _ in range(400):
        points = rng.uniform(-14, 26, (int(rng.integers(3, 6)), 2)).round(1).tolist()
        keys = np.zeros(SIZE, np.int32)
        assert fill_as_opencv(keys, [points], 7) == keys.any()
        expected = np.zeros(SIZE, np.int32)
        cv2.fillPoly(expected, [np.rint(points).astype(np.int32)], [7])
        np.testing.assert_array_equal(keys, expected)
        keys = np.zeros(SIZE, np.int32)
        assert fill_as_coco(keys, [flat(points)], 7) == keys.any()
        whole = np.floor(points).astype(int).tolist()
        for one in (
            {"geometryType": "polygon", "points": {"exterior": whole, "interior": []}},
            {"geometryType": "rectangle", "points": {"exterior": whole[:2], "interior": []}},
            bitmap(*whole[0], int(rng.integers(2))),
        ):
            keys = np.zeros(SIZE, np.int32)
            assert draw_object(keys, one, 7) == keys.any(), one
        mask = np.zeros((4, 4), bool)
        mask[tuple(rng.integers(0, 4, 2))] = True
        shape = LabelmeShape("mask", points[:1], 7, mask)
        assert is_outside(shape, SIZE) != fill_as_labelme(SIZE, [shape]).any()
        for kind, few in (
            ("polygon", points),
            ("circle", points[:2]),
            ("line", points[:2]),
            ("point", points[:1]),
        ):
            shape = LabelmeShape(kind, few, 7)
            assert not (is_outside(shape, SIZE) and fill_as_labelme(SIZE, [shape]).any()), shape
