"""Tests of resuming, and of scoring a run, after its data have changed."""

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from older_checkpoint import without

from fcn.classes import Classes
from fcn.cli.main import main
from fcn.config.file import Config
from fcn.data.image_io import encode_label, read_image, read_label
from fcn.data.leaks import digest_images
from fcn.data.voc import read_split
from fcn.errors import RunError
from fcn.runs.digests import DataRecord, SplitDigests, TrainingImages, read_record, write_record
from fcn.runs.folder import RunFolder
from fcn.runs.model_file import load_state
from fcn.system.remedies import naming_options
from fcn.training.checked_data import read_checked
from fcn.training.checkpoint import DataDigests
from fcn.training.loop import train
from fcn.training.run_check import check_data

pytestmark = pytest.mark.usefixtures("eager")

SPLITS = {"train": ["a", "b", "c"], "val": ["x", "y"], "more": ["m"]}


def configured(root: Path) -> Config:
    return Config.model_validate(
        {
            "data": {"root": root},
            "augmentation": {"crop_size": (16, 16)},
            "model": {"width": 1 / 32, "fc_channels": 8},
            "train": {"steps": 1},
        }
    )


@pytest.fixture
def root(make_dataset: Callable[..., Path], tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "data", SPLITS, suffix=".png")


def list_path(root: Path, split: str) -> Path:
    return root / "ImageSets" / "Segmentation" / f"{split}.txt"


def change_image(root: Path, name: str) -> None:
    """Changes one pixel."""
    path = root / "JPEGImages" / f"{name}.png"
    image = read_image(path)
    image[3, 4, 1] ^= 1
    cv2.imwrite(str(path), image[..., ::-1])


def change_label(root: Path, name: str) -> None:
    """Changes one pixel to another class."""
    path = root / "SegmentationClass" / f"{name}.png"
    label = read_label(path)
    label[5, 6] = (int(label[5, 6]) + 1) % 3
    path.write_bytes(encode_label(label))


