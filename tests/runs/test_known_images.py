"""Tests of what is known of the training of a net wherever its run and its data lie now."""

import json
import shutil
from pathlib import Path

import cv2
import pytest

from fcn.cli.main import main
from fcn.config.file import Config
from fcn.data.image_io import read_image
from fcn.data.leaks import digest_images
from fcn.data.voc import read_split
from fcn.evaluation.evaluate import evaluate
from fcn.runs.digests import DataRecord, SplitDigests, TrainingImages, write_record
from fcn.runs.lineage import TrainingSplit, earlier_images, trained_before, training_of
from fcn.runs.lineage_warnings import describe_training, describe_unchecked

pytestmark = pytest.mark.usefixtures("eager")

CLASS_NAMES = ("ground", "cat", "dog")


def write_run(path: Path, root: Path, weights: str = "none", split: str = "train") -> Path:
    """Writes what a training of today writes before its first step, and an empty folder of checkpoints."""
    config = Config.model_validate(
        {"data": {"root": root, "train_split": split}, "model": {"weights": weights}}
    )
    (path / "checkpoints").mkdir(parents=True)
    images = tuple(digest_images(read_split(root, split)))
    record = DataRecord(
        TrainingImages(str(path), split, images), "val", SplitDigests(), earlier_images(weights, {})
    )
    write_record(path / "digests.json", record)
    (path / "config.yaml").write_text(config.to_yaml())
    return path


@pytest.fixture
def root(dataset: Path, tmp_path: Path) -> Path:
    """A copy of the data set, which a test may move."""
    return shutil.copytree(dataset, tmp_path / "data")


def converted(root: Path, split: str, target: Path) -> Path:
    """Writes the images of a split under other names and in another format, as a split "val"."""
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (target / folder).mkdir(parents=True)
    examples = read_split(root, split)
    for number, example in enumerate(examples):
        image = read_image(example.image_path)
        cv2.imwrite(str(target / "JPEGImages" / f"frame_{number}.png"), image[..., ::-1])
        shutil.copy(example.label_path, target / "SegmentationClass" / f"frame_{number}.png")
    listed = "".join(f"frame_{number}\n" for number in range(len(examples)))
    (target / "ImageSets" / "Segmentation" / "val.txt").write_text(listed)
    shutil.copy(root / "labels.txt", target)
    return target


