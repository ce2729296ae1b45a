"""The ranking: the right order, and memory for what is ranked alone."""

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fcn.classes import VOID, Classes
from fcn.data.image_io import encode_label
from fcn.data.split_list import MOST_BITS
from fcn.data.voc import read_split
from fcn.suspects.ranking import Best, Ranking, compare_examples
from fcn.suspects.score import Comparison, Place

CLASSES = Classes.named(("ground", "cat", "dog"))
MEBIBYTE = 1 << 20


class ColorEngine:
    """Takes gray for ground, red for cat and blue for dog, and answers half an image at a time."""

    classes, bits = CLASSES, MOST_BITS

    def score_parts(self, image: np.ndarray) -> Iterator[tuple[Place, np.ndarray]]:
        for columns in (slice(0, 10), slice(10, None)):
            part = image[:, columns].astype(np.float32)
            red, blue = part[..., 0] - part[..., 2], part[..., 2] - part[..., 0]
            yield (slice(None), columns), np.stack([np.full_like(red, 60), red, blue], axis=-1) / 12


def comparison(label: np.ndarray, predicted: np.ndarray) -> Comparison:
    sure = np.full(label.shape, 0.9, np.float32)
    return Comparison(label, predicted, np.where(label == predicted, sure, 1 - sure), sure)


@given(st.lists(st.integers(0, 20)), st.integers(1, 5))
def test_the_highest_are_kept_and_of_equal_ones_the_first(values: list[int], most: int) -> None:
    best: Best[int] = Best(most)
    for index, value in enumerate(values):
        best.add(value, index)
    expected = sorted(range(len(values)), key=lambda index: -values[index])[:most]
    assert best.ranked() == expected


def test_memory_does_not_grow_with_the_images(rng: np.random.Generator) -> None:
    ranking = Ranking(10)
    label = rng.integers(0, 3, (24, 24), np.uint8)

    def add(count: int) -> None:
        for _ in range(count):
            predicted = rng.integers(0, 3, (24, 24), np.uint8)
            # Names of a megabyte: whatever keeps an example is seen.
            ranking.add(bytes(MEBIBYTE), 0, comparison(label, predicted))  # type: ignore[arg-type]

    add(3)
    tracemalloc.start()
    add(50)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(ranking.images()) == 10
    assert len(ranking.regions()) == 10
    assert ranking.num_images == 53
    assert peak < 30 * MEBIBYTE


def test_images_without_labels_are_counted_and_one_image_does_not_fill_the_list() -> None:
    ranking = Ranking(50)
    void = np.full((30, 30), VOID, np.uint8)
    ranking.add("void", 0, comparison(void, np.zeros_like(void)))  # type: ignore[arg-type]
    label = np.zeros((30, 30), np.uint8)
    predicted = label.copy()
    predicted[::2, ::2] = 1
    predicted[1::2] = 0
    ranking.add("many", 1, comparison(label, predicted))  # type: ignore[arg-type]
    assert (ranking.num_images, ranking.num_void) == (2, 1)
    assert [(one.example, one.net, one.pixels) for one in ranking.images()] == [("many", 1, 225)]
    assert len(ranking.regions()) == 5


def test_spoiled_labels_come_first(
    make_dataset: Callable[..., Path], tmp_path: Path, rng: np.random.Generator
) -> None:
    names = [f"n{index}" for index in range(12)]
    root = make_dataset(tmp_path, {"train": names}, class_names=CLASSES.names, suffix=".png")
    for name in names:
        image = np.full((32, 40, 3), 120, np.uint8) + rng.integers(0, 5, (32, 40, 1), np.uint8)
        label = np.zeros((32, 40), np.uint8)
        for class_id, (top, left) in ((1, (3, 2)), (2, (15, 22))):
            place = slice(top, top + 10), slice(left, left + 9)
            label[place] = class_id
            image[place] = (200, 60, 60) if class_id == 1 else (60, 60, 200)
        label[0] = VOID
        if name == "n3":
            label[label == 1] = 2
        if name == "n7":
            label[15:21, 22:28] = 0
        (root / "JPEGImages" / f"{name}.png").write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
        (root / "SegmentationClass" / f"{name}.png").write_bytes(encode_label(label, CLASSES))
    ranking = Ranking(3)
    for example, image, found, digest in compare_examples(ColorEngine(), read_split(root, "train")):
        assert image.shape == (32, 40, 3)
        assert len(digest.image) == 16
        ranking.add(example, 0, found)
    assert [one.example.name for one in ranking.images()[:2]] == ["n3", "n7"]
    regions = [
        (one.example.name, one.region.given, one.region.predicted, one.region.box)
        for one in ranking.regions()
    ]
    assert regions == [("n3", 2, 1, (3, 2, 10, 9)), ("n7", 0, 2, (15, 22, 6, 6))]
