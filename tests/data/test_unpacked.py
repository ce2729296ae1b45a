"""Tests of unpacked examples: the same items, of which little is read; what is written, kept and removed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from rare_classes import CLASSES

from fcn.config.augmentation import AugmentationConfig
from fcn.data.augmentation import apply_view, random_view
from fcn.data.batches import TrainingBatches
from fcn.data.examination import class_pixels, facts_of_all
from fcn.data.image_io import encode_label
from fcn.data.pipeline import training_dataset
from fcn.data.sampling import ClassSampler
from fcn.data.split_list import Example
from fcn.data.stream import TrainingStream
from fcn.data.unpacked import LargeExample, UnpackedExamples, choose_fitting, find_large, unpack
from fcn.errors import DataError, OutputError

NUM_CLASSES = len(CLASSES.names)
CROPS = AugmentationConfig(crop_size=(24, 32))
CHANGED = AugmentationConfig(
    crop_size=(24, 32),
    quarter_turns=True,
    vertical_flip=True,
    rotation=30,
    shear=10,
    class_mix=0.5,
    cutout=0.3,
)


def write_examples(root: Path) -> list[Example]:
    """Writes a JPEG with an EXIF orientation, a PNG with alpha, a TIFF of tiles and one of 12 of 16 bits."""
    rng = np.random.default_rng(0)
    root.mkdir()
    exif = Image.Exif()
    exif[274] = 6
    pixels = rng.integers(0, 256, (90, 70, 3), np.uint8)
    Image.fromarray(pixels).save(root / "a.jpg", exif=exif)
    Image.fromarray(rng.integers(0, 256, (80, 60, 4), np.uint8)).save(root / "b.png")
    tifffile.imwrite(root / "c.tif", pixels, tile=(32, 32), photometric="rgb", compression="deflate")
    tifffile.imwrite(root / "d.tif", rng.integers(0, 4096, (90, 70, 3), np.uint16), photometric="rgb")
    examples = []
    for name, shape in (("a.jpg", (90, 70)), ("b.png", (80, 60)), ("c.tif", (90, 70)), ("d.tif", (90, 70))):
        label = rng.choice(np.array([0, 1, 2, 255], np.uint8), shape)
        path = root / f"{name}.label.png"
        path.write_bytes(encode_label(label, CLASSES))
        examples.append(Example(name, root / name, path, bits=12, label_orientation="stored"))
    return examples


def large_of(examples: list[Example], megapixels: float = 0.001) -> list[LargeExample]:
    facts = facts_of_all(examples, NUM_CLASSES)
    return find_large(examples, [one.digest for one in facts], [one.size for one in facts], megapixels)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    return write_examples(tmp_path_factory.mktemp("large") / "data")


@pytest.fixture(scope="module")
def large(examples: list[Example]) -> list[LargeExample]:
    return large_of(examples)


@pytest.fixture
def unpacked(large: list[LargeExample], tmp_path: Path) -> UnpackedExamples:
    unpack(large, tmp_path / "unpacked", NUM_CLASSES)
    return UnpackedExamples(tmp_path / "unpacked", large)


@pytest.fixture
def hidden(examples: list[Example]) -> Iterator[None]:
    """Takes the images and labels away."""
    root = examples[0].image_path.parent
    root.rename(root.with_name("hidden"))
    yield
    root.with_name("hidden").rename(root)


def streams_of(examples: list[Example], augmentation: AugmentationConfig) -> list[TrainingStream]:
    """Returns a uniform and a balanced stream."""
    sampler = ClassSampler(class_pixels(facts_of_all(examples, NUM_CLASSES), NUM_CLASSES), 0.3)
    return [TrainingStream(examples, NUM_CLASSES, augmentation, 3, one) for one in (None, sampler)]


def items_of(streams: list[TrainingStream]) -> list[np.ndarray]:
    return [part for stream in streams for index in (*range(12), 777) for part in stream[index]]


@pytest.mark.parametrize("augmentation", [CROPS, CHANGED])
def test_items_are_the_same_although_no_file_is_decoded(
    augmentation: AugmentationConfig,
    examples: list[Example],
    unpacked: UnpackedExamples,
    request: pytest.FixtureRequest,
) -> None:
    streams = streams_of(examples, augmentation)
    expected = items_of(streams)
    labels = [stream.label(index) for stream in streams for index in range(9)]
    for stream in streams:
        stream.unpacked = unpacked
    request.getfixturevalue("hidden")
    for one, other in zip(items_of(streams), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    again = [stream.label(index) for stream in streams for index in range(9)]
    for one, other in zip(again, labels, strict=True):
        np.testing.assert_array_equal(one, other)


def test_batches_of_every_backend_are_the_same(
    examples: list[Example], unpacked: UnpackedExamples, request: pytest.FixtureRequest
) -> None:
    stream = streams_of(examples, CROPS)[0]
    expected = [TrainingBatches(stream, 4, 0, 3)[index] for index in range(3)]
    stream.unpacked = unpacked
    request.getfixturevalue("hidden")
    ours = TrainingBatches(stream, 4, 0, 3)
    for index, batch in enumerate(training_dataset(stream, 4, 0, 3).as_numpy_iterator()):
        for part in range(2):
            np.testing.assert_array_equal(expected[index][part], ours[index][part])
            np.testing.assert_array_equal(expected[index][part], batch[part])


def test_what_is_removed_in_the_middle_is_decoded_again(
    examples: list[Example], unpacked: UnpackedExamples, tmp_path: Path
) -> None:
    stream = streams_of(examples, CROPS)[0]
    expected = [stream[index][0] for index in range(8)]
    stream.unpacked = unpacked
    for index in range(8):
        if index == 4:
            shutil.rmtree(tmp_path / "unpacked")
        np.testing.assert_array_equal(stream[index][0], expected[index])


def resident_bytes(path: Path) -> int:
    """Returns how much of a file is in this process's memory."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    found = 0
    for line in lines:
        if line.endswith(str(path)):
            found += 1024 * int(next(one for one in lines if one.startswith("Rss:")).split()[1])
    return found


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux tells what of a file is in memory")
def test_of_a_crop_little_more_is_read_than_it_shows(tmp_path: Path) -> None:
    side = 3000  # the kernel maps up to 2 MB at once
    image = tmp_path / "image.png"
    Image.new("RGB", (side, side)).save(image, compress_level=1)
    label = tmp_path / "label.png"
    label.write_bytes(encode_label(np.zeros((side, side), np.uint8)))
    (one,) = large_of([Example("image", image, label)])
    unpack([one], tmp_path / "unpacked", NUM_CLASSES)
    opened = UnpackedExamples(tmp_path / "unpacked", [one]).open(one.example)
    assert opened is not None
    settings = AugmentationConfig(scale=(1, 1), rotation=20)
    view = random_view((side, side), (100, 100), settings, np.random.default_rng(0))
    apply_view(*opened, view, (100, 100))
    read = resident_bytes(tmp_path / "unpacked" / one.name)
    assert 4 * 100 * 100 < read < one.num_bytes / 4


