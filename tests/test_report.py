"""Tests of the report: what is on the page, and that nothing from a file can break it."""

import base64
import math
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from fcn.classes import Classes
from fcn.config import Config
from fcn.data.image_io import write_label
from fcn.data.voc import Example
from fcn.errors import OutputError
from fcn.evaluation import Evaluation, ImageScore, evaluate_examples
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN
from fcn.report import write_report
from fcn.report.curves import Curve, line_chart, read_curve
from fcn.report.pictures import VOID_COLORS, WRONG_COLOR, choose, difference
from fcn.run import RunFolder
from fcn.sections import DataConfig

CLASS_NAMES = ("ground", "<b>cat & dog", "unicorn")
LOG_HEAD = (
    "step,loss,learning_rate,images_per_second,elapsed_seconds,"
    "pixel_accuracy,mean_accuracy,mean_iou,frequency_weighted_iou\n"
)
VOID_ELEMENTS = {"meta", "img"}


class Page(HTMLParser):
    """A parsed page; fails at a tag that closes another than the one open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == tag]


class Made(NamedTuple):
    run: RunFolder
    predictor: Predictor
    evaluation: Evaluation
    examples: list[Example]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three images of two classes, and a net that calls everything ground, as new score layers are zero."""
    folder = tmp_path_factory.mktemp("report")
    model = FCN(num_classes=3, width=1 / 16, class_names=CLASS_NAMES)
    classes = Classes.named(CLASS_NAMES)
    examples = []
    random = np.random.default_rng(0)
    for name, columns in (("one", 4), ("<script>two", 10), ("three", 20)):
        label = np.zeros((24, 30), np.uint8)
        label[:, :columns] = 1
        label[:5] = 255
        image = Image.fromarray(random.integers(0, 256, (24, 30, 3), np.uint8))
        example = Example(name, folder / f"{name}.jpg", folder / f"{name}.png")
        image.save(example.image_path)
        write_label(example.label_path, label, classes)
        examples.append(example)
    run = RunFolder(folder / "a<script>run")
    run.path.mkdir()
    run.config.write_text(Config(data=DataConfig(root=Path("photos<script>"))).to_yaml())
    run.environment.write_text('{"keras": "3.99.1"}')
    run.log.write_text(
        LOG_HEAD + "1,2.5,0.1,,,,,,\n2,1.5,0.1,9,1,0.5,0.5,0.4,0.3\n3,0.5,0.1,9,1,0.5,0.5,0.6,0.3\n"
    )
    predictor = Predictor(model)
    evaluation = evaluate_examples(predictor, examples)
    write_report(run, predictor, evaluation, split="val<script>")
    return Made(run, predictor, evaluation, examples)


@pytest.fixture(scope="module")
def page(made: Made) -> Page:
    return Page(made.run.report.read_text())


def decoded(image: dict[str, str | None]) -> Image.Image:
    head, _, data = str(image["src"]).partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return Image.open(BytesIO(base64.b64decode(data, validate=True)))


def test_tags_are_balanced_and_the_language_is_said(page: Page) -> None:
    assert page.open == []
    assert page.all("html") == [{"lang": "en"}]
    assert all(image["alt"] for image in page.all("img"))
    assert all(cell.get("scope") in ("row", "col") for cell in page.all("th"))
    assert all(svg["aria-label"] for svg in page.all("svg"))


def test_nothing_is_fetched(made: Made, page: Page) -> None:
    text = made.run.report.read_text()
    assert not re.search(r"https?:|url\(|@import", text)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert all("href" not in attributes for _, attributes in page.elements)
    assert all(str(found["src"]).startswith("data:") for _, found in page.elements if "src" in found)


def test_what_comes_from_files_is_escaped(made: Made, page: Page) -> None:
    text = made.run.report.read_text()
    assert "<script" not in text
    assert "<b>cat" not in text
    for shown in ("a<script>run", "<script>two.jpg", "val<script>", "photos<script>", *CLASS_NAMES):
        assert shown in page.text


