"""A data set without a validation list: the training leaves some of its images out to score on."""

from pathlib import Path

import pytest
from thin_training import thin_config

from fcn.config.file import Config
from fcn.config.sections import DataConfig
from fcn.data.voc import has_split, read_split
from fcn.errors import DataError
from fcn.labels.validation_split import check_lists, lists_of, record_division
from fcn.runs.folder import RunFolder
from fcn.runs.lineage import training_of
from fcn.runs.splits import find_lists
from fcn.training.checked_data import read_checked
from fcn.training.loop import train
from fcn.training.steps import with_steps

NAMES = [f"{letter}{number}" for letter in "ab" for number in range(5)]


@pytest.fixture
def undivided(make_dataset, tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "data", {"train": NAMES})


def configured(root: Path, **train_values) -> Config:
    config = thin_config(root, {"steps": 1, "batch_size": 2, **train_values})
    return config.model_copy(update={"data": DataConfig(root=root, val_share=0.2)})


def test_a_share_of_the_training_images_is_left_out(undivided: Path) -> None:
    data = read_checked(configured(undivided).data)
    train_names, val_names = ({one.name for one in part} for part in (data.train_examples, data.val_examples))
    assert data.is_divided
    assert len(val_names) == 2
    assert not train_names & val_names
    assert train_names | val_names == set(NAMES)
    assert (len(data.train_digests), len(data.train_pixels), len(data.val_digests)) == (8, 8, 2)
    again = read_checked(configured(undivided).data)
    assert again.digests == data.digests
    # The facts go with their images.
    (undivided / "ImageSets/Segmentation/train.txt").write_text("\n".join(sorted(train_names)))
    (undivided / "ImageSets/Segmentation/val.txt").write_text("\n".join(sorted(val_names)))
    listed = read_checked(configured(undivided).data)
    assert not listed.is_divided
    assert {one.name for one in listed.val_examples} == val_names
    pixels = {one.name: list(row) for one, row in zip(data.train_examples, data.train_pixels, strict=True)}
    assert pixels == {
        one.name: list(row) for one, row in zip(listed.train_examples, listed.train_pixels, strict=True)
    }
    assert list(listed.val_pixels) == list(data.val_pixels)


def test_a_list_comes_first_and_without_a_share_it_must_be_there(undivided: Path, dataset: Path) -> None:
    assert lists_of(DataConfig(root=dataset, val_share=0.5)) == ("train", "val")
    assert lists_of(DataConfig(root=undivided)) == ("train", "val")
    assert lists_of(DataConfig(root=undivided, val_share=0.5)) == ("train",)
    assert has_split(undivided, "train")
    with pytest.raises(DataError, match=r"val.txt: no such split"):
        read_checked(DataConfig(root=undivided))
    (undivided / "ImageSets/Segmentation/train.txt").write_text("a0\n")
    with pytest.raises(DataError, match=rf"{undivided}: Expected at least 2 images to divide"):
        read_checked(configured(undivided).data)


def test_epochs_are_of_the_images_that_are_left(undivided: Path) -> None:
    config = configured(undivided)
    settings = config.train.model_copy(update={"epochs": 3.0})
    assert with_steps(config.model_copy(update={"train": settings})).train.steps == 3 * 8 / 2


def test_a_run_keeps_its_lists_and_what_it_was_trained_on_is_told_by_them(
    undivided: Path, tmp_path: Path
) -> None:
    config, run = configured(undivided), RunFolder(tmp_path)
    data = read_checked(config.data)
    record_division(run, config.data, data.val_examples, data.train_examples)
    record_division(run, config.data, data.train_examples, data.val_examples)  # an earlier start had failed
    run.config.write_text(config.to_yaml())
    record_division(run, config.data, data.val_examples, data.train_examples)
    listed = read_split(undivided, "train", lists=find_lists(run, config.data))
    assert listed == data.train_examples
    # An older run without digests, or one of another version of OpenCV, has nothing but its lists.
    known = [training_of(tmp_path, examples) for examples in (data.train_examples, data.val_examples)]
    assert [one and (one.num_images, one.num_scored) for one in known] == [(8, 8), (8, 0)]


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_the_division_is_said_and_written_to_the_run(
    undivided: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(configured(undivided), tmp_path / "run").run
    line = f"{undivided} has no list 'val', so 2 images of 10 are scored and not learned from"
    assert line in capsys.readouterr().err
    lists = {name: (run.splits / f"{name}.txt").read_text().split() for name in ("train", "val")}
    assert sorted(lists["train"] + lists["val"]) == NAMES
    resumed = configured(undivided, steps=2)
    assert train(resumed, run.path, resume=True).evaluation.images[0].example.name in lists["val"]
    # The lists are those of a data set: with them in it, nothing changes.
    for path in run.splits.iterdir():
        (undivided / "ImageSets/Segmentation" / path.name).write_bytes(path.read_bytes())
    train(configured(undivided, steps=3), run.path, resume=True)


def test_a_run_whose_data_were_moved_names_how_to_resume_it(undivided: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    config = configured(undivided)
    run.config.write_text(config.to_yaml())
    check_lists(config.data, run)
    undivided.rename(tmp_path / "moved")
    with pytest.raises(DataError, match=rf"^{undivided}: no such folder\. {run.path} learns .*=FOLDER'\]\)$"):
        check_lists(config.data, run)
    run.config.unlink()
    with pytest.raises(DataError, match=r"no such folder\. Expected a data set"):
        check_lists(config.data, run)