def swap_labels(root: Path, one: str, other: str) -> None:
    first, second = (root / "SegmentationClass" / f"{name}.png" for name in (one, other))
    first.rename(root / "kept.png")
    second.rename(first)
    (root / "kept.png").rename(second)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pixel of an image": (lambda root: change_image(root, "b"), "other training images, or in another"),
    "a pixel of a label": (lambda root: change_label(root, "c"), "other training labels than train of"),
    "labels that changed places": (
        lambda root: swap_labels(root, "a", "b"),
        "other training labels than train",
    ),
    "a pixel of a validation image": (lambda root: change_image(root, "x"), "other validation images, or in"),
    "a pixel of a validation label": (
        lambda root: change_label(root, "y"),
        "other validation labels than val",
    ),
    "one image less to score": (
        lambda root: list_path(root, "val").write_text("x\n"),
        "other validation images",
    ),
    "one image more to score": (
        lambda root: list_path(root, "val").write_text("x\ny\nm\n"),
        "other validation images",
    ),
    "another order": (
        lambda root: list_path(root, "val").write_text("y\nx\n"),
        "or in another order, than val",
    ),
    "labels of both": (
        lambda root: [change_label(root, name) for name in ("a", "x")],
        "other training labels than train and other validation labels than val of",
    ),
    "an image that changed from one split to the other": (
        lambda root: (
            list_path(root, "train").write_text("a\nb\n"),
            list_path(root, "val").write_text("x\ny\nc\n"),
        ),
        "other training images, or in another order, than train and other validation images",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_data_are_refused(change: str, root: Path, tmp_path: Path) -> None:
    make, message = CHANGES[change]
    config, run = configured(root), RunFolder(tmp_path / "run")
    saved = read_checked(config.data).digests
    check_data(run, config, saved, read_checked(config.data).digests)
    make(root)
    with pytest.raises(RunError) as caught:
        check_data(run, config, saved, read_checked(config.data).digests)
    assert message in str(caught.value)
    assert f"of {root} has now. Restore them, or " in str(caught.value)
    in_python = f"on the other split, fcn.evaluate('{run.path}', '{root}', 'val'), or start another run"
    assert (in_python in str(caught.value)) == ("validation" in str(caught.value))
    assert "--" not in str(caught.value)
    with naming_options(), pytest.raises(RunError) as caught:
        check_data(run, config, saved, read_checked(config.data).digests)
    command = f"python -m fcn evaluate {run.path} --data {root} --split val, or start another run"
    assert (command in str(caught.value)) == ("validation" in str(caught.value))
    assert str(caught.value).endswith(
        f"from its weights: python -m fcn train {run.config} --run NAME --set model.weights={run.path}"
    )


def test_the_run_that_is_started_in_place_of_a_refused_one_has_the_new_data(
    root: Path, tmp_path: Path
) -> None:
    config, run = configured(root), RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.config.write_text(config.to_yaml())
    saved = read_checked(config.data).digests
    moved = configured(shutil.copytree(root, tmp_path / "more labels"))
    change_label(moved.data.root, "c")
    with naming_options(), pytest.raises(RunError) as caught:
        check_data(run, moved, saved, read_checked(moved.data).digests)
    words = shlex.split(str(caught.value).partition("from its weights: ")[2])
    assert words[:5] == ["python", "-m", "fcn", "train", str(run.config)]
    assert words[-4:] == ["--set", f"model.weights={run.path}", "--set", f"data.root={moved.data.root}"]


def test_what_changes_no_pixel_is_no_change(root: Path, tmp_path: Path) -> None:
    config = configured(root)
    saved = read_checked(config.data).digests
    path = root / "SegmentationClass" / "a.png"
    path.write_bytes(
        encode_label(read_label(path), Classes(("a", "b", "c"), ((9, 9, 9), (8, 8, 8), (7, 7, 7))))
    )
    image = root / "JPEGImages" / "x.png"
    cv2.imwrite(str(image.with_suffix(".bmp")), read_image(image)[..., ::-1])
    image.unlink()
    list_path(root, "train").write_bytes(b"\xef\xbb\xbfa\r\nb\r\nc\r\n")
    moved = configured(shutil.move(root, tmp_path / "moved"))
    check_data(RunFolder(tmp_path / "run"), moved, saved, read_checked(moved.data).digests)


def test_another_decoder_is_named_as_the_cause(root: Path, tmp_path: Path) -> None:
    config, run = configured(root), RunFolder(tmp_path)
    saved = read_checked(config.data).digests
    record = DataRecord(TrainingImages("", "train", ()), "val", saved.val)
    write_record(run.digests, record)
    document = json.loads(run.digests.read_text())
    run.digests.write_text(json.dumps(document | {"decoder": "0" * 32}))
    check_data(run, config, saved, saved)  # of PNG, say, the pixels are the same
    for split in ("train", "val"):
        other = saved._replace(**{split: SplitDigests("other", "labels")})
        with pytest.raises(RunError, match="with another version of OpenCV or Pillow, which decodes JPEGs"):
            check_data(run, config, saved, other)
    labels = saved._replace(train=saved.train._replace(labels="other"))
    with pytest.raises(RunError, match="was started with other training labels"):
        check_data(run, config, saved, labels)
    write_record(run.digests, record)
    with pytest.raises(RunError, match="was started with other training images"):
        check_data(run, config, saved, saved._replace(train=SplitDigests("other", "labels")))


@pytest.mark.parametrize(
    ("saved", "told"),
    [
        (DataDigests(), "training images, training labels, validation images or validation labels have"),
        (
            DataDigests(train=SplitDigests("images")),
            "training labels, validation images or validation labels have changed could not be checked",
        ),
        (
            DataDigests(SplitDigests("images", "labels"), SplitDigests("val")),
            "whether the validation labels have",
        ),
        (DataDigests(SplitDigests("images", "labels"), SplitDigests("val", "labels")), ""),
    ],
)
def test_what_could_not_be_checked_is_said_in_a_line(
    saved: DataDigests, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = DataDigests(SplitDigests("images", "labels"), SplitDigests("val", "labels"))
    check_data(RunFolder(tmp_path), configured(tmp_path), saved, found)
    errors = capsys.readouterr().err
    assert told in errors
    assert len(errors.splitlines()) == errors.count("could not be checked") == bool(told)
    with pytest.raises(RunError, match="other validation labels"):
        check_data(
            RunFolder(tmp_path),
            configured(tmp_path),
            DataDigests(val=SplitDigests("", "labels")),
            found._replace(val=SplitDigests("val", "others")),
        )


@pytest.mark.slow
def test_a_run_is_resumed_and_scored_only_on_its_own_data(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(configured(root), tmp_path / "run").run
    record, state = read_record(run.digests), load_state(run.last)
    assert record is not None
    assert list(record.train.images or ()) == digest_images(read_split(root, "train"))
    assert (record.val.images, record.val.labels) == (state["val_images"], state["val_labels"])
    assert len({state[key] for key in ("data", "labels", "val_images", "val_labels")}) == 4
    kept = {path: path.read_bytes() for path in (run.scores, run.log, run.digests, run.last, run.best)}
    capsys.readouterr()
    train(configured(root), run.path, resume=True)
    assert "could not be checked" not in capsys.readouterr().err
    change_label(root, "a")
    list_path(root, "val").write_text("x\ny\nm\n")
    with pytest.raises(RunError, match=r"other training labels .* other validation images"):
        train(configured(root), run.path, resume=True)
    # The split has its old name and place, and other images.
    monkeypatch.chdir(tmp_path)
    for name in ("scores.json", "scores_2.json", "scores_3.json"):
        assert not (tmp_path / name).exists()
        with pytest.raises(SystemExit) as stopped:
            main(["evaluate", str(run.path), "--data", str(root)])
        assert not stopped.value.code
        assert f"The scores of the run stay; these go to {name}." in capsys.readouterr().err
        document = json.loads((tmp_path / name).read_text())
        assert (document["num_images"], "step" in document) == (3, False)
    assert {path: path.read_bytes() for path in kept} == kept
    list_path(root, "val").write_text("x\ny\n")
    with pytest.raises(SystemExit):
        main(["evaluate", str(run.path), "--data", str(root)])
    assert "stay" not in capsys.readouterr().err
    assert json.loads(run.scores.read_text())["step"] == 1
    assert run.scores.read_bytes() != kept[run.scores]  # which engine scored is named now


@pytest.mark.slow
def test_a_run_of_an_older_version_goes_on_and_is_recorded(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(configured(root), tmp_path / "run").run
    run.digests.unlink()
    without(run.last, "labels", "val_images", "val_labels")
    train(configured(root), run.path, resume=True)
    assert capsys.readouterr().err.count("could not be checked") == 1
    record = read_record(run.digests)
    assert record is not None
    assert record.train.complete
    run.digests.unlink()
    without(run.last, "data")
    train(configured(root), run.path, resume=True)
    record = read_record(run.digests)
    assert record is not None
    assert not record.train.complete
    np.testing.assert_array_equal(record.train.images, digest_images(read_split(root, "train")))
