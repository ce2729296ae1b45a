"""Images without labels."""

import shutil
from pathlib import Path

import pytest

from fcn.config.sections import DataConfig
from fcn.data.leaks import digest_images
from fcn.data.voc import read_split
from fcn.errors import DataError
from fcn.labels.unlabeled import UnlabeledImages, find_unlabeled, read_unlabeled


@pytest.fixture
def photos(dataset: Path, tmp_path: Path) -> Path:
    """A folder with the images of a data set and one more, below folders."""
    folder = tmp_path / "photos"
    shutil.copytree(dataset / "JPEGImages", folder / "trip")
    (folder / "trip" / "x.jpg").rename(folder / "renamed.jpg")
    (folder / "notes.txt").write_text("none")
    return folder


def configured(dataset: Path, photos: Path | None) -> DataConfig:
    return DataConfig(root=dataset, unlabeled=photos)


def test_images_that_are_scored_are_left_out_whatever_they_are_called(dataset: Path, photos: Path) -> None:
    config, val = configured(dataset, photos), read_split(dataset, "val")
    everything = read_unlabeled(config, set())
    assert [one.name for one in everything.examples] == [
        "renamed",
        *(f"trip/{name}" for name in ["a", "b", "c", "d", "y", "z"]),
    ]
    found = read_unlabeled(config, {*digest_images(val)})
    assert [one.name for one in found.examples] == [f"trip/{name}" for name in "abcd"]
    assert found.num_scored == 3
    assert found.describe(Path("photos"), 0.25) == (
        "Unlabeled: 4 images of photos, 25% of the examples. Left out, since they are scored: 3."
    )
    assert found.digests == tuple(digest_images(read_split(dataset, "train")))
    assert len({found.digest, everything.digest, ""}) == 3


def test_without_a_folder_there_are_none(dataset: Path) -> None:
    assert read_unlabeled(configured(dataset, None), set()) == UnlabeledImages()
    assert UnlabeledImages().digest == ""


def test_what_cannot_be_used_is_refused(dataset: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.unlabeled=.*nowhere: no such folder"):
        find_unlabeled(configured(dataset, tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"data\.unlabeled=.*empty: holds no images"):
        find_unlabeled(configured(dataset, tmp_path / "empty"))
    everything = read_unlabeled(configured(dataset, photos), set())
    with pytest.raises(DataError, match="all of its 7 images are scored"):
        read_unlabeled(configured(dataset, photos), {*everything.digests})
    for name in ("a", "b"):
        (photos / "trip" / f"{name}.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(DataError) as caught:
        read_unlabeled(configured(dataset, photos), set())
    assert "a.jpg" in str(caught.value)
    assert "b.jpg" in str(caught.value)
