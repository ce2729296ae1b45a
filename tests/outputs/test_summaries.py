"""Tests of the files about all images of a job."""

import contextlib
import csv
import io
import json
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from fcn.classes import Classes
from fcn.errors import OutputError
from fcn.outputs.annotation_options import AS_BEFORE, DEFAULTS, AnnotationOptions
from fcn.outputs.prediction import Prediction
from fcn.outputs.render import render
from fcn.outputs.summaries import SummarizedImage, write_summaries

CLASSES = Classes.named(("background", "cat", 'a "quoted", name'))


def make_labels() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    sizes = {
        "a.jpg": (20, 30),
        "sub folder/b.png": (17, 5),
        "new\nline, ü.jpg": (1, 1),
        "odd\udcff.jpg": (9, 40),
    }
    return {name: rng.integers(0, 3, size, np.uint8) for name, size in sizes.items()}


def make_images(kinds: list[str], options: AnnotationOptions = DEFAULTS) -> list[SummarizedImage]:
    """Images with numbers that leave some out, and whole paths that begin with "photos"."""
    images = []
    for name, label in make_labels().items():
        image = np.zeros((*label.shape, 3), np.uint8)
        uncertainty = np.full(label.shape, 76, np.uint8)
        uncertainty.reshape(-1)[: label.size // 4] = 77
        prediction = Prediction(image, CLASSES, (label, 0.75), uncertainty=uncertainty)
        record = render(kinds, prediction, options).record
        number = 3 + 2 * len(images)
        images.append(SummarizedImage(f"photos/{name}", name, number, json.loads(json.dumps(record))))
    return images


def read_coco(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


@pytest.mark.parametrize("kind", ["rle", "polygons"])
@pytest.mark.parametrize("options", [DEFAULTS, AnnotationOptions(background=True), AS_BEFORE])
def test_pycocotools_reads_the_labels_back(kind: str, options: AnnotationOptions, tmp_path: Path) -> None:
    images = make_images([kind], options)
    written = write_summaries([kind], images, tmp_path / "new", CLASSES, options)
    assert written == ((tmp_path / "new" / "coco.json",), 0)
    coco = read_coco(written.paths[0])
    first = 0 if options.background else 1
    assert [(one["id"], one["name"]) for one in coco.loadCats(coco.getCatIds())] == [
        *enumerate(CLASSES.names)
    ][first:]
    labels = make_labels()
    numbers = {image["file_name"]: image["id"] for image in coco.loadImgs(coco.getImgIds())}
    if options.as_before:
        assert list(numbers.items()) == [(f"photos/{name}", one) for one, name in enumerate(labels, start=1)]
    else:
        assert list(numbers.items()) == [(name, one) for one, name in zip((3, 5, 7, 9), labels, strict=True)]
    ids = []
    for image in coco.loadImgs(coco.getImgIds()):
        label = labels[image["file_name"].removeprefix("photos/")]
        assert (image["height"], image["width"]) == label.shape
        read, covered = np.zeros_like(label), np.zeros(label.shape, int)
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=image["id"])):
            ids.append(annotation["id"])
            mask = coco.annToMask(annotation)
            assert annotation["iscrowd"] == 0
            assert annotation["area"] == mask.sum()
            covered += mask
            read[mask == 1] = annotation["category_id"]
        np.testing.assert_array_equal(read, label)
        np.testing.assert_array_equal(covered, label >= first)
    # pycocotools' scores take an annotation with the id 0 for none.
    assert ids == list(range(1, len(ids) + 1))
    assert len(ids) >= 7


def test_areas_are_a_table_with_a_row_for_each_image(tmp_path: Path) -> None:
    (path,) = write_summaries(["areas"], make_images(["areas"]), tmp_path, CLASSES).paths
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        head, *table = csv.reader(file)
    assert head == ["path", "width", "height", "mean_confidence", "doubtful", *CLASSES.names]
    for row, (name, label) in zip(table, make_labels().items(), strict=True):
        doubtful = f"{label.size // 4 / label.size:.6f}"
        assert row[:5] == [f"photos/{name}", str(label.shape[1]), str(label.shape[0]), "0.750000", doubtful]
        shares = [float((label == value).mean()) for value in range(3)]
        assert [float(share) for share in row[5:]] == pytest.approx(shares, abs=1e-6)


