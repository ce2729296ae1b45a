"""Tests of the options of annotations."""

import pytest

from fcn.outputs.annotation_options import DEFAULTS, AreaLimit


@pytest.mark.parametrize(
    ("text", "size", "pixels"),
    [
        ("0.01%", (480, 640), 31),  # 30.72
        ("0.01%", (100, 100), 1),
        ("0.01%", (100, 300), 3),  # not 3.0000000000000004
        ("0.01%", (9, 9), 1),
        ("100%", (3, 5), 15),
        ("0", (480, 640), 0),
        (" 50 ", (480, 640), 50),
    ],
)
def test_limits_are_exact(text: str, size: tuple[int, int], pixels: int) -> None:
    limit = AreaLimit.parse(text)
    assert limit.pixels(size) == pixels
    assert AreaLimit.parse(str(limit)) == limit


@pytest.mark.parametrize(
    "text", ["", "%", "-1", "-1%", "101%", "1.5", "9999999999", "1e400%", "nan", "inf%", "1/0", "ten"]
)
def test_other_limits_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expected a number of pixels, such as 50"):
        AreaLimit.parse(text)


def test_one_region_is_one() -> None:
    assert DEFAULTS.describe_left_out(1).startswith("1 region below 0.01% of their image was left out;")
    fewer = DEFAULTS._replace(min_area=AreaLimit.parse("50"))
    assert fewer.describe_left_out(1234).startswith("1,234 regions below 50 pixels were left out;")
