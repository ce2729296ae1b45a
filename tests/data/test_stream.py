"""Tests of which example comes when."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rare_classes import CLASSES, PIXELS, RARE, read_rare_classes, write_rare_classes

import fcn
from fcn.config.sections import AugmentationConfig
from fcn.data.augmentation import apply_view, jitter_color, random_view
from fcn.data.image_io import read_image
from fcn.data.stream import TrainingStream
from fcn.data.voc import Example, read_example, read_split
from fcn.errors import DataError

PLAIN = AugmentationConfig(crop_size=None, flip=False, color_jitter=0)
FULL = AugmentationConfig(crop_size=(24, 32))


@pytest.fixture(scope="module")
def examples(dataset: Path) -> list[Example]:
    return read_split(dataset, "train")


def stream(examples: list[Example], augmentation: AugmentationConfig, seed: int = 0) -> TrainingStream:
    return TrainingStream(examples, 3, augmentation, seed)


@pytest.fixture(scope="module")
def rare_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rare_classes(tmp_path_factory.mktemp("rare"))


def balanced(
    root: Path, augmentation: AugmentationConfig, seed: int = 0, temperature: float = 0.3
) -> TrainingStream:
    examples, sampler = read_rare_classes(root, temperature)
    return TrainingStream(examples, len(CLASSES.names), augmentation, seed, sampler)


def order(examples: list[Example], epoch: int, seed: int = 0) -> list[str]:
    """Returns the names of the examples of an epoch, told by their pixels."""
    items = stream(examples, PLAIN, seed)
    images = {read_image(example.image_path).tobytes(): example.name for example in examples}
    first = epoch * len(examples)
    return [images[items[index][0].tobytes()] for index in range(first, first + len(examples))]


def read_both_ways(
    forwards: TrainingStream, backwards: TrainingStream, indices: list[int]
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Reads items of two streams in opposite orders, checks that they are the same, and returns them."""
    first = {index: forwards[index] for index in indices}
    again = {index: backwards[index] for index in reversed(indices)}
    for index in indices:
        for one, other in zip(first[index], again[index], strict=True):
            np.testing.assert_array_equal(one, other)
    return first


def test_an_item_depends_on_the_seed_and_the_index_alone(examples: list[Example]) -> None:
    read_both_ways(stream(examples, FULL), stream(examples, FULL), [*range(12), 1000, 12345])