def test_a_name_that_is_no_utf_8_has_its_own_bytes_in_the_table(tmp_path: Path) -> None:
    (path,) = write_summaries(["areas"], make_images(["areas"]), tmp_path, CLASSES).paths
    assert os.fsencode("odd\udcff.jpg") in path.read_bytes()


def test_no_cell_of_the_table_is_a_formula(tmp_path: Path) -> None:
    classes = Classes.named(("=1+1", "-sky", "a;@x", "sea"))
    label = np.full((1, 4), 1, np.uint8)
    record = render(["areas"], Prediction(np.zeros((1, 4, 3), np.uint8), classes, (label, 0.5))).record
    formulas = ["=cmd|' -C calc'!A0.jpg", "-1.jpg", "@x/+1.jpg", "+1.jpg"]
    others = ["1.jpg", "x/=1.jpg", "odd\udcff\x1b[m.jpg"]
    images = [SummarizedImage(name, name, 1, record) for name in formulas + others]
    (path,) = write_summaries(["areas"], images, tmp_path, classes).paths
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        head, *table = csv.reader(file)
    assert head[5:] == ["'=1+1", "'-sky", "a;'@x", "sea"]
    read = [row[0] for row in table]
    assert read == [*(f"./{name}" for name in formulas), "1.jpg", "x/=1.jpg", "odd\udcff\\x1b[m.jpg"]
    assert [Path(name) for name in read[:4]] == [Path(name) for name in formulas]  # the same files
    assert {tuple(row[1:5]) for row in table} == {("4", "1", "0.500000", "")}
    assert {tuple(row[5:]) for row in table} == {("0.000000", "1.000000", "0.000000", "0.000000")}


def test_no_images_give_files_that_can_be_read(tmp_path: Path) -> None:
    coco_path, areas_path = write_summaries(["areas", "rle"], [], tmp_path, CLASSES).paths
    assert read_coco(coco_path).getImgIds() == []
    assert len(areas_path.read_text().splitlines()) == 1


def test_outputs_of_images_alone_leave_no_summary_and_read_no_records(tmp_path: Path) -> None:
    def never() -> Iterator[SummarizedImage]:
        raise AssertionError
        yield

    assert write_summaries(["palette", "overlay"], never(), tmp_path / "new", CLASSES) == ((), 0)
    assert not (tmp_path / "new").exists()


def test_a_job_that_breaks_leaves_what_was_there(tmp_path: Path) -> None:
    kinds = ["polygons", "areas"]
    paths = write_summaries(kinds, make_images(kinds), tmp_path, CLASSES).paths
    before = [path.read_bytes() for path in paths]

    def breaking() -> Iterator[SummarizedImage]:
        yield make_images(kinds)[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_summaries(kinds, breaking(), tmp_path, CLASSES)
    assert [path.read_bytes() for path in paths] == before
    assert sorted(tmp_path.iterdir()) == sorted(paths)


@pytest.mark.parametrize("name", ["coco.json", "areas.csv"])
def test_a_place_that_cannot_be_written_to_is_an_output_error(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(OutputError, match=name.replace(".", r"\.")):
        write_summaries(["rle", "areas"], make_images(["rle"]), tmp_path, CLASSES)
    assert not list(tmp_path.glob(".*"))


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    record = make_images(["rle"])[0].record
    record["annotations"][0]["segmentation"]["counts"] *= 50

    def peak(count: int) -> int:
        tracemalloc.start()
        images = (SummarizedImage(f"{i}.jpg", f"{i}.jpg", i, record) for i in range(count))
        write_summaries(["polygons", "areas"], images, tmp_path, CLASSES)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    small, large = peak(20), peak(400)
    assert (tmp_path / "coco.json").stat().st_size > 4 * large
    assert large < 1.5 * small
