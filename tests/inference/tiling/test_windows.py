"""Tests of cutting an axis and an image into windows."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.inference.tiling.windows import _covered, choose_windows, cut, smallest_window
from fcn.models.fields import COARSEST_STRIDE

HALOS = st.tuples(st.integers(0, 90), st.integers(0, 90))


@settings(max_examples=100, deadline=None)
@given(length=st.integers(1, 900), more=st.integers(0, 5), halo=HALOS, overlap=st.integers(0, 6))
def test_windows_cover_an_axis_and_keep_what_they_see_all_of(
    length: int, more: int, halo: tuple[int, int], overlap: int
) -> None:
    window = smallest_window(halo, overlap) + more * COARSEST_STRIDE
    spans = cut(length, window, halo, overlap)
    assert spans[0].first == 0
    assert spans[-1].last == spans[-1].stop == length
    for span in spans:
        assert span.start % COARSEST_STRIDE == 0
        assert span.stop - span.start <= window
        assert span.start == 0 or span.start <= span.first - halo[0]
        assert span.stop == length or span.stop >= span.last + halo[1]
        assert span.first < span.last
    for one, other in pairwise(spans):
        assert one.stop - one.start == window
        assert other.first == one.last - overlap
        assert one.start < other.start


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 1500), width=st.integers(1, 1500), more=st.integers(0, 100_000), halo=HALOS)
def test_windows_stay_within_their_pixels(height: int, width: int, more: int, halo: tuple[int, int]) -> None:
    most = smallest_window(halo) ** 2 + more
    rows, columns = choose_windows((height, width), lambda rows, columns: rows * columns <= most, halo)
    assert (rows[0].start, columns[0].start, rows[-1].last, columns[-1].last) == (0, 0, height, width)
    sizes = np.outer([row.stop - row.start for row in rows], [one.stop - one.start for one in columns])
    assert sizes.max() <= most


def test_larger_windows_take_less_work() -> None:
    def work(pixels: int) -> int:
        rows, columns = choose_windows(
            (9000, 12000), lambda rows, columns: rows * columns <= pixels, (245, 245)
        )
        return sum((row.stop - row.start) * (one.stop - one.start) for row in rows for one in columns)

    works = [work(pixels) for pixels in (544**2, 1000**2, 1300**2, 2000**2, 4000**2)]
    assert works == sorted(works, reverse=True)
    assert works[-1] < 1.5 * 9000 * 12000


def test_windows_that_cannot_get_on_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 96 pixels\. Received: 64"):
        cut(300, 64, (20, 20))
    with pytest.raises(ValueError, match="windows of 96 x 96 pixels"):
        choose_windows((300, 300), lambda rows, columns: rows * columns < 96**2, (20, 20))


@pytest.mark.parametrize("size", [(1, 60_000_000), (60_000_000, 1), (3, 20_000_000), (32_000, 32_000)])
def test_windows_of_the_longest_images_are_chosen_with_few_questions(size: tuple[int, int]) -> None:
    asked: list[int] = []

    def fits(height: int, width: int) -> bool:
        asked.append(height * width)
        return -(-height // 32) * -(-width // 32) <= 2000

    rows, columns = choose_windows(size, fits, (245, 245))
    assert (rows[-1].last, columns[-1].last) == size
    assert len(asked) < 50_000
    assert len(rows) * len(columns) < 100_000


@settings(max_examples=100, deadline=None)
@given(length=st.integers(1, 5000), more=st.integers(0, 40), halo=HALOS, overlap=st.integers(0, 64))
def test_windows_are_counted_without_being_made(
    length: int, more: int, halo: tuple[int, int], overlap: int
) -> None:
    window = smallest_window(halo, overlap) + more * COARSEST_STRIDE
    spans = cut(length, window, halo, overlap)
    assert _covered(length, window, halo, overlap) == sum(span.stop - span.start for span in spans)
