"""Tests of the data sets and the table of the comparison of suggested and random images."""

import json
from pathlib import Path

import pytest
import suggest

from fcn.config.file import as_config
from fcn.data.voc import read_split


def test_a_data_set_of_links_has_the_chosen_images_and_a_third_of_the_others(
    dataset: Path, tmp_path: Path
) -> None:
    for names in (["d", "a"], ["b"]):  # the second time there are links already
        suggest.link_data(tmp_path / "data", dataset, names)
        assert [example.name for example in read_split(tmp_path / "data", "train")] == names
    val = read_split(tmp_path / "data", "val")
    assert [example.name for example in val] == ["x"]
    assert val[0].image_path.read_bytes() == (dataset / "JPEGImages" / "x.jpg").read_bytes()


def test_the_configuration_is_one_of_this_package(tmp_path: Path) -> None:
    config = as_config(suggest.configuration(tmp_path, tmp_path / "weights.h5", 7, 3))
    assert (config.train.steps, config.train.evaluate_steps, config.train.seed) == (7, 7, 3)


def test_the_table_has_each_seed_and_the_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = {(0, "random"): 0.3, (0, "suggest"): 0.32, (1, "random"): 0.31, (1, "suggest"): 0.3}
    for (seed, arm), score in scores.items():
        folder = tmp_path / f"seed_{seed}" / arm
        folder.mkdir(parents=True)
        (folder / suggest.HELD).write_text(json.dumps({"mean_iou": score}))
    suggest.print_table("held back", tmp_path, 2, suggest.HELD)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["held", "back"],
        ["seed", "random", "suggest", "difference"],
        ["0", "30.0", "32.0", "+2.0"],
        ["1", "31.0", "30.0", "-1.0"],
        ["mean", "30.5", "31.0", "+0.5"],
    ]