def test_only_images_above_the_limit_are_large(examples: list[Example]) -> None:
    assert [one.example for one in large_of(examples, 0.0048)] == [examples[0], examples[2], examples[3]]
    assert large_of(examples, 0.0063) == []  # 90 x 70
    assert {one.size for one in large_of(examples)} == {(70, 90), (80, 60), (90, 70)}


def test_what_is_there_is_kept_and_everything_else_is_removed_or_written_again(
    large: list[LargeExample], unpacked: UnpackedExamples, tmp_path: Path
) -> None:
    folder = tmp_path / "unpacked"
    kept, damaged, cut, missing = (folder / one.name for one in large)
    before = kept.stat().st_mtime_ns
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    cut.write_bytes(cut.read_bytes()[:-1])
    missing.unlink()
    (folder / "other.npy").write_bytes(b"of other data")
    (folder / ".0123.tmp.npy").write_bytes(b"of a process that was killed")
    unpack(large, folder, NUM_CLASSES)
    assert kept.stat().st_mtime_ns == before
    assert damaged.read_bytes() == content
    assert sorted(folder.iterdir()) == sorted([kept, damaged, cut, missing])
    for one in large:
        assert unpacked.open(one.example) is not None


def test_a_file_that_holds_something_else_is_not_used(
    large: list[LargeExample], unpacked: UnpackedExamples, tmp_path: Path
) -> None:
    path = tmp_path / "unpacked" / large[0].name
    for array in (np.zeros((4 * 70, 90), np.int8), np.zeros((4 * 90, 70), np.uint8), np.zeros(7, np.uint8)):
        np.save(path, array)
        assert unpacked.open(large[0].example) is None
    path.write_bytes(b"")
    assert unpacked.open(large[0].example) is None


def test_nothing_behind_a_link_is_changed(large: list[LargeExample], tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.npy").write_bytes(b"")
    (tmp_path / "unpacked").symlink_to(own)
    unpack(large, tmp_path / "unpacked", NUM_CLASSES)
    assert [path.name for path in own.iterdir()] == ["mine.npy"]


def test_an_image_that_was_changed_after_its_check_is_refused(tmp_path: Path) -> None:
    examples = write_examples(tmp_path / "data")
    large = large_of(examples)
    shutil.copy(examples[3].image_path, examples[2].image_path)
    with pytest.raises(DataError, match=r"c\.tif: the image or its label was changed after"):
        unpack(large, tmp_path / "unpacked", NUM_CLASSES)


def test_no_more_than_half_of_the_free_space_is_used(
    large: list[LargeExample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "unpacked"
    assert choose_fitting(large, folder) == large
    sizes = [4 * 90 * 70, 4 * 80 * 60, 4 * 90 * 70, 4 * 90 * 70]
    assert [one.num_bytes for one in large] == sizes
    usage = shutil.disk_usage(tmp_path)
    for free, count in ((2 * sum(sizes[:2]), 2), (2 * sum(sizes[:2]) - 1, 1), (0, 0)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        assert choose_fitting(large, folder) == large[:count]
    unpack(large[:2], folder, NUM_CLASSES)
    present = sum(sizes[:2])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=present))
    assert choose_fitting(large, folder) == large[:2]


def test_a_place_that_cannot_be_written_to_is_named(large: list[LargeExample], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="unpacked: cannot be written"):
        choose_fitting(large, tmp_path / "none" / "unpacked")
    with pytest.raises(OutputError, match="cannot be written"):
        unpack(large, tmp_path / "file" / "unpacked", NUM_CLASSES)
