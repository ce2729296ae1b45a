"""Tests of labels of images with an EXIF orientation: of upright images, or of stored pixels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from fcn.classes import Classes, count_ids
from fcn.data.examination import check_examples, class_pixels, examine_examples
from fcn.data.image_io import read_label, write_label
from fcn.data.label_orientation import TurnedImages, count_turned, describe_unclear
from fcn.data.leaks import shared_images
from fcn.data.orientation import upright
from fcn.data.voc import Example, read_example, read_split
from fcn.errors import DataError
from fcn.labels.importing.readers.mask_file import read_ids

CLASSES = Classes.named(("ground", "cat", "dog"))
COLORS = np.array([[40, 40, 40], [200, 40, 40], [40, 200, 40]], np.uint8)
LABEL = np.array([[0, 0, 1, 1, 2], [0, 1, 1, 2, 2], [2, 0, 0, 1, 0]], np.uint8)


def write_example(
    folder: Path, orientation: int, label: np.ndarray = LABEL, stored: bool = True, kind: str = "png"
) -> Example:
    """Writes an image with the colors of a label in stored order, and the label, stored or upright."""
    example = Example("a", folder / f"a{orientation}.{kind}", folder / f"a{orientation}-label.png")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(COLORS[label]).save(example.image_path, exif=exif)
    write_label(example.label_path, label if stored else upright(label, orientation), CLASSES)
    return example


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("label", [LABEL, LABEL[:, :3]], ids=["wide", "square"])
def test_image_and_label_are_upright_whatever_the_label_is_of(
    orientation: int, label: np.ndarray, tmp_path: Path
) -> None:
    for stored in (False, True):
        example = write_example(tmp_path, orientation, label.copy(), stored)
        example = example._replace(label_orientation="stored" if stored else "upright")
        image, found = read_example(example, 3)
        np.testing.assert_array_equal(found, upright(label.copy(), orientation))
        np.testing.assert_array_equal(image, COLORS[found])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_label_with_an_orientation_of_its_own_is_refused(
    orientation: int, kind: str, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    label = LABEL[:, :3]
    Image.fromarray(label).save(tmp_path / "a.png", kind, exif=exif)
    for read in (read_label, read_ids):
        if orientation == 1:
            np.testing.assert_array_equal(read(tmp_path / "a.png"), label)
            continue
        with pytest.raises(DataError, match=rf"a\.png: is a label with an EXIF .* its own \({orientation}\)"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_label_that_fits_the_stored_pixels_alone_is_refused_by_its_cause(
    orientation: int, tmp_path: Path
) -> None:
    example = write_example(tmp_path, orientation, stored=True)
    with pytest.raises(DataError) as caught:
        read_example(example, 3)
    message = str(caught.value)
    assert message.startswith(f"{example.label_path}: expected the size of a{orientation}.png, 5x3")
    assert f"EXIF orientation {orientation} turns it" in message
    assert "Received: 3x5, the size of its stored pixels" in message
    assert "data.label_orientation: stored" in message


def test_an_upright_label_is_refused_where_labels_are_said_to_be_of_stored_pixels(tmp_path: Path) -> None:
    example = write_example(tmp_path, 6, stored=False)._replace(label_orientation="stored")
    with pytest.raises(
        DataError, match=r"fits the upright a6\.png, 5x3 .*EXIF orientation 6.*Leave that out"
    ):
        read_example(example, 3)


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("order", ["upright", "stored"])
def test_a_label_of_another_size_is_refused_without_that_cause(
    order: str, orientation: int, tmp_path: Path
) -> None:
    example = write_example(tmp_path, orientation)._replace(label_orientation=order)
    write_label(example.label_path, np.zeros((4, 5), np.uint8), CLASSES)
    with pytest.raises(DataError, match=r"expected the size of .*Make the label again") as caught:
        read_example(example, 3)
    assert "EXIF" not in str(caught.value)


def test_a_split_hands_on_what_its_labels_are_of(tmp_path: Path, make_dataset) -> None:
    root = make_dataset(tmp_path, {"train": ["a", "b"]}, sizes=((20, 26),))
    pixels = np.array(Image.open(root / "JPEGImages" / "a.jpg"))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 8
    Image.fromarray(pixels).save(root / "JPEGImages" / "a.jpg", exif=exif, quality=95)
    with pytest.raises(DataError, match="EXIF orientation 8 turns it"):
        check_examples(read_split(root, "train"), 3)
    stored = read_split(root, "train", "stored")
    assert {example.label_orientation for example in stored} == {"stored"}
    check_examples(stored, 3)
    image, label = read_example(stored[0], 3)
    assert image.shape[:2] == label.shape == (26, 20)
    np.testing.assert_array_equal(label, np.rot90(read_label(stored[0].label_path)))
    # Neither class weights nor the search for copies depend on it.
    found = [facts for facts in examine_examples(stored, 3).facts if facts is not None]
    expected = [count_ids(read_label(example.label_path))[:3] for example in stored]
    np.testing.assert_array_equal(class_pixels(found, 3), expected)
    assert shared_images(stored, read_split(root, "train")) == read_split(root, "train")


def test_turned_images_are_counted_from_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = [write_example(tmp_path, orientation).image_path for orientation in range(1, 9)]
    (tmp_path / "square").mkdir()
    label = LABEL[:, :3].copy()
    square = [write_example(tmp_path / "square", value, label, kind="jpg").image_path for value in (1, 6)]
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", None)
    assert count_turned([*wide, *square]) == TurnedImages(8, 4)
    assert count_turned(wide[:1]) == TurnedImages(0, 0)
    (tmp_path / "none.jpg").write_bytes(b"not an image")
    for name in ("none.jpg", "missing.jpg"):
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            count_turned([tmp_path / name])


def test_a_warning_is_given_if_nothing_shows_what_the_labels_are_of() -> None:
    assert describe_unclear(TurnedImages(0, 0), "upright") is None
    assert describe_unclear(TurnedImages(3, 2), "upright") is None
    assert describe_unclear(TurnedImages(3, 3), "stored") is None
    warning = describe_unclear(TurnedImages(3, 3), "upright")
    assert warning is not None
    assert warning.startswith("3 images are turned by their EXIF orientation")
    assert "data.label_orientation: stored" in warning
    assert "--label-orientation stored" in warning