def test_a_uniform_item_is_what_it_has_always_been(examples: list[Example]) -> None:
    items = stream(examples, FULL, seed=7)
    for index in range(9):
        epoch, position = divmod(index, 4)
        number = np.random.default_rng([7, 1, epoch]).permutation(4)[position]
        rng = np.random.default_rng([7, 2, epoch, position])
        image, label = read_example(examples[number], 3)
        view = random_view((label.shape[0], label.shape[1]), (24, 32), FULL, rng)
        image, label = apply_view(image, label, view, (24, 32))
        for one, other in zip(items[index], (jitter_color(image, 0.3, rng), label), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_balanced_item_depends_on_the_seed_and_the_index_alone(rare_root: Path) -> None:
    indices = [*range(20), 1000, 12345]
    first = read_both_ways(balanced(rare_root, FULL), balanced(rare_root, FULL), indices)
    assert len({image.tobytes() for image, _ in first.values()}) == len(indices)
    assert balanced(rare_root, FULL, seed=1)[0][0].tobytes() != first[0][0].tobytes()


DIGEST_PROGRAM = """
import sys
from pathlib import Path
import test_stream
print(test_stream.digest(Path(sys.argv[1])))
"""


def digest(root: Path) -> str:
    """Returns a digest of balanced items, read backwards."""
    items = balanced(root, FULL)
    return hashlib.sha256(
        b"".join(part.tobytes() for n in reversed(range(30)) for part in items[n])
    ).hexdigest()


@pytest.mark.slow
def test_another_process_reads_the_same_balanced_items(rare_root: Path) -> None:
    here = Path(__file__).parent
    paths = os.pathsep.join(map(str, (Path(fcn.__file__).parents[1], here, here.parent)))
    done = subprocess.run(
        [sys.executable, "-c", DIGEST_PROGRAM, str(rare_root)],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == digest(rare_root)


def test_balanced_crops_hold_the_class_that_was_drawn(rare_root: Path) -> None:
    items = balanced(rare_root, AugmentationConfig(crop_size=(24, 24), scale=(0.7, 1.4)), temperature=0.01)
    # So cold that the rare class is always drawn, and with it the one image that holds it.
    # About eight in ten of these small crops show it within ten tries.
    shown = [bool((items[index][1] == RARE).any()) for index in range(200)]
    assert sum(shown) > 145
    uniform = TrainingStream(items.examples, 4, items.augmentation, 0)
    assert sum(bool((uniform[index][1] == RARE).any()) for index in range(200)) < 40


def test_balanced_whole_images_hold_the_class_and_no_other_image_comes(rare_root: Path) -> None:
    items = balanced(rare_root, PLAIN, temperature=0.01)
    (expected,) = (example for example, own in zip(items.examples, PIXELS, strict=True) if own[RARE])
    image, label = read_example(expected, 4)
    for index in range(5):
        np.testing.assert_array_equal(items[index][0], image)
        np.testing.assert_array_equal(items[index][1], label)


def test_a_label_is_read_without_its_image(rare_root: Path, examples: list[Example]) -> None:
    for items in (balanced(rare_root, FULL), stream(examples, FULL)):
        for index in range(12):
            np.testing.assert_array_equal(items.label(index), items[index][1])
    for items in (balanced(rare_root, PLAIN), stream(examples, PLAIN)):
        np.testing.assert_array_equal(items.label(3), items[3][1])


def test_items_have_the_size_of_the_crop(examples: list[Example]) -> None:
    items = stream(examples, FULL)
    for index in range(8):
        image, label = items[index]
        assert image.shape == (24, 32, 3)
        assert label.shape == (24, 32)
        assert image.dtype == label.dtype == np.uint8
        assert set(np.unique(label)) <= {0, 1, 2, 255}


def test_an_epoch_shows_every_example_once(examples: list[Example]) -> None:
    for epoch in range(3):
        assert sorted(order(examples, epoch)) == ["a", "b", "c", "d"]


def test_epochs_and_seeds_have_their_own_order(examples: list[Example]) -> None:
    assert len({tuple(order(examples, epoch)) for epoch in range(6)}) > 2
    assert len({tuple(order(examples, 0, seed)) for seed in range(6)}) > 2


def test_the_same_example_looks_different_in_each_epoch_and_for_each_seed(examples: list[Example]) -> None:
    one = examples[:1]
    items = [stream(one, FULL)[index] for index in range(5)] + [stream(one, FULL, seed=1)[0]]
    assert len({image.tobytes() for image, _ in items}) == 6


def test_items_of_an_epoch_are_not_all_changed_alike(examples: list[Example]) -> None:
    flip_only = AugmentationConfig(crop_size=None, flip=True, color_jitter=0)
    items = stream(examples[:1] * 8, flip_only)
    assert len({items[index][0].tobytes() for index in range(8)}) == 2


def test_without_a_crop_size_images_come_whole(examples: list[Example]) -> None:
    whole = {read_image(example.image_path).tobytes(): read_example(example, 3)[1] for example in examples}
    items = stream(examples, PLAIN)
    for index in range(len(examples)):
        image, label = items[index]
        np.testing.assert_array_equal(label, whole[image.tobytes()])


def test_a_flip_of_a_whole_image_takes_the_label_along(examples: list[Example]) -> None:
    items = stream(examples[:1], AugmentationConfig(crop_size=None, flip=True, color_jitter=0))
    image, label = read_example(examples[0], 3)
    mirrored = 0
    for index in range(20):
        shown, known = items[index]
        step = 1 if np.array_equal(shown, image) else -1
        mirrored += step == -1
        np.testing.assert_array_equal(shown, image[:, ::step])
        np.testing.assert_array_equal(known, label[:, ::step])
    assert 4 < mirrored < 16


def test_colors_change_and_the_label_does_not(examples: list[Example]) -> None:
    jitter = AugmentationConfig(crop_size=None, flip=False, color_jitter=0.5)
    image, label = read_example(examples[0], 3)
    shown, known = stream(examples[:1], jitter)[0]
    np.testing.assert_array_equal(known, label)
    assert shown.shape == image.shape
    assert (shown != image).any()


def test_a_label_that_does_not_fit_is_named(examples: list[Example]) -> None:
    items = TrainingStream(examples, 2, FULL, 0)
    with pytest.raises(DataError, match="class ids 0 to 1"):
        items[0]