def test_the_headline_figures_are_those_of_the_evaluation(made: Made, page: Page) -> None:
    scores = made.evaluation.scores
    assert len({f"{score:.3f}" for score in scores[:4]}) == 4
    assert f"mean IoU{scores.mean_iou:.3f}" in page.text
    assert f"pixel accuracy{scores.pixel_accuracy:.3f}" in page.text
    assert f"mean accuracy{scores.mean_accuracy:.3f}" in page.text
    assert f"frequency weighted IoU{scores.frequency_weighted_iou:.3f}" in page.text
    assert "on 3 images" in page.text
    assert "FCN-8s" in page.text
    assert "3.99.1" in page.text


def test_each_class_has_its_iou_and_an_absent_one_says_so(made: Made, page: Page) -> None:
    ground, cat, unicorn = made.evaluation.scores.class_iou
    assert (cat, math.isnan(unicorn)) == (0, True)
    assert f"ground{ground:.3f}" in page.text
    assert "<b>cat & dog0.000" in page.text
    assert "unicornabsent" in page.text
    assert "nan" not in page.text.lower()


def test_pictures_show_each_image_once_best_first(made: Made, page: Page) -> None:
    names = [str(image["alt"]).split()[-1] for image in page.all("img")[::4]]
    assert names == ["one.jpg", "<script>two.jpg", "three.jpg"]
    assert len(page.all("img")) == 12
    for image in page.all("img"):
        assert decoded(image).size == (30, 24)
    for score in made.evaluation.images:
        assert f"{score.example.image_path.name} mean IoU {score.mean_iou:.3f}" in page.text


def test_the_pictures_are_label_prediction_and_their_difference(made: Made, page: Page) -> None:
    _, label, prediction, wrong = (np.array(decoded(image)) for image in page.all("img")[:4])
    assert (label == np.array(Image.open(made.examples[0].label_path))).all()
    assert not prediction.any()
    assert ((wrong == WRONG_COLOR).all(axis=-1) == (label == 1)).all()


def test_a_large_turned_photograph_is_shown_small_and_upright(made: Made, tmp_path: Path) -> None:
    label = np.zeros((500, 700), np.uint8)
    label[:, :350] = 1
    photograph = np.repeat(label[..., np.newaxis] * np.uint8(200), 3, axis=-1)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    example = Example("turned", tmp_path / "turned.jpg", tmp_path / "turned.png")
    Image.fromarray(photograph).save(example.image_path, exif=exif)
    write_label(example.label_path, label, made.predictor.classes)
    run = RunFolder(tmp_path / "run")
    write_report(run, made.predictor, evaluate_examples(made.predictor, [example]))
    pictures = [decoded(image) for image in Page(run.report.read_text()).all("img")]
    assert [picture.size for picture in pictures] == [(229, 320)] * 4
    shown, shown_label = (np.array(picture) for picture in pictures[:2])
    # Orientation 6 brings the left half of the stored pixels to the top.
    assert shown_label[:159].all()
    assert not shown_label[161:].any()
    assert shown[:150].mean() > 190 > 10 > shown[170:].mean()


