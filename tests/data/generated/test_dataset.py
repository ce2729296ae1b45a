"""Tests of the made-up data set: its layout, its determinism and how hard it is."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import confusion_matrix

from fcn.classes import VOID, voc_palette
from fcn.data.generated.dataset import CLASS_NAMES, generate_dataset, generate_example
from fcn.errors import OutputError

NUM_CLASSES = len(CLASS_NAMES)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("generated") / "new" / "shapes"
    generate_dataset(root, num_train=32, num_val=8, seed=3)
    return root


def read_names(root: Path, split: str) -> list[str]:
    return (root / "ImageSets" / "Segmentation" / f"{split}.txt").read_text().splitlines()


def read_files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def read_labels(root: Path) -> list[npt.NDArray[np.uint8]]:
    labels = []
    for path in sorted((root / "SegmentationClass").iterdir()):
        with Image.open(path) as label:
            labels.append(np.array(label))
    return labels


def test_the_layout_is_that_of_voc(root: Path) -> None:
    train, val = read_names(root, "train"), read_names(root, "val")
    assert (len(train), len(val)) == (32, 8)
    assert not set(train) & set(val)
    assert read_names(root, "trainval") == sorted(train + val)
    assert {path.stem for path in (root / "JPEGImages").glob("*.jpg")} == {*train, *val}
    assert {path.stem for path in (root / "SegmentationClass").glob("*.png")} == {*train, *val}
    assert (root / "labels.txt").read_text().splitlines() == list(CLASS_NAMES)
    assert sorted(path.name for path in root.parent.iterdir()) == [root.name]


def test_labels_are_palette_images_of_their_images_size(root: Path) -> None:
    sizes = set()
    for name in read_names(root, "trainval"):
        with (
            Image.open(root / "SegmentationClass" / f"{name}.png") as label,
            Image.open(root / "JPEGImages" / f"{name}.jpg") as image,
        ):
            label.load()
            assert label.mode == "P"
            assert label.getpalette() == voc_palette().ravel().tolist()
            assert image.mode == "RGB"
            assert image.size == label.size
            sizes.add(image.size)
    assert len(sizes) >= 4
    assert {width > height for width, height in sizes} == {True, False}


def test_every_image_shows_an_object_and_every_class_occurs(root: Path) -> None:
    values = [set(np.unique(label).tolist()) for label in read_labels(root)]
    assert all(found & set(range(1, NUM_CLASSES)) for found in values)
    assert set.union(*values) == {*range(NUM_CLASSES), VOID}


def test_void_lies_between_everything_and_is_thin(root: Path) -> None:
    for label in read_labels(root):
        for first, second in ((label[1:], label[:-1]), (label[:, 1:], label[:, :-1])):
            assert ((first == second) | (first == VOID) | (second == VOID)).all()
        void = (label == VOID).astype(np.uint8)
        # A line two pixels wide vanishes under a window of 5 x 5; only corners where several meet may last.
        assert cv2.erode(void, np.ones((5, 5), np.uint8)).sum() <= 0.002 * void.size


def test_the_same_seed_gives_the_same_bytes(root: Path, tmp_path: Path) -> None:
    generate_dataset(str(tmp_path / "again"), num_train=32, num_val=8, seed=3)
    assert read_files(tmp_path / "again") == read_files(root)


def test_an_image_depends_on_seed_split_and_index_alone(root: Path, tmp_path: Path) -> None:
    generate_dataset(tmp_path / "less", num_train=3, num_val=1, seed=3)
    generate_dataset(tmp_path / "other", num_train=3, num_val=1, seed=4)
    before, less, other = map(read_files, (root, tmp_path / "less", tmp_path / "other"))
    images = [name for name in less if name.endswith((".jpg", ".png"))]
    assert len(images) == 8
    assert all(less[name] == before[name] for name in images)
    assert all(other[name] != before[name] for name in images)
    assert less["JPEGImages/train_00000.jpg"] != less["JPEGImages/val_00000.jpg"]


@pytest.mark.exhaustive
def test_colors_say_little_about_classes() -> None:
    """Color and mean colors around a pixel must not solve what is meant for a net."""

    def sample(split: str, count: int, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        rng = np.random.default_rng(seed)
        features, labels = [], []
        for index in range(count):
            image, label = generate_example(split, index, seed=0)
            layers = [image, *(cv2.blur(image, (side, side)) for side in (5, 15, 31))]
            chosen = rng.choice(np.flatnonzero(label != VOID), 250, replace=False)
            features.append(np.concatenate(layers, -1).reshape(-1, 12)[chosen].astype(np.float32))
            labels.append(label.ravel()[chosen])
        return np.concatenate(features), np.concatenate(labels)

    features, labels = sample("train", 160, seed=0)
    forest = RandomForestClassifier(30, min_samples_leaf=2, class_weight="balanced_subsample", random_state=0)
    forest.fit(features, labels)
    features, labels = sample("val", 60, seed=1)
    matrix = confusion_matrix(labels, forest.predict(features), labels=range(NUM_CLASSES))
    class_iou = matrix.diagonal() / (matrix.sum(0) + matrix.sum(1) - matrix.diagonal())
    assert class_iou.mean() < 0.3


@pytest.mark.parametrize("entry", ["JPEGImages/mine.jpg", "mine.txt"])
def test_a_folder_in_use_is_left_alone(tmp_path: Path, entry: str) -> None:
    mine = tmp_path / "shapes" / entry
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(OutputError, match=r"shapes.*Expected a new or empty folder"):
        generate_dataset(tmp_path / "shapes", num_train=1, num_val=1, seed=0)
    assert read_files(tmp_path) == {f"shapes/{entry}": b"mine"}


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shapes").write_text("mine")
    with pytest.raises(OutputError, match="shapes"):
        generate_dataset(tmp_path / "shapes", num_train=1, num_val=1, seed=0)
    assert read_files(tmp_path) == {"shapes": b"mine"}


def test_an_empty_folder_may_be_given(tmp_path: Path) -> None:
    generate_dataset(tmp_path, num_train=1, num_val=1, seed=0, sizes=[(64, 72)])
    assert [label.shape for label in read_labels(tmp_path)] == [(64, 72)] * 2


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        generate_dataset(tmp_path / "shapes", num_train=1, num_val=1, seed=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_train": 0}, "num_train=0"),
        ({"num_val": -1}, "num_val=-1"),
        ({"seed": -1}, "seed=-1"),
        ({"sizes": [(128, 63)]}, "63"),
        ({"sizes": []}, "sizes"),
    ],
)
def test_wrong_arguments_are_named(tmp_path: Path, wrong: dict[str, object], message: str) -> None:
    arguments = {"num_train": 1, "num_val": 1, "seed": 0} | wrong
    with pytest.raises(ValueError, match=message):
        generate_dataset(tmp_path / "shapes", **arguments)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
