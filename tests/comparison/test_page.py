import re
from pathlib import Path

import numpy as np
import pytest
from html_page import HOSTILE_NAMES, Page, decoded, structure

from fcn.comparison.columns import COLUMNS
from fcn.comparison.page import write_comparison_page


@pytest.fixture
def text(comparison, tmp_path: Path) -> str:
    write_comparison_page(tmp_path / "page.html", comparison, "fcn compare '<x>'")
    return (tmp_path / "page.html").read_text()


def test_the_page_is_whole_and_fetches_nothing(text: str) -> None:
    page = Page(text.replace("<br>", ""))
    assert page.open == []
    assert not re.search(r"https?:|url\(|@import|<script", text)
    assert "<i>" not in re.sub(r'<i style="[^"]*">', "", text)  # names are escaped
    for shown in ("a<b", "<b>cat", "first<i>", "fcn compare '<x>'", "a <CPU>", "first: saw <all>", "419 MB"):
        assert shown in page.text


def test_a_row_for_each_net_with_what_is_best(text: str, comparison) -> None:
    table = text[text.index('<table class="nets">') :].partition("</table>")[0]
    rows = [
        re.findall(r'<td class="number">(.*?)</td>', row)
        for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)
    ][1:]
    assert [len(row) for row in rows] == [len(COLUMNS)] * 2
    titles = [column.title for column in COLUMNS]
    assert rows[0][titles.index("GFLOP")] == "<b>0.125</b>"
    assert rows[1][titles.index("GFLOP")] == "0.250<small>2.00x</small>"
    assert rows[1][titles.index("ms per image")] == "-"
    mean_iou = rows[1][titles.index("mean IoU")]
    scores = [net.evaluation.scores.mean_iou for net in comparison.nets]
    assert f"<small>{100 * (scores[1] - scores[0]):+.2f}</small>" in mean_iou
    assert ("<b>" in mean_iou) == (scores[1] > scores[0])


def test_the_same_images_side_by_side(text: str, comparison) -> None:
    page = Page(text.replace("<br>", ""))
    images = page.all("img")
    # An image, its label and the labels of both nets, of each of two images.
    assert [image["class"] for image in images] == ["jpeg", "png", "png", "png"] * 2
    for index in range(2):
        truth, *labels = (np.asarray(decoded(image)) for image in images[4 * index + 1 : 4 * index + 4])
        np.testing.assert_array_equal(truth, comparison.nets[0].pictures[index].label)
        for net, label in zip(comparison.nets, labels, strict=True):
            np.testing.assert_array_equal(label, net.pictures[index].prediction)
            score = net.evaluation.images[index]
            assert f"mean IoU {100 * score.mean_iou:.2f}%" in page.text
            assert f"pixel acc. {100 * score.pixel_accuracy:.2f}%" in page.text


def test_each_class_has_its_iou(text: str, comparison) -> None:
    table = text[text.index('aria-label="IoU of each class"') :].partition("</table>")[0]
    cells = re.findall(r'<td class="number">(.*?)</td>', table)
    ious = np.stack([net.evaluation.scores.class_iou for net in comparison.nets], axis=1)
    best = ious.max(axis=1, keepdims=True)
    expected = [
        f"<b>{100 * iou:.2f}%</b>" if iou == high and (row != high).any() else f"{100 * iou:.2f}%"
        for row, (high,) in zip(ious, best, strict=True)
        for iou in row
    ]
    assert cells == expected


def written(comparison, names: list[str], folder: Path) -> Page:
    """Returns the page of the comparison with other names of all that has one."""
    first, second, *classes = names
    shown = (classes[0], classes[1])
    nets = []
    for net, name in zip(comparison.nets, (first, second), strict=True):
        images = [
            score._replace(example=score.example._replace(name=image))
            for score, image in zip(net.evaluation.images, shown, strict=True)
        ]
        scored = net.evaluation._replace(images=tuple(images))
        nets.append(
            net._replace(candidate=net.candidate._replace(name=name), engine=second, evaluation=scored)
        )
    plan = comparison.plan
    plan = plan._replace(
        candidates=tuple(net.candidate for net in nets),
        root=Path("a") / first,
        split=second,
        classes=plan.classes.named(tuple(classes)),
    )
    changed = comparison._replace(
        plan=plan, nets=tuple(nets), shown=shown, warnings=(first,), environment={"cpu": second}
    )
    write_comparison_page(folder / "page.html", changed, f"fcn compare {first}")
    page = Page((folder / "page.html").read_text().replace("<br>", ""))
    assert page.open == []
    assert all(name in page.text for name in names)
    return page


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_add_no_markup(comparison, name: str, tmp_path: Path) -> None:
    hostile = written(comparison, [f"{name}{number}" for number in range(5)], tmp_path)
    harmless = written(comparison, [f"{'a' * len(name)}{number}" for number in range(5)], tmp_path)
    assert structure(hostile) == structure(harmless)


def test_values_of_a_grid_are_columns_and_rungs_are_a_table(grid, tmp_path: Path) -> None:
    write_comparison_page(tmp_path / "page.html", grid, "fcn compare")
    text = (tmp_path / "page.html").read_text().replace("<br>", "")
    assert Page(text).open == []
    assert "<title>2 nets: train.learning_rate, model.net" in text
    table = text[text.index('<table class="nets"') :].partition("</table>")[0]
    assert re.findall(r'<th scope="col">(.*?)</th>', table) == ["net", "train.learning_rate", "model.net"]
    assert re.findall(r'<td class="varied">(.*?)</td>', table) == ["0.1", "&lt;b&gt;", "-", "-"]
    rungs = text[text.index('<table class="rungs"') :].partition("</table>")[0]
    assert re.findall(r'"number">(.*?)</t', rungs) == [
        *("to step 600", "to step 1,200", "<b>50.00%</b>", "<b>75.00%</b>", "25.00%", "-", "-", "-")
    ]
    assert "fifth: The loss became &lt;nan&gt;." in text


def test_without_a_grid_there_is_neither(text: str) -> None:
    assert 'class="varied"' not in text
    assert 'class="rungs"' not in text
    assert "Successive halving" not in text


def test_a_split_that_was_chosen_by_chance_is_told(comparison, text: str, tmp_path: Path) -> None:
    divided = comparison._replace(plan=comparison.plan._replace(val_share=0.25))
    write_comparison_page(tmp_path / "page.html", divided, "fcn compare")
    told = "No list 'val': data.val_share=0.25 of the images are left out of each training, and scored."
    assert told in Page((tmp_path / "page.html").read_text()).text
    assert "val_share" not in text
