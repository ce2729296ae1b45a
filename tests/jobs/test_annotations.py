"""Tests of `coco.json` of a job: numbers that stay, options that stay, and the form of older versions."""

import json
import sqlite3
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from job_program import Brightness
from photographs import write_image

from fcn.classes import Classes
from fcn.data.image_io import encode_png
from fcn.errors import OutputError
from fcn.inference.predictor import Predictor
from fcn.jobs.job import LabelingResult, open_job
from fcn.jobs.label_images import forget_job
from fcn.jobs.schema import STORE_NAME
from fcn.jobs.sources.inputs import PathList
from fcn.outputs.annotation_options import AnnotationOptions, AreaLimit

NOTICE = "was started by an older version, so coco.json keeps its form"


class Engine(Brightness):
    classes = Classes.named(("background", "grey", "light"))


def run(
    output: Path,
    *inputs: object,
    options: AnnotationOptions | None = None,
    kinds: tuple[str, ...] = ("polygons", "areas"),
) -> LabelingResult:
    settings: Any = {"model": "brightness"}
    with open_job(output, inputs, settings, kinds, annotations=options) as job:  # type: ignore[arg-type]
        return job.run(Predictor.from_engine(Engine()))


def read(output: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((output / "coco.json").read_text())
    return document


def numbers(output: Path) -> dict[str, int]:
    return {image["file_name"]: image["id"] for image in read(output)["images"]}


def as_before(output: Path) -> None:
    """Makes a job one of an older version: it has no setting of the options."""
    with closing(sqlite3.connect(output / STORE_NAME, isolation_level=None)) as connection:
        assert connection.execute("DELETE FROM settings WHERE name = 'regions'").rowcount == 1


def write_speckled(path: Path) -> Path:
    """Writes an image of 100 x 200 pixels with two regions of one pixel, and a large one."""
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[10, 10] = pixels[20, 20] = pixels[30:60, 30:60] = 128
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(pixels))
    return path


def test_names_are_relative_to_the_folder_and_numbers_stay(tmp_path: Path) -> None:
    folder, other = tmp_path / "in", tmp_path / "other"
    for name in ("b.jpg", "sub/d.png"):
        write_image(folder / name)
    write_image(other / "e.jpg")
    output = tmp_path / "out"
    run(output, folder, other)
    before = numbers(output)
    assert list(before) == ["b.jpg", "e.jpg", "sub/d.png"]
    assert sorted(before.values()) == [1, 2, 3]
    # In front of, between and behind the others; one with the stem of another; a broken one.
    for name in ("a.jpg", "c.jpg", "sub/d.jpg", "z.jpg"):
        write_image(folder / name)
    (folder / "broken.jpg").write_bytes(b"nothing")
    listed = write_image(tmp_path / "listed.jpg")
    run(output, folder, other, PathList(BytesIO(bytes(listed))))
    after = numbers(output)
    assert set(after) == {*before, "a.jpg", "c.jpg", "sub/d.jpg", "z.jpg", str(listed).lstrip("/")}
    assert {name: after[name] for name in before} == before
    assert len(set(after.values())) == len(after)
    (folder / "b.jpg").unlink()
    write_image(folder / "f.jpg")
    run(output, folder, other)
    left = numbers(output)
    assert {name: left[name] for name in left if name != "f.jpg"} == {
        name: one for name, one in after.items() if name not in ("b.jpg",)
    }
    assert left["f.jpg"] not in after.values()


