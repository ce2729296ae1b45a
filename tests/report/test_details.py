import csv
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fcn.classes import VOID, Classes
from fcn.data.image_io import encode_label
from fcn.data.voc import Example, read_split
from fcn.evaluation.evaluate import evaluate_examples
from fcn.evaluation.evaluation import ImageScore
from fcn.evaluation.mistakes import Mistake
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN
from fcn.report.details import describe_mistake, images_csv, write_details

NAMES = ("ground", "cat", "dog")


@pytest.fixture(scope="module")
def root(make_dataset: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_dataset(tmp_path_factory.mktemp("details"), {"val": ["a", "b<i>", "void"]})
    label = root / "SegmentationClass" / "void.png"
    label.write_bytes(encode_label(np.full((20, 26), VOID, np.uint8)))
    return root


def test_all_images_are_listed_and_the_worst_are_shown(
    thin_net: Callable[..., FCN], root: Path, tmp_path: Path
) -> None:
    predictor = Predictor(thin_net(class_names=NAMES, seed=1))
    evaluation = evaluate_examples(predictor, read_split(root, "val"))
    write_details(tmp_path / "new" / "details", predictor, evaluation, "a net & <its> data")
    folder = tmp_path / "new" / "details"
    images = json.loads((folder / "images.json").read_text())["images"]
    with (folder / "images.csv").open() as file:
        rows = [*csv.DictReader(file)]
    assert [row["image"] for row in rows] == [image["image"] for image in images]
    assert rows[-1]["image"] == "void"
    assert rows[-1]["mean_iou"] == rows[-1]["true"] == ""
    scores = [image["mean_iou"] for image in images[:-1]]
    assert scores == sorted(scores)
    assert [float(row["mean_iou"]) for row in rows[:-1]] == pytest.approx(scores, abs=1e-6)
    for row, image in zip(rows[:-1], images[:-1], strict=True):
        mistake = image["largest_mistake"]
        assert (row["true"], row["labeled_as"]) == (mistake["true"], mistake["labeled_as"])
        assert float(row["wrong_share"]) == pytest.approx(mistake["share"], abs=1e-6)
    page = (folder / "worst.html").read_text()
    assert page.count("<article>") == 2  # void has no score
    assert page.index("Wrong pixels of") > 0
    assert "b<i>" not in page
    assert "a net &amp; &lt;its&gt; data" in page
    worst = evaluation.images[[image.example.name for image in evaluation.images].index(rows[0]["image"])]
    assert describe_mistake(worst, predictor.classes) in page


def test_a_mistake_in_words() -> None:
    classes = Classes.named(NAMES)
    image = ImageScore(Example("a", Path("a.jpg"), Path("a.png")), 0.5)
    assert describe_mistake(image, classes) == "No pixel is labeled wrongly."
    wrong = image._replace(mistake=Mistake(1, 2, 30, 0.3125, "bottom left"))
    assert describe_mistake(wrong, classes) == (
        "31.2% of its pixels are cat, labeled as dog, around the bottom left."
    )


def test_names_that_a_spreadsheet_would_take_for_formulas() -> None:
    image = ImageScore(Example("=1+1", Path("a.jpg"), Path("a.png")), math.nan, math.nan)
    text = images_csv([image], Classes.named(NAMES))
    assert text.splitlines()[1] == "'=1+1,,,,,,"
