"""Lists of splits: lines with and without folders and suffixes."""

from pathlib import Path

import pytest
from importing_sources import write_text

from fcn.errors import DataError
from fcn.labels.importing.split_lists import read_split_lists

NAMES = ("clip 1/a", "clip 2/a", "b.c")


def test_lines_with_folders_mean_the_image_in_that_folder(tmp_path: Path) -> None:
    lists = tmp_path / "ImageSets" / "Segmentation"
    write_text(lists / "train.txt", "JPEGImages/clip 1/a.png\nb.c 1\n")
    write_text(lists / "val.txt", "clip 2\\a.jpg\ngone\n")
    splits, notes = read_split_lists(tmp_path, NAMES)
    assert splits == {"clip 1/a": "train", "clip 2/a": "val", "b.c": "train"}
    assert notes == (f"{lists / 'val.txt'} names 1 image that is not there, such as gone",)


def test_folders_of_another_place_do_not_matter_where_one_image_has_the_name(tmp_path: Path) -> None:
    write_text(tmp_path / "ImageSets" / "Segmentation" / "val.txt", "/home/me/b.c.png\n")
    assert read_split_lists(tmp_path, NAMES)[0] == {"b.c": "val"}


def test_a_line_that_can_be_several_images_is_refused(tmp_path: Path) -> None:
    write_text(tmp_path / "ImageSets" / "Segmentation" / "val.txt", "a\n")
    with pytest.raises(DataError, match="names 'a', which can be clip 1/a or clip 2/a"):
        read_split_lists(tmp_path, NAMES)
