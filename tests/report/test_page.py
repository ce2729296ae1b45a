"""Tests of the report: what is on the page, and that nothing from a file can break it."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from html_page import HOSTILE_NAMES, Page, decoded, structure
from PIL import ExifTags, Image

from fcn.classes import Classes
from fcn.config.file import Config
from fcn.config.sections import DataConfig
from fcn.data.class_shares import ClassShares
from fcn.data.image_io import write_label
from fcn.data.voc import Example
from fcn.errors import OutputError
from fcn.evaluation.evaluate import evaluate_examples
from fcn.report import write_report
from fcn.report.page import Progress, write_progress_report
from fcn.report.pictures import WRONG_COLOR
from fcn.report.snapshot import take_snapshot
from fcn.runs.model_file import RunFolder


def test_tags_are_balanced_and_the_language_is_said(page: Page) -> None:
    assert page.open == []
    assert page.all("html") == [{"lang": "en"}]
    assert all(image["alt"] for image in page.all("img"))
    assert all(cell.get("scope") in ("row", "col") for cell in page.all("th"))
    assert all(svg["aria-label"] for svg in page.all("svg"))


def test_nothing_is_fetched(made, page: Page) -> None:
    text = made.run.report.read_text()
    assert not re.search(r"https?:|url\(|@import", text)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert all("href" not in attributes for _, attributes in page.elements)
    assert all(str(found["src"]).startswith("data:") for _, found in page.elements if "src" in found)


def test_what_comes_from_files_is_escaped(made, page: Page) -> None:
    text = made.run.report.read_text()
    assert "<script" not in text
    assert "<b>cat" not in text
    names = made.predictor.classes.names
    for shown in ("a<script>run", "<script>two.jpg", "val<script>", "photos<script>", *names):
        assert shown in page.text


def test_the_headline_figures_are_those_of_the_evaluation(made, page: Page) -> None:
    scores = made.evaluation.scores
    assert len({f"{100 * score:.2f}" for score in scores[:4]}) == 4
    assert f"mean IoU{100 * scores.mean_iou:.2f}%" in page.text
    assert f"pixel accuracy{100 * scores.pixel_accuracy:.2f}%" in page.text
    assert f"mean accuracy{100 * scores.mean_accuracy:.2f}%" in page.text
    assert f"frequency weighted IoU{100 * scores.frequency_weighted_iou:.2f}%" in page.text
    assert "on 3 images" in page.text
    assert "FCN-8s" in page.text
    assert "3.99.1" in page.text


def test_each_class_has_its_iou_and_an_absent_one_says_so(made, page: Page) -> None:
    ground, cat, unicorn = made.evaluation.scores.class_iou
    assert (cat, math.isnan(unicorn)) == (0, True)
    assert f"ground{100 * ground:.2f}%" in page.text
    assert "<b>cat & dog0.00%" in page.text
    assert "unicornabsent" in page.text
    assert "nan" not in page.text.lower()


def test_pictures_show_each_image_once_best_first(made, page: Page) -> None:
    names = [str(image["alt"]).split()[-1] for image in page.all("img")[::4]]
    assert names == ["one.jpg", "<script>two.jpg", "three.jpg"]
    assert len(page.all("img")) == 12
    for image in page.all("img"):
        assert decoded(image).size == (30, 24)
    for score in made.evaluation.images:
        assert f"{score.example.image_path.name} mean IoU {100 * score.mean_iou:.2f}%" in page.text


def test_the_pictures_are_label_prediction_and_their_difference(made, page: Page) -> None:
    _, label, prediction, wrong = (np.array(decoded(image)) for image in page.all("img")[:4])
    assert (label == np.array(Image.open(made.examples[0].label_path))).all()
    assert not prediction.any()
    assert ((wrong == WRONG_COLOR).all(axis=-1) == (label == 1)).all()


def test_a_large_turned_photograph_is_shown_small_and_upright(made, tmp_path: Path) -> None:
    label = np.zeros((500, 700), np.uint8)
    label[:, :350] = 1
    photograph = np.repeat(label[..., np.newaxis] * np.uint8(200), 3, axis=-1)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    example = Example("turned", tmp_path / "turned.jpg", tmp_path / "turned.png")
    Image.fromarray(photograph).save(example.image_path, exif=exif)
    write_label(example.label_path, np.rot90(label, -1).copy(), made.predictor.classes)
    run = RunFolder(tmp_path / "run")
    write_report(run, made.predictor, evaluate_examples(made.predictor, [example]))
    pictures = [decoded(image) for image in Page(run.report.read_text()).all("img")]
    assert [picture.size for picture in pictures] == [(229, 320)] * 4
    shown, shown_label = (np.array(picture) for picture in pictures[:2])
    # Orientation 6 brings the left half of the stored pixels to the top.
    assert shown_label[:159].all()
    assert not shown_label[161:].any()
    assert shown[:150].mean() > 190 > 10 > shown[170:].mean()


def test_no_log_no_configuration_and_only_void_still_make_a_report(made, tmp_path: Path) -> None:
    example = made.examples[0]._replace(label_path=tmp_path / "void.png")
    write_label(example.label_path, np.full((24, 30), 255, np.uint8), made.predictor.classes)
    run = RunFolder(tmp_path / "new" / "bare")
    write_report(run, made.predictor, evaluate_examples(made.predictor, [example]))
    page = Page(run.report.read_text())
    assert page.text.count("Not enough steps for a curve.") == 3
    assert "mean IoUabsent" in page.text
    assert "No scored image to show." in page.text
    assert page.all("img") == []
    assert [path.name for path in run.path.iterdir()] == ["report.html"]


def test_reasons_to_doubt_the_scores_are_shown(made, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    reasons = ("the weights <b>may</b> make scores too good.", "Whether net.keras could not be checked.")
    write_report(run, made.predictor, made.evaluation, num_pictures=0, warnings=reasons)
    page = run.report.read_text()
    assert "<p><b>The weights &lt;b&gt;may&lt;/b&gt; make scores too good.</b></p>" in page
    assert f"<p><b>{reasons[1]}</b></p>" in page
    assert "could not be checked" not in made.run.report.read_text()


def test_warnings_of_the_training_are_shown_before_and_after_the_first_scores(made, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    health = ["At step 200: 2 classes have never been predicted: <b>cat, dog."]
    write_progress_report(run, Progress(1, 10), health=health)
    told = "<p><b>At step 200: 2 classes have never been predicted: &lt;b&gt;cat, dog.</b></p>"
    assert told in run.report.read_text()
    write_report(run, made.predictor, made.evaluation, num_pictures=0, health=health)
    assert told in run.report.read_text()
    assert "never been predicted" not in made.run.report.read_text()


def test_the_shares_of_classes_before_and_after_sampling_are_shown(made, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    before, after = np.array([0.9996, 0.0004, 0.0]), np.array([0.75, 0.25, 0.0])
    shares = ClassShares(made.predictor.classes, before, after, 1000)
    write_report(run, made.predictor, made.evaluation, num_pictures=0, shares=shares)
    page = Page(run.report.read_text())
    assert page.open == []
    assert "Class shares" in page.text
    assert "the labels of the first 1,000 examples of this training, as balanced sampling" in page.text
    for row in ("ground99.96%75.00%0.75", "<b>cat & dog0.04%25.00%625", "unicorn0.00%0.00%\n"):
        assert row in page.text
    assert "Class shares" not in made.run.report.read_text()
    write_progress_report(run, Progress(1, 10), shares=shares._replace(num_drawn=1))
    text = Page(run.report.read_text()).text
    assert "<b>cat & dog0.04%25.00%625" in text
    assert "the labels of the first example of this training" in text


def test_many_classes_have_their_shares_in_two_tables(made, tmp_path: Path) -> None:
    classes = Classes.named(tuple(f"class {number}" for number in range(25)))
    shares = ClassShares(classes, np.full(25, 0.04), np.full(25, 0.04), 10)
    write_progress_report(RunFolder(tmp_path), Progress(1, 10), shares=shares)
    page = Page((tmp_path / "report.html").read_text())
    assert len(page.all("table")) == 2
    assert [page.text.count(f"class {number}4.00%4.00%1.00") for number in range(25)] == [1] * 25


def test_a_place_that_cannot_be_written_to_is_named(made, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OutputError, match=r"report\.html"):
        write_report(RunFolder(tmp_path), made.predictor, made.evaluation, num_pictures=0)


@pytest.fixture(scope="module")
def snapshot(made):
    return take_snapshot(made.predictor, made.evaluation, "val", "Best checkpoint")


def renamed(made, snapshot, name: str, folder: Path) -> Page:
    """Returns the report of a run in which all has this name."""
    run = RunFolder(folder / name.replace("/", "\\"))
    run.path.mkdir()
    run.environment.write_text(json.dumps({"keras": name}))
    run.config.write_text(Config(data=DataConfig(root=Path(name))).to_yaml())
    run.log.write_bytes(made.run.log.read_bytes())
    classes = snapshot.classes.named(tuple(f"{name}{number}" for number in range(3)))
    pictures = [[one._replace(name=f"{name}4") for one in shown] for shown in (snapshot.best, snapshot.worst)]
    shares = ClassShares(classes, np.array([0.5, 0.5, 0.0]), np.array([0.4, 0.6, 0.0]), 2)
    changed = snapshot._replace(
        classes=classes, split=f"{name}5", weights=f"{name}6", best=pictures[0], worst=pictures[1]
    )
    write_progress_report(run, Progress(3, 10, ended=f"{name}7"), changed, shares)
    page = Page(run.report.read_text())
    assert page.open == []
    assert all(f"{name}{number}" in page.text for number in (0, 1, 2, 4, 5, 6, 7))
    return page


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_add_no_markup(made, snapshot, name: str, tmp_path: Path) -> None:
    hostile = renamed(made, snapshot, name, tmp_path)
    harmless = renamed(made, snapshot, "a" * len(name), tmp_path)
    assert structure(hostile) == structure(harmless)
