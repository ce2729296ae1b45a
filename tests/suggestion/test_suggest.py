"""Suggestions for a folder of images, with thin nets."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from photographs import write_video
from thin_training import thin_config

from fcn.data.image_io import read_image
from fcn.data.leaks import digest_images
from fcn.data.split_list import Example
from fcn.errors import DataError
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN
from fcn.runs.digests import DataRecord, SplitDigests, TrainingImages, write_record
from fcn.runs.folder import RunFolder
from fcn.suggestion.suggest import Suggestions, suggest


def write_images(folder: Path, numbers: Iterable[int]) -> Path:
    """Writes smooth images of one size; each number has its own."""
    folder.mkdir(exist_ok=True)
    for number in numbers:
        coarse = np.random.default_rng(number).integers(0, 256, (5, 6, 3), np.uint8)
        smooth = cv2.resize(coarse, (40, 32), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number:02}.{'jpg' if number == 20 else 'png'}"), smooth)
    return folder


@pytest.fixture(scope="module")
def predictor(net: FCN, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A net that was trained on images 20 to 22, the last in an earlier run, and on 23 without its label."""
    folder = tmp_path_factory.mktemp("run")
    run = RunFolder(folder / "run")
    run.best.parent.mkdir(parents=True)
    net.save(run.best)
    run.config.write_text(thin_config(folder, {}).to_yaml())
    learned = write_images(folder / "learned", (20, 21, 22, 23))
    paths = sorted(learned.iterdir())
    digests = digest_images([Example(path.stem, path, path) for path in paths])
    earlier = TrainingImages("earlier", "train", (digests[2],))
    learned_now = TrainingImages("run", "train", tuple(digests[:2]), unlabeled=(digests[3],))
    record = DataRecord(learned_now, "val", SplitDigests(), (earlier,))
    write_record(run.digests, record)
    return Predictor(run.path)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_images(tmp_path / "images", range(6))


def names(found: Suggestions) -> list[str]:
    return [Path(one.path).name for one in found.chosen]


def test_the_image_of_which_the_net_is_least_sure_comes_first(
    predictor: Predictor, net: FCN, images: Path
) -> None:
    found = suggest(predictor, images, 3)
    logits = {path.name: net(read_image(path)[None]) for path in images.iterdir()}
    probabilities = {name: keras.ops.convert_to_numpy(keras.ops.softmax(one)) for name, one in logits.items()}
    unsure = {name: float(1 - one.max(axis=-1).mean()) for name, one in probabilities.items()}
    assert names(found)[0] == max(unsure, key=lambda name: unsure[name])
    for one in found.chosen:
        assert one.uncertainty == pytest.approx(unsure[Path(one.path).name], abs=0.003)
    assert (len(found.chosen), found.num_images) == (3, 6)
    assert found.failed == ()


def test_the_choice_does_not_depend_on_the_order_of_files_nor_the_call(
    predictor: Predictor, images: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in sorted(images.iterdir(), reverse=True):
        shutil.copy(path, other)
    first = names(suggest(predictor, images, 4))
    assert names(suggest(predictor, images, 4)) == first
    assert names(suggest(predictor, str(other), 4)) == first
    # Those chosen first are the same however many are chosen.
    assert names(suggest(predictor, images, 2)) == first[:2]


def test_of_copies_one_is_chosen_and_nearly_equal_images_come_late(
    predictor: Predictor, images: Path
) -> None:
    first = names(suggest(predictor, images, 1))[0]
    pixels = read_image(images / first)[..., ::-1]
    cv2.imwrite(str(images / "copy.bmp"), pixels)
    noise = np.random.default_rng(0).integers(0, 2, pixels.shape, np.uint8)
    cv2.imwrite(str(images / "near.png"), cv2.add(pixels, noise))
    found = suggest(predictor, images, 50)
    assert (found.num_images, found.num_copies, len(found.chosen)) == (7, 1, 7)
    chosen = names(found)
    assert len({first, "copy.bmp"} & {*chosen}) == 1
    assert sorted(chosen.index(name) for name in chosen if name in ("copy.bmp", "near.png", first)) == [0, 6]


def test_what_cannot_be_labeled_is_told_and_not_chosen(predictor: Predictor, images: Path) -> None:
    (images / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (images / "cut.png").write_bytes((images / "00.png").read_bytes()[:200])
    (images / "raw.cr2").write_bytes(b"raw")
    (images / "notes.txt").write_text("not an image")
    write_video(images / "film.mp4", 2)
    found = suggest(predictor, images, 50)
    assert sorted(names(found)) == [f"{index:02}.png" for index in range(6)]
    assert sorted(Path(path).name for path, _ in found.failed) == ["broken.jpg", "cut.png", "raw.cr2"]
    assert all(reason and "images/" not in reason for _, reason in found.failed)
    assert found.num_videos == 1


def test_a_folder_without_an_image_to_choose_is_refused(predictor: Predictor, images: Path) -> None:
    for path in images.iterdir():
        path.write_bytes(b"broken")
    write_video(images / "film.mp4", 2)
    with pytest.raises(
        DataError, match=r"images: no image is left to choose: 6 cannot be labeled, 1 are vid"
    ):
        suggest(predictor, images)
    with pytest.raises(DataError, match="missing"):
        suggest(predictor, images / "missing")
    with pytest.raises(ValueError, match="Received: 0"):
        suggest(predictor, images, 0)


def test_images_that_the_run_has_learned_are_left_out(predictor: Predictor, images: Path) -> None:
    write_images(images, (20, 21, 22, 23))
    (images / "21.png").rename(images / "renamed.png")
    found = suggest(predictor, images, 50)
    unlabeled = (*range(6), 23)
    assert sorted(names(found)) == [f"{number:02}.png" for number in unlabeled]
    assert (found.num_seen, found.num_images) == (3, 7)
    for number in unlabeled:
        (images / f"{number:02}.png").unlink()
    with pytest.raises(DataError, match="3 are those that the net was trained or validated on"):
        suggest(predictor, images, 50)


def test_images_on_another_machine_are_suggested(predictor: Predictor, images: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for path in images.iterdir():
        memory.pipe(f"/suggested/in/{path.name}", path.read_bytes())
    found = suggest(predictor, "memory://suggested/in", 3)
    assert names(found) == names(suggest(predictor, images, 3))
    assert found.chosen[0].path.startswith("memory://")
