"""Tests of reading COCO's JSON: equal to pycocotools, real files, and damaged ones."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_fuzz import read_damaged
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from fcn.errors import DataError
from fcn.labels.importing.importer import ImportOptions, plan_import
from fcn.labels.importing.readers import coco
from fcn.labels.importing.recognition import recognize
from fcn.labels.importing.source import SourceClass

SIZE = (12, 16)
TRIANGLE = [[1, 1, 9, 1, 1, 9]]


def write_coco(
    folder: Path,
    annotations: Sequence[Any],
    images: Sequence[str] = ("a.jpg",),
    categories: Sequence[tuple[int, str]] = ((3, "cat"), (9, "dog")),
    name: str = "instances.json",
    size: tuple[int, int] = SIZE,
) -> Path:
    document = {
        "images": [
            {"id": number, "file_name": image, "height": size[0], "width": size[1]}
            for number, image in enumerate(images, start=1)
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in categories],
    }
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def write_image(path: Path, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1]).save(path)
    return path


def annotation(segmentation: Any, category: int = 3, image: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": 7, "image_id": image, "category_id": category, "segmentation": segmentation, **more}


def refusal(folder: Path, size: tuple[int, int] = SIZE) -> str:
    with pytest.raises(DataError) as caught:
        [item.read_keys(size) for item in coco.read(folder).items]
    return str(caught.value)


def drawn_by_pycocotools(path: Path, image_id: int) -> np.ndarray:
    """Returns the categories of an image, drawn by falling area."""
    data = COCO(str(path))
    image = data.loadImgs([image_id])[0]
    label = np.zeros((image["height"], image["width"]), np.int32)
    masks = []
    for one in data.loadAnns(data.getAnnIds([image_id])):
        mask, shape = data.annToMask(one).astype(bool), one["segmentation"]
        area = shoelace(shape) if isinstance(shape, list) else float(mask.sum())
        masks.append((area, mask, one["category_id"]))
    for _, mask, category in sorted(masks, key=lambda one: -one[0]):
        label[mask] = category
    return label


def shoelace(polygons: Sequence[Sequence[float]]) -> float:
    total = 0.0
    for polygon in polygons:
        points = list(zip(polygon[::2], polygon[1::2], strict=True))
        pairs = zip(points, points[1:] + points[:1], strict=True)
        total += abs(sum(x * v - u * y for (x, y), (u, v) in pairs)) / 2
    return total


def test_the_sample_of_coco_has_80_classes_and_is_drawn_as_pycocotools_does() -> None:
    if "FCN_DATA" not in os.environ:
        pytest.skip("FCN_DATA is not set")
    folder = Path(os.environ["FCN_DATA"], "own", "coco_tiny")
    assert recognize(folder) == "coco"
    source = coco.read(folder)
    assert len(source.items) == 6
    assert len(source.classes) == 81
    assert source.classes[90] == SourceClass("toothbrush")
    path = folder / "annotations" / "instances_val2017.json"
    document = json.loads(path.read_text())
    for item in source.items:
        image = next(one for one in document["images"] if one["file_name"] == f"{item.name[-12:]}.jpg")
        label = item.read_keys((image["height"], image["width"]))
        np.testing.assert_array_equal(label, drawn_by_pycocotools(path, image["id"]))
    assert source.notes == ("1 crowd (iscrowd) was labeled as its class",)


# Quarters, so that areas are exact and equal ones stay equal.
coordinates = st.integers(-20, 120).map(lambda value: value / 4)
polygons = st.lists(coordinates, min_size=6, max_size=14).map(lambda values: values[: len(values) // 2 * 2])


@st.composite
def segmentations(draw: st.DrawFn, size: tuple[int, int]) -> Any:
    kind = draw(st.sampled_from(["polygons", "runs", "compressed"]))
    if kind == "polygons":
        return draw(st.lists(polygons, min_size=1, max_size=3))
    chance = np.random.default_rng(draw(st.integers(0, 1000)))
    mask = chance.random(size) < draw(st.sampled_from([0, 0.01, 0.5, 1]))
    counts: Any = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    if kind == "runs":
        changes = np.flatnonzero(np.diff(mask.T.ravel().astype(int), prepend=0, append=2))
        counts = np.diff(changes, prepend=0).tolist()
    return {"size": list(size), "counts": counts}


@settings(max_examples=40)
@given(st.data())
def test_polygons_and_run_lengths_equal_pycocotools_to_the_pixel(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("coco")
    size = data.draw(st.tuples(st.integers(1, 24), st.integers(1, 24)))
    found = data.draw(st.lists(segmentations(size), min_size=1, max_size=5))
    annotations = [
        annotation(segmentation, category=number) | {"id": number, "area": 0}
        for number, segmentation in enumerate(found, start=1)
    ]
    categories = [(number, f"class {number}") for number in range(1, 6)]
    path = write_coco(folder, annotations, size=size, categories=categories)
    write_image(folder / "a.jpg", size)
    (item,) = coco.read(folder).items
    np.testing.assert_array_equal(item.read_keys(size), drawn_by_pycocotools(path, 1))


def test_small_objects_cover_large_ones_whatever_their_stated_area(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    large, small = [[0, 0, 15, 0, 15, 11, 0, 11]], [[4, 4, 8, 4, 8, 8, 4, 8]]
    write_coco(tmp_path, [annotation(small, 9, area=100), annotation(large, 3, area=1)])
    (item,) = coco.read(tmp_path).items
    keys = item.read_keys(SIZE)
    assert (keys[5, 5], keys[1, 1]) == (9, 3)


def test_a_crowd_is_labeled_as_its_class_and_a_box_is_said(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    crowd = {"size": list(SIZE), "counts": [0, SIZE[0] * SIZE[1]]}
    write_coco(tmp_path, [annotation(crowd, iscrowd=1), annotation([], 9, bbox=[1, 1, 2, 2])])
    source = coco.read(tmp_path)
    assert (source.items[0].read_keys(SIZE) == 3).all()
    assert source.notes == (
        "1 annotation has a box and no segmentation: left out, so that their pixels count as background",
        "1 crowd (iscrowd) was labeled as its class",
    )


def test_images_are_found_wherever_they_are_and_those_without_annotations_are_background(
    tmp_path: Path,
) -> None:
    names = ["images/val2017/a.jpg", "deep/er/b.jpg", "c.JPG", "d.jpg", "not listed.jpg"]
    for name in names:
        write_image(tmp_path / name)
    listed = ["a.jpg", r"C:\work\b.jpg", "/home/x/c.jpg", "d", "gone.jpg"]
    write_coco(tmp_path, [annotation(TRIANGLE)], listed, name="annotations/instances_val2017.json")
    source = coco.read(tmp_path)
    assert {item.image for item in source.items} == {tmp_path / name for name in names[:4]}
    assert {item.split for item in source.items} == {"val"}
    assert [bool(item.read_keys(SIZE).any()) for item in source.items].count(False) == 3
    assert source.notes == (
        "3 images have no annotation: all of them is background",
        "1 image is listed, but not there: left out, such as 'gone.jpg' (instances_val2017.json)",
        f"1 image is in no list: left out, such as {tmp_path / names[4]}",
    )


def test_files_for_splits_may_number_their_categories_differently(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        write_image(tmp_path / split / "a.jpg")
    train, valid = [(1, "cat"), (2, "dog")], [(7, "dog"), (9, "cat")]
    name = "_annotations.coco.json"
    write_coco(tmp_path / "train", [annotation(TRIANGLE, 2)], categories=train, name=name)
    write_coco(tmp_path / "valid", [annotation(TRIANGLE, 7)], categories=valid, name=name)
    write_coco(tmp_path / "test", [annotation(TRIANGLE, 7)], categories=valid, name=name)
    source = coco.read(tmp_path)
    assert {item.split: item.image.parent.name for item in source.items if isinstance(item.image, Path)} == {
        "train": "train",
        "val": "valid",
        "test": "test",
    }
    for item in source.items:
        (key,) = set(np.unique(item.read_keys(SIZE)).tolist()) - {0}
        assert source.classes[key].name == "dog"


def test_a_category_0_is_a_class_and_goes_by_its_id(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    write_image(tmp_path / "b.jpg")
    annotations = [annotation(TRIANGLE, 0), annotation(TRIANGLE, 5, image=2)]
    write_coco(tmp_path, annotations, ["a.jpg", "b.jpg"], categories=[(0, "cat"), (5, "dog")])
    options = ImportOptions()
    plan = plan_import([tmp_path], options)
    assert plan.choice.classes.names == ("background", "cat", "dog")
    void = plan_import([tmp_path], options._replace(classes=options.classes._replace(void=("5",))))
    assert void.choice.classes.names == ("background", "cat")
    void = plan_import([tmp_path], options._replace(classes=options.classes._replace(void=("0",))))
    assert void.choice.classes.names == ("background", "dog")


BACK = ((1, "Background"), (2, "cat"))


def folder_of_two(folder: Path) -> Path:
    """Adds an image without annotations, since one image cannot be divided."""
    path = folder / "instances.json"
    document = json.loads(path.read_text())
    document["images"].append({"id": 2, "file_name": "b.jpg", "height": SIZE[0], "width": SIZE[1]})
    path.write_text(json.dumps(document))
    write_image(folder / "b.jpg")
    return folder


def test_ids_as_large_as_colors_and_a_category_called_background(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    categories = [(1, "background"), (1 << 40, "dog"), (1 << 30, "cat"), (1 << 31, "cat")]
    write_coco(tmp_path, [annotation(TRIANGLE, 1 << 40)], categories=categories)
    source = coco.read(tmp_path)
    assert {key: one.name for key, one in source.classes.items()} == {0: "background", 2: "cat", 3: "dog"}
    assert "have one name, 'cat', and became one class" in source.notes[-1]
    write_coco(tmp_path, [annotation(TRIANGLE, 1), annotation([[9, 1, 15, 1, 15, 9]], 2)], categories=BACK)
    plan = plan_import([folder_of_two(tmp_path)], ImportOptions())
    assert plan.choice.classes.names == ("background", "cat")
    keys = plan.tally.counted[0].item.read_keys(SIZE)
    assert np.unique(keys).tolist() == [0, 2]
    assert not keys[1:6, 1:3].any(), "a shape of the background is background"


def test_captions_and_keypoints_beside_instances_are_left_out(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    write_coco(tmp_path, [annotation(TRIANGLE)], name="instances_train.json")
    write_coco(tmp_path, [{"id": 1, "image_id": 1, "caption": "a cat"}], name="captions_train.json")
    people = [{"id": 1, "name": "person", "keypoints": ["nose"]}]
    poses = [annotation(TRIANGLE, 1, keypoints=[1, 1, 2])]
    write_coco(tmp_path, [], name="person_train.json").write_text(
        json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": poses, "categories": people})
    )
    source = coco.read(tmp_path)
    assert len(source.items) == 1
    assert len(source.notes) == 2
    (tmp_path / "instances_train.json").unlink()
    assert coco.read(tmp_path).classes[1].name == "person"


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ([{"image_id": 1, "segments_info": [], "file_name": "a.png"}], "is COCO's panoptic form"),
        ([{"image_id": 1, "category_id": 3, "keypoints": [1, 1, 2]}], "has keypoints and no segmentation"),
        (
            [{"image_id": 1, "category_id": 3, "bbox": [1, 1, 2, 2], "segmentation": []}],
            "has boxes and no segm",
        ),
        ([{"image_id": 1, "caption": "a cat"}], "has captions"),
    ],
)
def test_other_kinds_are_recognized_and_refused_with_a_hint(
    tmp_path: Path, annotations: list[Any], expected: str
) -> None:
    write_image(tmp_path / "a.jpg")
    path = write_coco(tmp_path, annotations)
    assert recognize(tmp_path) == "coco"
    assert expected in refusal(tmp_path)
    assert str(path) in refusal(tmp_path)


FULL = SIZE[0] * SIZE[1]


@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [
        ([1, 1, 5, 1, 5, 5], "not pairs"),
        ([[1, 1, 5, 1, 5]], "not pairs"),
        ([["x", 1, 5, 1]], "not numbers"),
        ([[1, 1, 5, 1, 5, float("nan")]], "not within"),
        ([[1, 1, 5, 1, 5, 1e9]], "not within"),
        ([[0, 0, 0, 1e6] * 40], "too long"),
        ({"counts": [FULL]}, "size of its image"),
        ({"size": [SIZE[1], SIZE[0]], "counts": [FULL]}, "size of its image"),
        ({"size": list(SIZE), "counts": [FULL, 1]}, "do not add up"),
        ({"size": list(SIZE), "counts": [-1, FULL + 1]}, "do not add up"),
        ({"size": list(SIZE), "counts": [1 << 62] * 4 + [FULL]}, "do not add up"),
        ({"size": list(SIZE), "counts": [1 << 70]}, "not whole numbers"),
        ({"size": list(SIZE), "counts": [float(FULL)]}, "not whole numbers"),
        ({"size": list(SIZE), "counts": None}, "not whole numbers"),
        ({"size": list(SIZE), "counts": "~~~"}, "damaged"),
        ({"size": list(SIZE), "counts": "11o"}, "damaged"),
        ({"size": 3, "counts": [FULL]}, "size of its image"),
    ],
)
def test_a_damaged_segmentation_is_named(tmp_path: Path, segmentation: Any, expected: str) -> None:
    write_image(tmp_path / "a.jpg")
    path = write_coco(tmp_path, [annotation(TRIANGLE), annotation(segmentation)])
    message = refusal(tmp_path)
    assert expected in message
    assert f"{path}: annotations[1] (id 7)" in message


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"annotations": [annotation(TRIANGLE, 4)]}, "annotations[0] has the category 4"),
        ({"annotations": [annotation(TRIANGLE, image=[])]}, "annotations[0] has no image_id"),
        ({"annotations": [annotation(TRIANGLE), 7]}, "annotations[1] has no image_id"),
        ({"categories": [{"id": 3}]}, "categories[0] has no name"),
        (
            {"categories": [{"id": 3, "name": "a"}, {"id": 3, "name": "b"}]},
            "categories[1] has no id of its own",
        ),
        ({"images": [{"id": 1}]}, "images[0] has no file_name"),
        ({"images": [{"id": 1, "file_name": "a.jpg"}] * 2}, "images[1] has no id of its own"),
        ({"images": [{"id": n, "file_name": "a.jpg"} for n in (1, 2)]}, "which"),
        ({"images": [{"id": 1, "file_name": "../../etc/passwd"}]}, "none of its images is below"),
        ({"images": [{"id": 1, "file_name": "a.jpg", "height": 16, "width": 12}]}, "as stored"),
    ],
)
def test_a_damaged_file_is_named_with_the_place_in_it(
    tmp_path: Path, change: dict[str, Any], expected: str
) -> None:
    write_image(tmp_path / "a.jpg")
    path = write_coco(tmp_path, [annotation(TRIANGLE)])
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    message = refusal(tmp_path)
    assert expected in message
    assert str(path) in message


def test_a_truncated_file_is_still_recognized_and_refused(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [annotation(TRIANGLE)])
    path.write_text(path.read_text()[:-40])
    assert recognize(tmp_path) == "coco"
    assert "is not JSON" in refusal(tmp_path)


def test_two_images_of_one_name_are_told_apart_or_refused(tmp_path: Path) -> None:
    for folder in ("day", "night"):
        write_image(tmp_path / folder / "a.jpg")
    write_coco(tmp_path, [annotation(TRIANGLE)], ["night/a.jpg"])
    assert coco.read(tmp_path).items[0].image == tmp_path / "night" / "a.jpg"
    path = write_coco(tmp_path, [annotation(TRIANGLE)], ["a.jpg"])
    assert "which can be" in refusal(tmp_path)
    path.unlink()
    write_image(tmp_path / "images" / "a.jpg")
    write_coco(tmp_path, [annotation(TRIANGLE)], ["a.jpg"], name="annotations/instances.json")
    assert coco.read(tmp_path).items[0].image == tmp_path / "images" / "a.jpg"


@pytest.mark.parametrize(
    "examples", [60, pytest.param(10_000, marks=pytest.mark.exhaustive)], ids=lambda count: f"{count} files"
)
def test_damaged_files_are_read_or_refused(tmp_path: Path, examples: int) -> None:
    write_image(tmp_path / "a.jpg")
    mask = np.asfortranarray(np.eye(*SIZE, dtype=np.uint8))
    compressed = {"size": list(SIZE), "counts": coco_mask.encode(mask)["counts"].decode()}
    runs = {"size": list(SIZE), "counts": [5, 20, FULL - 25]}
    annotations = [annotation(TRIANGLE), annotation(compressed, 9), annotation(runs, 9, iscrowd=1)]
    path = write_coco(tmp_path, annotations)
    read_damaged(tmp_path, path, coco.read, examples, SIZE)
