"""Tests of the file in which a run keeps digests of its data."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from fcn.data.image_io import decode_image
from fcn.data.leaks import ExampleDigest
from fcn.runs.digests import (
    DataRecord,
    SplitDigests,
    TrainingImages,
    decoder_digest,
    other_decoder,
    read_record,
    write_record,
)

IMAGES = tuple(bytes([number]) * 16 for number in range(5))
FIRST = TrainingImages("runs/first", "more", IMAGES[3:])
RECORD = DataRecord(
    TrainingImages("", "train", IMAGES[:3]),
    "val",
    SplitDigests("ab", "cd"),
    (TrainingImages("runs/third", "train", IMAGES[:3]), FIRST, TrainingImages("net.keras", None, None)),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_record(tmp_path / "digests.json", RECORD)
    return tmp_path / "digests.json"


def test_what_is_written_is_read(path: Path) -> None:
    assert read_record(path) == RECORD._replace(train=RECORD.train._replace(run=str(path.parent)))
    document = json.loads(path.read_text())
    assert document["version"] == 1
    assert len(document["digests"]) == 2  # images that two trainings share are stored once
    assert "unlabeled" not in document["train"]  # so that older versions, and newer ones of old runs, read it


def test_images_without_labels_have_an_entry_of_their_own_and_are_counted(path: Path) -> None:
    earlier = FIRST._replace(unlabeled=IMAGES[:1])
    train = RECORD.train._replace(run=str(path.parent), unlabeled=IMAGES[3:])
    record = RECORD._replace(train=train, earlier=(earlier,))
    write_record(path, record)
    assert read_record(path) == record
    assert [train.count_in(IMAGES), train.count_in(IMAGES[4:]), earlier.count_in(IMAGES)] == [5, 1, 3]


def test_an_image_takes_few_bytes(tmp_path: Path) -> None:
    sizes = []
    for count in (0, 3000):
        images = tuple(sha256(bytes([number % 256, number // 256])).digest()[:16] for number in range(count))
        write_record(tmp_path / "d.json", RECORD._replace(train=TrainingImages("", "train", images)))
        sizes.append((tmp_path / "d.json").stat().st_size)
    assert (sizes[1] - sizes[0]) / 3000 < 22


def test_a_split_has_one_digest_for_its_images_and_one_for_its_labels() -> None:
    examples = [ExampleDigest(image, image[::-1] + b"x") for image in IMAGES]
    split = SplitDigests.of(examples)
    assert split.images == sha256(b"".join(IMAGES)).hexdigest()  # as checkpoints have had it
    assert split.labels != split.images
    assert SplitDigests.of(examples[::-1]) != split
    changed = [examples[0]._replace(label=b"y" * 16), *examples[1:]]
    assert SplitDigests.of(changed) == split._replace(labels=SplitDigests.of(changed).labels) != split


def test_scored_images_are_counted_as_far_as_they_are_known() -> None:
    assert FIRST.count_in(IMAGES) == 2
    assert FIRST.count_in([IMAGES[4], IMAGES[4]]) == 2
    assert FIRST.count_in(IMAGES[:3]) == FIRST.count_in([]) == 0
    partial = FIRST._replace(complete=False)
    assert (partial.count_in(IMAGES), partial.count_in(IMAGES[:3])) == (2, None)
    assert FIRST._replace(images=None).count_in(IMAGES) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"version": 1', '"version": 2'),
        lambda text: text.replace('"decoder": "', '"decoder": "0'),
        lambda text: text.replace('"AAAA', '"BAAA'),
        lambda text: text.replace('"more"', "7"),
        lambda text: json.dumps([json.loads(text)]),
        lambda text: json.dumps(json.loads(text) | {"digests": {}}),
        lambda text: json.dumps(json.loads(text) | {"train": None}),
        lambda text: json.dumps(json.loads(text) | {"earlier": [[]]}),
        lambda text: "[" * 100_000,
    ],
)
def test_a_damaged_file_says_nothing(damage, path: Path) -> None:
    text = path.read_text()
    path.write_text(damaged := damage(text))
    assert damaged != text
    assert read_record(path) is None


def test_pixels_of_another_decoder_are_not_compared(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcn.runs.digests.decode_image", lambda data: decode_image(data) ^ 1)
    decoder_digest.cache_clear()
    assert read_record(path) is None
    assert other_decoder(path)
    monkeypatch.undo()
    decoder_digest.cache_clear()
    assert read_record(path) is not None
    assert not other_decoder(path)


@pytest.mark.parametrize("text", ["", "[]", "7", "{}", '{"version": 1}', '{"version": 1, "decoder": 7}'])
def test_a_file_that_names_no_decoder_is_not_of_another(text: str, path: Path) -> None:
    path.write_text(text)
    assert not other_decoder(path)
    path.unlink()
    assert not other_decoder(path)


def test_a_missing_file_says_nothing(tmp_path: Path) -> None:
    assert read_record(tmp_path / "none" / "digests.json") is None
    assert read_record(tmp_path) is None
