import re
from collections.abc import Sequence

import numpy as np
import pytest
from html_page import Page
from sklearn.metrics import confusion_matrix as sklearn_matrix

from fcn.evaluation.metrics import confusion_matrix
from fcn.pages.render import render
from fcn.report.confusion import MOST_CLASSES, confusion_map, group_rarest


def names_of(count: int) -> tuple[str, ...]:
    return tuple(f"class {index}" for index in range(count))


def shown(matrix: np.ndarray, names: Sequence[str]) -> str:
    return render("confusion.html", confusion=confusion_map(matrix, names))


def shares_of(html: str) -> dict[str, str]:
    """Returns what is shown where one points, by "true → predicted"."""
    return dict(re.findall(r'title="([^":]* → [^":]*): ([^"]*)"', html))


def test_a_map_worked_by_hand() -> None:
    matrix = np.array([[60, 40, 0], [0, 3, 1], [0, 0, 0]])
    html = shown(matrix, ("sky", "sea", "moon"))
    assert shares_of(html) == {
        "sky → sky": "60.0%",
        "sky → sea": "40.0%",
        "sea → sea": "75.0%",
        "sea → moon": "25.0%",
    }
    table = html[html.index("<tbody>") : html.index("</tbody>")]
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in table.split("</tr>")[:-1]]
    assert rows == [["60", "40", ""], ["", "75", "25"], ["no labeled pixel"]]
    hits = re.findall(r'<td class="hit" style="--a:([\d.]+)"', table)
    assert [float(strength) ** 2 for strength in hits] == pytest.approx([0.6, 0.75], abs=0.01)
    text = Page(html).text
    assert "sky → sea 40.0% of its pixels, 38.5% of all\nsea → moon 25.0% of its pixels, 1.0% of all" in text


@pytest.mark.parametrize("num_classes", [2, 21, 25, 26, 60])
def test_every_row_is_normalized_as_scikit_learn_does(rng: np.random.Generator, num_classes: int) -> None:
    label = np.append(rng.integers(0, num_classes, 5000), np.arange(num_classes))
    prediction = np.where(rng.random(label.size) < 0.5, label, rng.integers(0, num_classes, label.size))
    html = shown(confusion_matrix(label, prediction, num_classes), names_of(num_classes))
    page, found = Page(html), shares_of(html)
    assert page.open == []
    assert len(page.all("td")) == num_classes**2 + 1
    expected = sklearn_matrix(label, prediction, normalize="true")
    for (true, predicted), share in np.ndenumerate(expected):
        text = found.get(f"class {true} → class {predicted}")
        assert text == (f"{100 * share:.1f}%" if share else None)


def test_where_all_is_right_no_mistake_is_listed() -> None:
    html = shown(np.diag([5, 7]), ("sky", "sea"))
    assert "<li>" not in html
    assert "None." in html


def test_only_void_makes_no_map() -> None:
    html = shown(np.zeros((3, 3), np.int64), names_of(3))
    assert "No labeled pixel." in html
    assert "<table" not in html


def test_names_cannot_break_the_page() -> None:
    page = Page(shown(np.array([[1, 2], [3, 4]]), ('"><script>', "<b>&")))
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "b"})
    assert {str(cell["title"]) for cell in page.all("span") if "title" in cell} == {'"><script>', "<b>&"}
    assert '"><script> → <b>& 66.7%' in page.text


def test_the_rarest_of_many_classes_are_counted_as_one(rng: np.random.Generator) -> None:
    count = MOST_CLASSES + 40
    label = np.minimum(rng.geometric(0.02, 20_000) - 1, count - 1)
    prediction = rng.permutation(label)
    matrix = confusion_matrix(label, prediction, count)
    grouped, names = group_rarest(matrix, names_of(count))
    frequent = np.sort(np.argsort(-np.bincount(label, minlength=count), kind="stable")[: MOST_CLASSES - 1])
    merged = np.full(count, MOST_CLASSES - 1)
    merged[frequent] = np.arange(MOST_CLASSES - 1)
    np.testing.assert_array_equal(grouped, confusion_matrix(merged[label], merged[prediction], MOST_CLASSES))
    assert names == [f"class {index}" for index in frequent] + ["41 others"]


def test_as_many_classes_as_fit_stay_apart(rng: np.random.Generator) -> None:
    matrix = rng.integers(0, 9, (MOST_CLASSES, MOST_CLASSES))
    grouped, names = group_rarest(matrix, names_of(MOST_CLASSES))
    assert grouped is matrix
    assert names == list(names_of(MOST_CLASSES))


def test_the_page_stays_small_with_any_number_of_classes(rng: np.random.Generator) -> None:
    html = shown(rng.integers(1, 9, (255, 255)), names_of(255))
    assert len(html) < 500_000