def test_no_log_no_configuration_and_only_void_still_make_a_report(made: Made, tmp_path: Path) -> None:
    example = made.examples[0]._replace(label_path=tmp_path / "void.png")
    write_label(example.label_path, np.full((24, 30), 255, np.uint8), made.predictor.classes)
    run = RunFolder(tmp_path / "new" / "bare")
    write_report(run, made.predictor, evaluate_examples(made.predictor, [example]))
    page = Page(run.report.read_text())
    assert page.text.count("Not enough steps for a curve.") == 3
    assert "mean IoUnone" in page.text
    assert "No scored image to show." in page.text
    assert page.all("img") == []
    assert [path.name for path in run.path.iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_written_to_is_named(made: Made, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OutputError, match=r"report\.html"):
        write_report(RunFolder(tmp_path), made.predictor, made.evaluation, num_pictures=0)


def test_difference_marks_exactly_the_wrong_pixels() -> None:
    random = np.random.default_rng(1)
    image = random.integers(0, 256, (40, 50, 3), np.uint8)
    label = random.choice(np.array([0, 1, 2, 255], np.uint8), (40, 50))
    prediction = random.integers(0, 3, (40, 50)).astype(np.uint8)
    picture = difference(image, label, prediction)
    void, wrong = label == 255, (label != 255) & (label != prediction)
    assert ((picture == WRONG_COLOR).all(axis=-1) == wrong).all()
    is_void_color = [(picture == color).all(axis=-1) for color in VOID_COLORS]
    assert (np.any(is_void_color, axis=0) == void).all()
    assert all((found & void).any() for found in is_void_color)
    right = picture[~void & ~wrong]
    assert (right == right[:, :1]).all()
    assert np.corrcoef(right[:, 0], cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[~void & ~wrong])[0, 1] > 0.99
    assert right.max() < 128


@pytest.mark.parametrize(
    ("ious", "best", "worst"),
    [
        ([], [], []),
        ([0.5], [0.5], []),
        ([0.1, 0.9, math.nan, 0.5], [0.9, 0.5], [0.1]),
        ([0.3, 0.1, 0.5, 0.4, 0.2, 0.6], [0.6, 0.5], [0.1, 0.2]),
    ],
)
def test_choose(ious: list[float], best: list[float], worst: list[float]) -> None:
    images = [ImageScore(Example(str(iou), Path("a.jpg"), Path("a.png")), iou) for iou in ious]
    chosen = choose(images, count=2)
    assert [[image.mean_iou for image in part] for part in chosen] == [best, worst]


def test_curves_are_read_from_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(LOG_HEAD + "20,2,0.1,,,,,,\n10,3,0.1,,,,,0.25,\n20,1,0.1,,,,,nan,\n30,inf,0.1\n40,0.5\nx")
    loss, mean_iou = read_curve(log, "loss"), read_curve(log, "mean_iou")
    assert (loss.steps.tolist(), loss.values.tolist()) == ([10, 20, 40], [3, 1, 0.5])
    assert (mean_iou.steps.tolist(), mean_iou.values.tolist()) == ([10], [0.25])
    assert (loss.last(), loss.highest()) == ("0.5 at step 40", "3 at step 10")


def curve_of(*values: float) -> Curve:
    return Curve(np.arange(1.0, len(values) + 1) * 100, np.array(values))


def points_of(chart: str) -> list[list[float]]:
    found = re.search(r'points="([^"]*)"', chart)
    assert found
    return [[float(number) for number in pair.split(",")] for pair in found[1].split()]


def test_a_chart_puts_points_where_its_ticks_say() -> None:
    chart = line_chart(curve_of(0.2, 0.4, 0.4, 0.8), "T", "U", "N")
    ticks = {text: float(y) - 5 for y, text in re.findall(r'y="([\d.]+)" text-anchor="end">([^<]*)<', chart)}
    assert list(ticks) == ["0", "0.2", "0.4", "0.6", "0.8"]
    xs, ys = zip(*points_of(chart), strict=True)
    assert ys == pytest.approx([ticks["0.2"], ticks["0.4"], ticks["0.4"], ticks["0.8"]], abs=0.11)
    steps = {
        text: float(x)
        for x, text in re.findall(r'x="([\d.]+)" y="[\d.]+" text-anchor="middle">(\d+)<', chart)
    }
    assert list(steps) == ["0", "100", "200", "300", "400"]
    assert xs == pytest.approx([steps["100"], steps["200"], steps["300"], steps["400"]], abs=0.11)


@pytest.mark.parametrize("values", [(0.0, 0.0), (1e-7, 3e-9), (1e9, 5.0), (12e-5, 12e-5), tuple(range(5000))])
def test_any_curve_stays_inside_its_picture(values: tuple[float, ...]) -> None:
    chart = line_chart(curve_of(*values), "T", "U", "N")
    points = np.array(points_of(chart))
    assert len(points) <= 250
    assert ((points >= 0) & (points <= [400, 250])).all()
    ticks = re.findall(r'text-anchor="end">([^<]*)<', chart)
    assert 2 <= len(set(ticks)) == len(ticks) <= 6
    assert max(map(len, ticks)) <= 6


def test_a_single_value_is_said_in_words() -> None:
    chart = line_chart(curve_of(0.75), "T", "U", "N")
    assert "Not enough steps for a curve. The only value: 0.75 at step 100." in chart
    assert "<svg" not in chart


def test_a_smoothed_line_stays_a_line() -> None:
    line = curve_of(*np.linspace(3, 1, 200))
    assert line.smoothed().values == pytest.approx(line.values)
    noise = curve_of(*np.tile([0.0, 1.0], 100))
    assert np.abs(noise.smoothed().values[20:-20] - 0.5).max() < 0.05