def test_names_formats_and_places_do_not_matter(root: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", root)
    other = read_split(converted(root, "train", tmp_path / "other"), "val")
    unseen = read_split(root, "val")
    shutil.move(root, tmp_path / "elsewhere")
    moved = shutil.move(run, tmp_path / "moved")
    unseen = [
        one._replace(image_path=tmp_path / "elsewhere" / "JPEGImages" / one.image_path.name) for one in unseen
    ]
    assert training_of(moved, other) == TrainingSplit("train", 4, 4)
    assert training_of(moved, [*unseen, *other[:3]]) == TrainingSplit("train", 4, 3)
    assert training_of(moved, unseen) == TrainingSplit("train", 4, 0)


def test_copies_under_other_names_are_found_without_digests_too(root: Path, tmp_path: Path) -> None:
    first = write_run(tmp_path / "first", root)
    second = write_run(tmp_path / "second", root, str(first), split="val")
    for run in (first, second):
        (run / "digests.json").unlink()
    other = read_split(converted(root, "train", tmp_path / "other"), "val")
    assert training_of(first, other) == TrainingSplit("train", 4, 4)
    for digests in (None, digest_images(other)):
        training = training_of(second, other, digests)
        assert training is not None
        assert (training.num_scored, training.earlier[0].num_scored) == (0, 4)
    # Names alone clear nobody: without the images it could not be checked.
    shutil.rmtree(root / "JPEGImages")
    assert training_of(first, other) == TrainingSplit("train", None, None)


def test_another_data_set_at_the_place_of_the_first_does_not_count(
    root: Path, make_dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = write_run(tmp_path / "run", Path("data"))
    assert training_of(run, read_split(root, "train")) == TrainingSplit("train", 4, 4)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    make_dataset(Path("data"), {"train": ["a", "b"], "val": ["x"]}, seed=9)
    assert training_of(run, read_split(Path("data"), "train")) == TrainingSplit("train", 4, 0)
    assert training_of(run, read_split(root, "train")) == TrainingSplit("train", 4, 4)
    (run / "digests.json").unlink()  # with the configuration alone
    assert training_of(run, read_split(root, "train")) == TrainingSplit("train", 2, 0)


def test_the_trainings_of_the_start_are_known_without_their_runs(root: Path, tmp_path: Path) -> None:
    first = write_run(tmp_path / "first", root, split="val")
    second = write_run(tmp_path / "second", root, str(first))
    third = write_run(tmp_path / "third", root, str(second / "checkpoints" / "best.keras"))
    val = read_split(root, "val")
    expected = training_of(third, val)
    assert expected is not None
    assert [(one.run, one.num_scored) for one in expected.earlier] == [(str(second), 0), (str(first), 3)]
    for run in (first, second):
        shutil.rmtree(run)
    assert training_of(third, val) == expected
    (warning,) = describe_training(third, expected, 3)
    assert f"{first} was trained on 3 of the 3 scored images" in warning
    # Without digests nobody knows: the path may have been that of a run.
    (third / "digests.json").unlink()
    (warning,) = describe_training(third, training_of(third, val), 3)
    assert f"whether {second / 'checkpoints' / 'best.keras'} saw any could not be checked" in warning


def test_a_start_of_an_older_version_is_digested_while_its_images_are_there(
    root: Path, tmp_path: Path
) -> None:
    first = write_run(tmp_path / "first", root, split="val")
    (first / "digests.json").unlink()
    val = read_split(root, "val")
    (known,) = earlier_images(str(first), {})
    assert known == TrainingImages(str(first), "val", tuple(digest_images(val)))
    # Images that the new training has read are not read again.
    (reused,) = earlier_images(str(first), {one.image_path.resolve(): one.name.encode() for one in val})
    assert reused.images == (b"x", b"y", b"z")
    shutil.rmtree(root)
    assert earlier_images(str(first), {}) == (known._replace(images=None),)


def test_digests_that_cannot_be_read_are_not_taken_for_none(root: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", root)
    train = read_split(root, "train")
    (run / "digests.json").write_bytes((run / "digests.json").read_bytes()[:-20])
    assert training_of(run, train) == TrainingSplit("train", 4, 4)  # from the data, which are there
    shutil.move(root, tmp_path / "elsewhere")
    training = training_of(run, read_split(tmp_path / "elsewhere", "train"))
    assert training == TrainingSplit("train", None, None)
    (warning,) = describe_training(run, training, 4)
    assert warning.startswith(f"whether {run} was trained on any of the 4 scored images could not be checked")


def test_a_net_that_is_in_no_run_is_not_taken_for_untrained(root: Path, tmp_path: Path) -> None:
    assert describe_unchecked(None, None, 3) == []
    (note,) = describe_unchecked(tmp_path / "net.keras", None, 3)
    assert note.startswith(
        f"Whether {tmp_path / 'net.keras'} was trained on any of the 3 scored images could"
    )
    run = write_run(tmp_path / "run", root, str(tmp_path / "net.keras"))
    training = training_of(run, read_split(root, "val"))
    assert training is not None
    assert training.earlier == trained_before(str(tmp_path / "net.keras"), [])
    assert describe_training(run, training, 3) == []
    (note,) = describe_unchecked(run, training, 3)
    assert note.startswith(
        f"Whether {tmp_path / 'net.keras'}, from which the training started or learned, was trained"
    )


def test_a_run_with_first_steps_on_unknown_images_is_not_cleared(root: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", root)
    images = tuple(digest_images(read_split(root, "train")))
    record = DataRecord(TrainingImages("", "train", images, complete=False), "val", SplitDigests())
    write_record(run / "digests.json", record)
    assert training_of(run, read_split(root, "train")) == TrainingSplit("train", 4, 4)
    training = training_of(run, read_split(root, "val"))
    assert training == TrainingSplit("train", 4, None)
    (warning,) = describe_training(run, training, 3)
    assert "could not be checked, since an older version started it" in warning
    assert warning.endswith("digests of the images of its first steps.")


def test_long_chains_of_runs_are_remembered_whole(root: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "0", root, split="val")
    for number in range(1, 14):
        run = write_run(tmp_path / f"{number}", root, str(run))
    training = training_of(run, read_split(root, "val"))
    assert training is not None
    assert [one.num_scored for one in training.earlier] == [0] * 12 + [3]


@pytest.mark.slow
def test_a_moved_run_and_its_export_warn(
    thin_net, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fcn.exports.export import export

    monkeypatch.chdir(tmp_path)
    run = write_run(Path("run"), Path("data"))
    thin_net(class_names=CLASS_NAMES).save(run / "checkpoints" / "best.keras")
    version = export(run, tmp_path / "export")
    assert (version / "digests.json").read_bytes() == (run / "digests.json").read_bytes()
    assert "`digests.json`" in (version / "model_card.md").read_text()
    scored = converted(root, "train", tmp_path / "scored")
    (tmp_path / "place").mkdir()
    shutil.move(run, tmp_path / "place" / "moved")
    shutil.rmtree(root)
    monkeypatch.chdir(tmp_path / "place")
    shutil.copy("moved/checkpoints/best.keras", "net.keras")
    for model in ("moved", "moved/checkpoints/best.keras", tmp_path / "export", version):
        with pytest.warns(UserWarning, match="was trained on 4 of the 4 scored images, so these scores"):
            evaluate(model, scored)
    for model, known in (("moved", True), (version, True), ("net.keras", False)):
        with pytest.raises(SystemExit) as stopped:
            main(["evaluate", str(model), "--data", str(scored), "--output", "scores.json"])
        assert not stopped.value.code
        errors = capsys.readouterr().err
        document = json.loads(Path("scores.json").read_text())
        text = "was trained on 4 of the 4" if known else "net.keras was trained on any of the 4"
        assert text in errors
        assert [text in warning for warning in document["warnings"]] == [True]
        assert ("could not be checked" in errors) != known
        assert (document["training"] is not None) == known
