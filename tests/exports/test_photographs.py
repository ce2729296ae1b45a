import os
from pathlib import Path

import numpy as np
import pytest
from photographs import write_image, write_video

from fcn.errors import DataError
from fcn.exports.photographs import LARGEST_SIDE, find_photographs, middle, spread


def test_a_folder_is_searched_at_any_depth_and_videos_are_left_out(tmp_path: Path) -> None:
    for name in ("b.png", "nowhere/a.jpg", "a.bmp"):
        write_image(tmp_path / name)
    write_video(tmp_path / "a.mp4", 1)
    (tmp_path / "notes.txt").write_text("")
    found = [path.relative_to(tmp_path).as_posix() for path in find_photographs(tmp_path)]
    assert found == ["a.bmp", "b.png", "nowhere/a.jpg"]


def test_one_image_is_enough(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png")
    assert find_photographs(path) == [path]


def test_no_image_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images found"):
        find_photographs(tmp_path)
    with pytest.raises(DataError, match="nowhere"):
        find_photographs(tmp_path / "nowhere")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(DataError, match="by its suffix"):
        find_photographs(tmp_path / "a.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(DataError, match="closed"):
        find_photographs(tmp_path)


@pytest.mark.parametrize("number", [1, 2, 7, 8, 100])
def test_spread_reaches_from_end_to_end(number: int) -> None:
    paths = [Path(str(index)) for index in range(8)]
    chosen = spread(paths, number)
    assert len(chosen) == len(set(chosen)) == min(number, 8)
    assert chosen == sorted(chosen)
    assert chosen[0] == paths[0]
    assert number == 1 or chosen[-1] == paths[-1]


def test_the_middle_of_an_image_is_as_far_from_all_edges() -> None:
    image = np.zeros((LARGEST_SIDE + 6, LARGEST_SIDE + 10, 3), np.uint8)
    image[3:-3, 5:-5] = 1
    assert middle(image).shape == (LARGEST_SIDE, LARGEST_SIDE, 3)
    assert middle(image).all()
    small = image[:40, :50]
    np.testing.assert_array_equal(middle(small), small)
