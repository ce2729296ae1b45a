import math

import pytest

from fcn.pages.percent import percent


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0.5, 2, "50.00%"),
        (1, 0, "100%"),
        (0.0001, 2, "0.01%"),
        (0.0000999, 2, "< 0.01%"),
        (0.0009, 1, "< 0.1%"),
        (0.009, 0, "< 1%"),
        (0, 1, "0.0%"),
        (-0.25, 1, "-25.0%"),
        (math.nan, 3, "absent"),
    ],
)
def test_shares_in_percent(share: float, digits: int, text: str) -> None:
    assert percent(share, digits) == text
