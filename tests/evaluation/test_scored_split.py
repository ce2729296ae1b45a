"""Tests of the split that a net is scored on, with runs written by hand."""

from pathlib import Path

import pytest

from fcn.classes import Classes
from fcn.errors import DataError
from fcn.evaluation.scored_split import (
    check_classes,
    describe_divided,
    find_divided,
    read_scored,
    recorded_orientation,
)

NAMES = [f"n{number}" for number in range(6)]


@pytest.fixture
def root(make_dataset, tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "data", {"train": NAMES, "few": NAMES[:2]})


@pytest.fixture
def run(root: Path, tmp_path: Path) -> Path:
    """A run that has left out two of the images."""
    run = tmp_path / "run"
    (run / "splits").mkdir(parents=True)
    (run / "config.yaml").write_text(f"data: {{root: {root}, val_share: 0.3, label_orientation: stored}}\n")
    (run / "splits" / "train.txt").write_text("\n".join(NAMES[2:]))
    (run / "splits" / "val.txt").write_text("\n".join(NAMES[:2]))
    return run


def names(model: Path | None, root: Path, split: str) -> list[str]:
    return [example.name for example in read_scored(model, root, split)]


def test_both_splits_are_those_that_the_run_has_recorded(run: Path, root: Path, tmp_path: Path) -> None:
    for model in (run, run / "checkpoints" / "last.keras"):
        assert names(model, root, "val") == NAMES[:2]
        assert names(model, root, "train") == NAMES[2:]
        assert find_divided(model, root, "few") is None
        assert names(model, root, "few") == NAMES[:2]
    said = f"train: the images that the training chose from {root} (data.val_share), listed in {run}/splits/"
    assert describe_divided(run, root, "train") == f"{said}train.txt."
    assert describe_divided(run, root, "few") is None
    # A net of no run has learned from no list that is known.
    for model in (None, tmp_path / "net.keras"):
        assert names(model, root, "train") == NAMES
        with pytest.raises(DataError, match=r"val\.txt: no such split. The data set has: few, train\."):
            names(model, root, "val")


def test_a_list_that_the_data_set_has_comes_first(run: Path, root: Path) -> None:
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("n5\n")
    assert names(run, root, "val") == ["n5"]
    assert names(run, root, "train") == NAMES


def test_orientation_and_classes_are_known_by_the_run(run: Path, root: Path, dataset: Path) -> None:
    assert [recorded_orientation(run, one) for one in (root, dataset)] == ["stored", "upright"]
    assert recorded_orientation(None, root) == "upright"
    (root / "labels.txt").unlink()
    check_classes(run, Classes.named(("sky", "sea")), root, "val")
    with pytest.raises(DataError, match=r"has no labels\.txt"):
        check_classes(None, Classes.named(("sky", "sea")), root, "train")
    with pytest.raises(DataError, match=r"the classes the model was trained on: sky, sea\. Received"):
        check_classes(run, Classes.named(("sky", "sea")), dataset)


def test_names_that_0_1_took_from_whole_lines_are_kept_in_quotes(root: Path) -> None:
    lines = ("sky:1,2,3::", "sea:3,2,1::")
    (root / "labels.txt").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"put each line in quotes\.$"):
        check_classes(None, Classes.named(lines), root)
    with pytest.raises(DataError, match=r"choose another data set\.$"):  # other names altogether
        check_classes(None, Classes.named(("sun", "sea")), root)
    (root / "labels.txt").write_text("".join(f'"{line}"\n' for line in lines))
    check_classes(None, Classes.named(lines), root)