def test_all_images_of_annotations_are_listed_under_the_new_numbers(tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    write_speckled(folder / "b.png")
    run(output, folder)
    write_image(folder / "a.jpg")
    run(output, folder)
    document = read(output)
    of_speckled = {
        one["area"] for one in document["annotations"] if one["image_id"] == numbers(output)["b.png"]
    }
    assert of_speckled == {900}
    assert {one["image_id"] for one in document["annotations"]} == set(numbers(output).values())


def test_small_regions_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    for name in ("a.png", "b.png"):
        write_speckled(folder / name)
    run(output, folder)
    assert [one["area"] for one in read(output)["annotations"]] == [900, 900]
    assert "4 regions below 0.01% of their image were left out" in capsys.readouterr().err
    table = (output / "areas.csv").read_text().splitlines()
    assert float(table[1].split(",")[-2]) == 902 / 20_000
    forget_job(output)
    run(output, folder, options=AnnotationOptions(min_area=AreaLimit.parse("0")))
    assert [one["area"] for one in read(output)["annotations"]] == [1, 1, 900] * 2
    forget_job(output)
    run(output, folder, kinds=("rle",), options=AnnotationOptions(min_area=AreaLimit.parse("999")))
    assert [one["area"] for one in read(output)["annotations"]] == [902, 902]
    assert "left out" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        AnnotationOptions(min_area=AreaLimit.parse("7")),
        AnnotationOptions(simplify=True),
        AnnotationOptions(background=True),
    ],
)
def test_other_options_need_a_restart(options: AnnotationOptions, tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    write_image(folder / "a.jpg")
    run(output, folder)
    before = (output / "coco.json").read_bytes()
    with pytest.raises(OutputError, match=f"regions: --min-area 0.01%, now {options.describe()}.*--restart"):
        run(output, folder, options=options)
    assert (output / "coco.json").read_bytes() == before
    forget_job(output)
    run(output, folder, options=options)
    assert run(output, folder, options=options).written == 0
    before = (output / "coco.json").read_bytes()
    (output / "coco.json").unlink()
    run(output, folder)  # without options, a job keeps its own
    assert (output / "coco.json").read_bytes() == before


def test_a_job_of_before_keeps_its_form_until_it_is_restarted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    write_speckled(folder / "b.png")
    run(output, folder)
    as_before(output)
    run(output, folder)  # finished: nothing continues
    assert NOTICE not in capsys.readouterr().err
    write_speckled(folder / "a.png")
    run(output, folder)
    error = capsys.readouterr().err
    assert (NOTICE in error, "--restart" in error) == (True, True)
    document = read(output)
    assert [one["id"] for one in document["categories"]] == [0, 1, 2]
    assert numbers(output) == {str(folder / "a.png"): 1, str(folder / "b.png"): 2}
    added = [one for one in document["annotations"] if one["image_id"] == 1]
    assert sorted(one["area"] for one in added) == [1, 1, 900, 20_000 - 902]
    assert {one["category_id"] for one in added} == {0, 1}
    with pytest.raises(OutputError, match=r"Leave out --min-area 0.01% --simplify, or add --restart"):
        run(output, folder, options=AnnotationOptions(simplify=True))
    forget_job(output)
    run(output, folder)
    assert [one["id"] for one in read(output)["categories"]] == [1, 2]
    assert list(numbers(output)) == ["a.png", "b.png"]
    assert NOTICE not in capsys.readouterr().err


def test_a_job_of_before_without_annotations_is_not_bound(tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    write_image(folder / "a.jpg")
    run(output, folder, kinds=("palette",))
    with closing(sqlite3.connect(output / STORE_NAME, isolation_level=None)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM settings")]
    assert "regions" not in names
    write_image(folder / "b.jpg")
    assert run(output, folder, kinds=("palette",), options=AnnotationOptions(simplify=True)).written == 1


def test_outputs_that_are_added_leave_the_options_as_they_are(tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    write_speckled(folder / "a.png")
    run(output, folder, kinds=("palette",))
    options = AnnotationOptions(min_area=AreaLimit.parse("0"), simplify=True)
    run(output, folder, kinds=("polygons",), options=options)
    assert [one["area"] for one in read(output)["annotations"]] == [1, 1, 900]
    before = (output / "coco.json").read_bytes()
    run(output, folder, kinds=("labelme",))
    assert (output / "coco.json").read_bytes() == before
    assert len(json.loads((output / "a.json").read_text())["shapes"]) == 3
    with pytest.raises(OutputError, match="regions: --min-area 0 --simplify, now --min-area 7"):
        run(output, folder, kinds=("labelme",), options=AnnotationOptions(min_area=AreaLimit.parse("7")))


def test_labels_for_a_tool_that_are_added_to_a_job_of_before_have_its_form(tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    write_speckled(folder / "a.png")
    run(output, folder)
    as_before(output)
    run(output, folder, kinds=("labelme",))
    assert len(json.loads((output / "a.json").read_text())["shapes"]) == 3
    assert [one["id"] for one in read(output)["categories"]] == [0, 1, 2]
