"""Tests of what a data set is refused for as a whole, and what is only said."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from fcn.classes import VOID, Classes, voc_palette
from fcn.config.sections import DataConfig, LabelOrientation
from fcn.data.class_names import read_list_colors
from fcn.data.examination import check_masks, examine_examples
from fcn.data.image_io import Pixels, encode_label, encode_png, read_image
from fcn.data.voc import read_classes, read_split
from fcn.errors import DataError
from fcn.labels.checking.finding import Finding
from fcn.labels.checking.palettes import judge_listed_colors
from fcn.labels.checking.survey import Splits, Survey, survey_examples
from fcn.labels.checking.text import describe_briefly, describe_finding
from fcn.training.checked_data import read_checked

SIZE = (20, 26)
Colors = tuple[tuple[int, int, int], ...]


@pytest.fixture
def root(tmp_path: Path, make_dataset: Callable[..., Path]) -> Path:
    return make_dataset(tmp_path / "set", {"train": ["a", "b", "c"], "val": ["x", "y"]}, suffix=".png")


def all_of(names: str, *ids: int) -> dict[str, object]:
    """Returns labels that all hold these ids."""
    return {name: [*ids] for name in names}


def write_labels(root: Path, labels: Mapping[str, object], colors: Colors | None = None) -> None:
    """Replaces labels; each is one id or an array."""
    palette = voc_palette()
    if colors:
        palette[: len(colors)] = colors
    classes = Classes.with_palette(tuple(map(str, range(254))), palette)
    for name, ids in labels.items():
        label: Pixels = np.resize(np.asarray(ids, np.uint8), SIZE)
        (root / "SegmentationClass" / f"{name}.png").write_bytes(encode_label(label, classes))


def survey(root: Path) -> Survey:
    classes = read_classes(root)
    splits = Splits("train", "val", read_split(root, "train"), read_split(root, "val"))
    found = examine_examples(splits.examples(), len(classes.names))
    return survey_examples(root, classes, splits, found)


def findings(root: Path, is_refused: bool) -> dict[str, Finding]:
    return {one.kind: one for one in survey(root).findings if one.is_refused == is_refused}


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_checked(DataConfig(root=root))
    return str(caught.value)


def test_a_good_set_has_no_findings(root: Path) -> None:
    assert survey(root).findings == ()
    counts = survey(root).counts
    assert [one.name for one in counts] == ["ground", "cat", "dog", "void"]
    assert sum(one.pixels for one in counts) == 5 * 20 * 26
    assert sum(one.share for one in counts[:3]) == pytest.approx(1)
    assert {(one.train_images, one.val_images) for one in counts} == {(3, 2)}


def test_one_label_under_many_names_is_said(root: Path) -> None:
    write_labels(root, all_of("ab", 0, 1, 2))
    assert findings(root, False) == {}
    write_labels(root, all_of("abx", 0, 1, 2))
    finding = findings(root, False)["equal labels"]
    assert finding.text.startswith("3 of 5 labels of more than one id are the same, but their images differ")
    assert [Path(file).stem for file in finding.files] == ["a", "b", "x"]
    # Equal labels of equal images are right.
    for name in "bx":
        shutil.copy(root / "JPEGImages" / "a.png", root / "JPEGImages" / f"{name}.png")
    assert "equal labels" not in findings(root, False)


def test_equal_labels_of_one_id_or_of_blank_images_are_right(root: Path) -> None:
    write_labels(root, dict.fromkeys("abx", 0))
    assert "equal labels" not in findings(root, False)
    write_labels(root, all_of("abx", 0, 1, 2))
    for number, name in enumerate("abx"):
        blank = np.full((*SIZE, 3), number, np.uint8)
        (root / "JPEGImages" / f"{name}.png").write_bytes(encode_png(blank))
    assert "equal labels" not in findings(root, False)


@pytest.mark.parametrize(
    "labels",
    [
        {"a": [0, VOID]},
        {"a": [0, VOID], "b": [0, VOID], "x": [0, VOID], "y": [0, VOID]},
        {"a": 0, "b": VOID, "x": [0, VOID]},
    ],
)
def test_tiles_without_data_are_said_not_refused(root: Path, labels: dict[str, object]) -> None:
    write_labels(root, labels)
    assert findings(root, True) == {}
    count = sum(ids == [0, VOID] for ids in labels.values())
    assert findings(root, False)["only 0 and void"].text.startswith(f"{count} of 5 labels")
    read_checked(DataConfig(root=root))


@pytest.mark.parametrize(
    "labels",
    [
        all_of("abcxy", 0, VOID),
        {**dict.fromkeys("abcxy", 0), "c": VOID},
        {**dict.fromkeys("abcxy", VOID), "x": [0, VOID, VOID]},
    ],
)
def test_a_set_of_black_and_white_masks_is_refused(root: Path, labels: dict[str, object]) -> None:
    write_labels(root, labels)
    message = refusal(root)
    assert "all 5 labels together, like black-and-white masks" in message
    assert str(root / "SegmentationClass") in message
    with pytest.raises(DataError, match="black-and-white masks"):
        check_masks(survey(root).splits.examples())


def test_a_set_with_some_masks_is_scored(root: Path) -> None:
    write_labels(root, all_of("xy", 0, VOID) | {"a": [0, 1]})
    check_masks(read_split(root, "train"))
    with pytest.raises(DataError, match="black-and-white masks"):
        check_masks(read_split(root, "val"))
    write_labels(root, {"x": VOID, "y": VOID})
    check_masks(read_split(root, "val"))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (dict.fromkeys("abc", VOID), "All 1,560 pixels of the training split are void"),
        (dict.fromkeys("xy", VOID), "All 1,040 pixels of the validation split are void"),
        (dict.fromkeys("abcxy", VOID), "pixels of the training split are void"),
        (dict.fromkeys("abc", 0), "3 labels of the training split hold one class only, 'ground' (id 0)"),
        (all_of("abc", 2, VOID), "one class only, 'dog' (id 2)"),
        (dict.fromkeys("abcxy", 1), "one class only, 'cat' (id 1)"),
    ],
)
def test_what_teaches_nothing_is_refused(root: Path, labels: dict[str, object], words: str) -> None:
    write_labels(root, labels)
    assert words in refusal(root)


@pytest.mark.parametrize(
    ("labels", "kind", "words"),
    [
        (
            all_of("abc", 0, 1),
            "never trained",
            "1 class is in the validation split but in no training",
        ),
        (
            all_of("xy", 0, 1),
            "never scored",
            "1 class is in the training split but in no validation",
        ),
        (all_of("abcxy", 0, 1), "absent", "1 class is in no label at all"),
        (dict.fromkeys("xy", 0), "one class is scored", "one class only, 'ground'"),
        (
            {"a": [0, *[VOID] * 9], "b": VOID, "c": VOID, "x": [1, VOID]},
            "much void",
            "of all pixels are void",
        ),
    ],
)
def test_classes_that_are_missing_somewhere_are_said(
    root: Path, labels: dict[str, object], kind: str, words: str
) -> None:
    write_labels(root, labels)
    assert words in findings(root, False)[kind].text


@pytest.mark.parametrize("name", ["void", "Unlabeled", "ignore"])
def test_a_class_called_void_is_said(root: Path, name: str) -> None:
    (root / "labels.txt").write_text(f"ground\ncat\n{name}\n")
    assert f"called {name!r} (id 2)" in findings(root, False)["a class called void"].text


VOC_COLORS: Colors = ((0, 0, 0), (128, 0, 0), (0, 128, 0))


@pytest.mark.parametrize(
    ("colors", "index"),
    [
        (((0, 0, 0), (0, 128, 0), (128, 0, 0)), 1),
        (((0, 0, 0), (128, 0, 0), (9, 9, 200)), 2),
        (((128, 0, 0), (0, 0, 0), (0, 128, 0)), 0),
    ],
)
def test_palettes_that_disagree_are_refused(root: Path, colors: Colors, index: int) -> None:
    write_labels(root, {"x": [0, 1, 2]}, colors)
    message = refusal(root)
    first, other = root / "SegmentationClass" / "a.png", root / "SegmentationClass" / "x.png"
    assert f"id {index} is rgb{VOC_COLORS[index]} in {first}" in message
    assert f"rgb{colors[index]} in {other}" in message


def test_colors_of_ids_that_do_not_occur_do_not_matter(root: Path) -> None:
    write_labels(root, {"x": [0, 1]}, ((0, 0, 0), (128, 0, 0), (1, 2, 3)))
    write_labels(root, {"y": [0, 2, VOID]}, ((0, 0, 0), (9, 9, 9), (0, 128, 0)))
    assert "palettes" not in findings(root, True)


def test_labels_without_colors_do_not_disagree(root: Path) -> None:
    for name in "bc":
        path = root / "SegmentationClass" / f"{name}.png"
        path.write_bytes(encode_label(np.resize(np.array([0, 1, 2], np.uint8), SIZE)))
    write_labels(root, {"x": [0, 1, 2]}, ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
    write_labels(root, {"y": [0, 1, 2]}, ((0, 0, 0), (0, 0, 0), (0, 0, 0)))
    assert findings(root, True) == {}


def test_palettes_are_compared_with_the_colors_of_the_list(root: Path) -> None:
    (root / "labels.txt").write_text("ground:0,0,0::\ncat:0,128,0::\ndog:128,0,0::\n")
    assert "id 1 is rgb(128, 0, 0), the color of id 2 in labels.txt" in refusal(root)
    (root / "labels.txt").write_text("ground:0,0,0::\ncat:128,0,0::\ndog:0,128,0::\n")
    read_checked(DataConfig(root=root))
    write_labels(root, all_of("abcxy", 0, 1, 2), ((7, 7, 0), (8, 0, 7), (0, 7, 9)))
    read_checked(DataConfig(root=root))


@pytest.mark.parametrize("listed", ["0,0,0", "9,9,9"])
def test_palettes_with_colors_that_the_list_lacks_are_compared_with_each_other(
    root: Path, listed: str
) -> None:
    (root / "labels.txt").write_text(f"ground:{listed}::\ncat:1,2,3::\ndog:4,5,6::\n")
    read_checked(DataConfig(root=root))
    write_labels(root, all_of("xy", 0, 1, 2), ((0, 0, 0), (0, 128, 0), (128, 0, 0)))
    assert "id 1 is rgb(128, 0, 0) in" in refusal(root)


def test_one_color_for_two_listed_classes_is_said_and_not_shown(root: Path) -> None:
    (root / "labels.txt").write_text("ground:0,0,0::\ncat:9,9,9::\ndog:9,9,9::\n")
    write_labels(root, all_of("abcxy", 0, 1, 2), ((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    assert read_classes(root).palette == ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    (finding,) = judge_listed_colors(read_classes(root).names, read_list_colors(root))
    assert not finding.is_refused
    assert "labels.txt gives classes one color ('cat', 'dog': rgb(9, 9, 9))" in finding.text
    (root / "labels.txt").write_text("ground:0,0,0::\ncat:9,9,9::\ndog:8,9,9::\n")
    assert read_classes(root).palette == ((0, 0, 0), (9, 9, 9), (8, 9, 9))
    assert judge_listed_colors(read_classes(root).names, read_list_colors(root)) == []
    assert judge_listed_colors(("ground", "cat"), None) == []


def test_a_color_that_moves_from_id_to_id_is_said(root: Path) -> None:
    write_labels(root, all_of("abc", 0, 1))
    write_labels(root, all_of("xy", 0, 2), ((0, 0, 0), (0, 128, 0), (128, 0, 0)))
    assert findings(root, True) == {}
    text = findings(root, False)["one color for two ids"].text
    labels = root / "SegmentationClass"
    assert text.startswith(f"rgb(128, 0, 0) is the color of id 1 in {labels / 'a.png'} and of id 2 in ")
    write_labels(root, {"y": [0, 1, 2]}, ((0, 0, 0), (128, 0, 0), (128, 0, 0)))
    assert "one color for two ids" not in findings(root, False)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((20, 22), "4 columns fewer: 1"),
        ((21, 26), "1 row more: 1"),
        ((18, 30), "2 rows fewer and 4 columns more: 1"),
    ],
)
def test_labels_of_another_size_are_counted_by_their_difference(
    root: Path, size: tuple[int, int], words: str
) -> None:
    path = root / "SegmentationClass" / "b.png"
    path.write_bytes(encode_label(np.ones(size, np.uint8)))
    message = refusal(root)
    assert f"1 label differs in size from the image ({words})" in message
    assert f"{path}: expected the size of b.png" in message


@pytest.mark.parametrize("order", ["upright", "stored"])
def test_labels_that_fit_only_as_stored_or_only_upright_are_refused_by_the_cause(
    root: Path, order: LabelOrientation
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for name in "abcxy":
        path = root / "JPEGImages" / f"{name}.png"
        Image.fromarray(read_image(path)).save(path, exif=exif)
    if order == "stored":
        ids = np.resize(np.array([0, 1, 2], np.uint8), SIZE[::-1])
        for name in "ab":
            (root / "SegmentationClass" / f"{name}.png").write_bytes(encode_label(ids))
    with pytest.raises(DataError) as caught:
        read_checked(DataConfig(root=root, label_orientation=order))
    message, count = str(caught.value), 2 if order == "stored" else 5
    assert f"{count} labels do not fit their images, which EXIF orientation turns" in message
    assert message.count("EXIF orientation 6") == count
    assert "differ in size" not in message


def test_damaged_labels_of_stored_pixels_are_not_said_to_differ_in_size(root: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    path = root / "JPEGImages" / "a.png"
    Image.fromarray(read_image(path)).save(path, exif=exif)
    write_labels(root, {"a": 77})
    (problem,) = examine_examples(read_split(root, "train", "stored"), 3).problems
    assert (problem.kind, problem.path.parent.name) == ("image or label", "SegmentationClass")
    assert "Received: [77]" in problem.text


def test_blank_images_in_both_splits_are_said_not_refused(root: Path) -> None:
    for name, color in (("a", 255), ("b", 0), ("x", 255), ("y", 0)):
        image = np.full((*SIZE, 3), color, np.uint8)
        cv2.imwrite(str(root / "JPEGImages" / f"{name}.png"), image)
    read_checked(DataConfig(root=root))
    assert findings(root, False)["blank images"].text.startswith("4 images of one color each")
    image[3, 3] = 9  # no longer blank
    for name in "by":
        cv2.imwrite(str(root / "JPEGImages" / f"{name}.png"), image)
    assert "under other names (1)" in refusal(root)


def test_fourth_bands_are_said(root: Path, rng: np.random.Generator) -> None:
    for name in ("a", "x"):
        path = root / "JPEGImages" / f"{name}.png"
        bands = np.dstack([read_image(path), rng.integers(0, 256, SIZE).astype(np.uint8)])
        Image.fromarray(bands).save(path)
    found = findings(root, False)["a fourth band"]
    assert found.text.startswith("2 images have transparency that varies as a picture does")
    assert [Path(file).name for file in found.files] == ["a.png", "x.png"]


def test_labels_of_one_image_that_differ_are_said(root: Path) -> None:
    images = root / "JPEGImages"
    (images / "b.png").write_bytes((images / "a.png").read_bytes())
    write_labels(root, {"a": [0, 1, 2], "b": [0, 1, 2]})
    assert "contradictory labels" not in findings(root, False)
    write_labels(root, {"b": [0, 2, 1]})
    found = findings(root, False)["contradictory labels"]
    assert found.text.startswith("1 image is there more than once, with different labels")
    labels = root / "SegmentationClass"
    assert found.files == (f"{labels / 'a.png'} and {labels / 'b.png'}",)
    blank = encode_png(np.zeros((*SIZE, 3), np.uint8))
    for name in "ab":
        (images / f"{name}.png").write_bytes(blank)
    assert "contradictory labels" not in findings(root, False)


@pytest.mark.parametrize("change", ["jpeg", "small", "bright", "cut"])
def test_images_that_look_alike_are_said(root: Path, change: str, rng: np.random.Generator) -> None:
    image = cv2.resize(rng.integers(0, 256, (8, 9, 3), np.uint8), (260, 200), interpolation=cv2.INTER_CUBIC)
    changed = {
        "jpeg": lambda: cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 1),
        "small": lambda: cv2.resize(image, (130, 100), interpolation=cv2.INTER_AREA),
        "bright": lambda: cv2.convertScaleAbs(image, alpha=0.9, beta=10),
        "cut": lambda: image[1:-1, 2:-1],
    }[change]()
    for name, pixels in (("b", image), ("y", changed)):
        cv2.imwrite(str(root / "JPEGImages" / f"{name}.png"), pixels)
        ids = np.resize(np.array([0, 1, 2], np.uint8), pixels.shape[:2])
        (root / "SegmentationClass" / f"{name}.png").write_bytes(encode_label(ids))
    found = findings(root, False)["near-duplicates"]
    assert found.text.startswith("1 of 2 validation images looks nearly like")
    assert found.files == (f"{root / 'JPEGImages' / 'b.png'} and {root / 'JPEGImages' / 'y.png'}",)
    assert findings(root, True) == {}


def test_all_problems_are_kept_and_twenty_are_shown(
    tmp_path: Path, make_dataset: Callable[..., Path]
) -> None:
    root = make_dataset(tmp_path / "set", {"train": [f"t{n}" for n in range(30)], "val": ["v"]})
    for number in range(25):
        (root / "JPEGImages" / f"t{number}.jpg").write_bytes(b"")
    (finding,) = survey(root).refused()
    assert len(finding.files) == 25
    lines = describe_finding(finding)
    assert lines[0] == "25 images or labels cannot be used:"
    assert len(lines) == 22
    assert lines[-1].strip() == "... and 5 more files like these"
    assert refusal(root).splitlines() == lines


def test_a_training_says_what_it_learns_from(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_labels(root, {"x": [0, VOID]})
    read_checked(DataConfig(root=root))
    lines = capsys.readouterr().err.splitlines()
    assert lines == describe_briefly(survey(root))
    assert lines[0].startswith("Data: 3 images to train on, 2 to score on, 3 classes.")
    assert [line.split()[0] for line in lines[1:5]] == ["ground", "cat", "dog", "void"]
    assert lines[5].startswith("Warning: 1 of 5 labels holds only 0 and 255")
