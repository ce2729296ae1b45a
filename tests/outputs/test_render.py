"""Tests of the files and the record of one labeled image."""

import itertools
import json
import time
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from fcn.classes import VOID, Classes
from fcn.data.image_io import decode_image, encode_jpeg
from fcn.outputs.annotation_options import AnnotationOptions, AreaLimit
from fcn.outputs.areas import class_areas
from fcn.outputs.overlay import overlay_image
from fcn.outputs.prediction import Prediction
from fcn.outputs.probabilities import encode_probabilities
from fcn.outputs.render import (
    OUTPUTS,
    RASTER_OUTPUTS,
    SUFFIXES,
    check_outputs,
    render,
)

CLASSES = Classes(("sky", "sea", "straße"), ((10, 20, 30), (200, 0, 0), (0, 90, 250)))


def labeled(height: int = 24, width: int = 31, orientation: int = 1) -> Prediction:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    probabilities = rng.dirichlet((0.3, 0.3, 0.3), (height, width)).astype(np.float32)
    return Prediction(image, CLASSES, logits=np.log(probabilities), orientation=orientation)


def read_png(data: bytes) -> tuple[str, npt.NDArray[np.uint8]]:
    with Image.open(BytesIO(data)) as image:
        return image.mode, np.array(image)


def test_a_palette_png_holds_ids_and_shows_the_colors_of_the_classes() -> None:
    given = labeled()
    data = render(["palette"], given).files[".png"]
    mode, ids = read_png(data)
    assert mode == "P"
    np.testing.assert_array_equal(ids, given.label)
    np.testing.assert_array_equal(decode_image(data), np.array(CLASSES.palette, np.uint8)[given.label])


def test_who_asks_for_coco_reads_which_outputs_write_it() -> None:
    with pytest.raises(ValueError, match=r"Received: coco\. COCO is written by polygons, or by rle\."):
        check_outputs(["coco"])


def test_ids_are_a_grey_png() -> None:
    given = labeled()
    mode, ids = read_png(render(["ids"], given).files[".png"])
    assert mode == "L"
    np.testing.assert_array_equal(ids, given.label)


def test_only_overlays_of_images_in_stored_order_are_turned() -> None:
    given = labeled(60, 90, orientation=6)
    rendered = render(["palette", "overlay", "rle"], given)
    # Orientation 6 is turned by a quarter, clockwise.
    expected = overlay_image(np.rot90(given.image, -1), np.rot90(given.label, -1), CLASSES)
    assert rendered.files[".overlay.jpg"] == encode_jpeg(expected)
    np.testing.assert_array_equal(read_png(rendered.files[".png"])[1], given.label)
    assert (rendered.record["height"], rendered.record["width"]) == (60, 90)
    assert rendered.record["annotations"][0]["segmentation"]["size"] == [60, 90]


def test_an_overlay_larger_than_a_jpeg_may_be_is_made_smaller() -> None:
    image = np.zeros((2, 70_000, 3), np.uint8)
    data = render(["overlay"], Prediction(image, CLASSES, (image[..., 0], 1.0))).files[".overlay.jpg"]
    assert decode_image(data).shape[1] == 32_000


def test_probabilities_come_back_within_the_bound_and_without_pickles() -> None:
    given = labeled(40, 50)
    expected = given.probabilities()
    data = render(["probabilities"], given).files[".npz"]
    with np.load(BytesIO(data), allow_pickle=False) as arrays:
        assert set(arrays) == {"probabilities", "classes"}
        probabilities, names = arrays["probabilities"], arrays["classes"].tolist()
    assert names == list(CLASSES.names)
    assert probabilities.dtype == np.float16
    error = np.abs(probabilities.astype(np.float64) - expected)
    assert 0 < error.max() <= 2**-12
    large = expected >= 2**-14
    assert (error[large] / expected[large]).max() <= 2**-11


def test_probabilities_are_compressed() -> None:
    sure = np.zeros((50, 60, 3), np.float32)
    sure[..., 0] = 1000
    assert len(encode_probabilities(sure, CLASSES)) < 50 * 60 * 3 * 2 / 10


@pytest.mark.parametrize("kinds", [("palette", "polygons"), ("ids", "rle")])
def test_the_same_image_gives_the_same_bytes(kinds: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = (*kinds, "overlay", "probabilities", "areas")
    first = render(kinds, labeled())
    # Archives and images can hold the time at which they were written.
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1e6)
    assert render(kinds, labeled()) == first


@pytest.mark.parametrize("kind", [kind for kind in OUTPUTS if kind not in RASTER_OUTPUTS])
def test_each_output_has_its_files_and_a_record_that_is_json(kind: str) -> None:
    rendered = render([kind], labeled())
    assert set(rendered.files) == ({SUFFIXES[kind]} if kind in SUFFIXES else set())
    assert json.loads(json.dumps(rendered.record, allow_nan=False)) == rendered.record
    assert bool(rendered.record["annotations"]) == (kind in ("rle", "polygons"))


def test_areas_and_confidence_are_always_on_record() -> None:
    given = labeled()
    record = render(["palette"], given).record
    assert record["mean_confidence"] == given.mean_confidence
    counts = {name: (given.label == value).mean() for value, name in enumerate(CLASSES.names)}
    assert record["areas"] == pytest.approx(counts)


def test_files_that_are_kept_are_not_rendered_and_the_record_is_whole() -> None:
    kinds = ("palette", "overlay", "areas", "labelme")
    options = AnnotationOptions(min_area=AreaLimit.parse("9"))
    whole = render(kinds, labeled(), options)
    assert whole.record["left_out"] > 0
    some = render(kinds, labeled(), options, kept=("palette", "labelme"))
    assert some.record == whole.record
    assert some.files == {".overlay.jpg": whole.files[".overlay.jpg"]}
    assert render(kinds, labeled(), options, kept=kinds) == ({}, whole.record)


def test_absent_classes_and_void_have_no_area() -> None:
    assert class_areas(np.array([[1, VOID, 1, 1]], np.uint8), CLASSES) == {"sea": 0.75}


def test_what_cannot_be_is_refused() -> None:
    for kinds, message in [
        (["palette", "heatmap"], "Received: heatmap"),
        ([], "Received: none"),
        (["ids", "palette"], "Expected only one of palette and ids"),
        (["rle", "areas", "polygons"], "Expected only one of rle and polygons"),
        (["geotiff", "areas", "palette"], "only areas beside geotiff and geopackage.*Received: palette"),
        (["areas", "geopackage"], "Expected no output of rasters.*Received: geopackage"),
    ]:
        with pytest.raises(ValueError, match=message):
            render(kinds, labeled())
    with pytest.raises(ValueError, match="with scores"):
        render(["probabilities"], Prediction(labeled().image, CLASSES, (labeled().label, 0.5)))


def test_outputs_are_in_one_order_and_there_once() -> None:
    for kinds in itertools.permutations(["palette", "overlay", "rle"]):
        assert check_outputs((*kinds, kinds[0])) == ("palette", "overlay", "rle")


def test_the_input_is_not_changed() -> None:
    given, before = labeled(orientation=3), labeled(orientation=3)
    render(["palette", "overlay", "probabilities", "polygons", "areas"], given)
    arrays: list[tuple[Any, Any]] = [
        (given.image, before.image),
        (given.label, before.label),
        (given.logits, before.logits),
    ]
    for one, other in arrays:
        np.testing.assert_array_equal(one, other)
