import numpy as np
import pytest

from fcn.classes import VOID
from fcn.evaluation.metrics import confusion_matrix
from fcn.evaluation.mistakes import Mistake, largest_mistake


def mistake_of(label: np.ndarray, prediction: np.ndarray) -> Mistake | None:
    return largest_mistake(label, prediction, confusion_matrix(label, prediction, 3))


@pytest.mark.parametrize(
    ("row", "column", "place"),
    [(0, 0, "top left"), (4, 4, "middle"), (8, 8, "bottom right"), (0, 5, "top"), (5, 0, "left")],
)
def test_where_it_is(row: int, column: int, place: str) -> None:
    label = np.full((9, 9), 2, np.uint8)
    prediction = label.copy()
    prediction[row, column] = 1
    assert mistake_of(label, prediction) == Mistake(2, 1, 1, 1 / 81, place)


def test_the_largest_of_several() -> None:
    label = np.zeros((6, 9), np.uint8)
    label[3:] = 1
    prediction = label.copy()
    prediction[0, :2] = 2  # two pixels
    prediction[5, 6:] = 0  # three
    found = mistake_of(label, prediction)
    assert found == Mistake(1, 0, 3, 3 / 54, "bottom right")


def test_void_is_no_mistake() -> None:
    label = np.full((4, 4), VOID, np.uint8)
    label[0, 0] = 1
    assert mistake_of(label, np.ones((4, 4), np.uint8)) is None
    found = mistake_of(label, np.zeros((4, 4), np.uint8))
    assert found == Mistake(1, 0, 1, 1.0, "top left")


def test_an_image_without_known_pixels() -> None:
    void = np.full((4, 4), VOID, np.uint8)
    assert mistake_of(void, np.zeros((4, 4), np.uint8)) is None
