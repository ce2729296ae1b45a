"""Labels of other tools become data sets: from folders to what training reads."""

import base64
import json
import os
import shlex
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from fcn.classes import VOID
from fcn.cli import main as main_module
from fcn.cli.main import main
from fcn.data.image_io import read_image, read_label
from fcn.data.orientation import upright
from fcn.data.voc import read_classes, read_split
from fcn.errors import ConfigError, DataError
from fcn.labels.importing import importer
from fcn.labels.importing.choice import ClassOptions
from fcn.labels.importing.importer import ImportOptions, plan_import, write_import
from fcn.labels.importing.splitting import Division

HALF = ImportOptions(division=Division(0.5))
RED, GREEN, BLACK = (200, 0, 0), (0, 150, 50), (0, 0, 0)


def pixels(seed, size=(12, 16)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def write(path, values, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **options)
    return path


def square(label, left, top, side, **more):
    points = [[left, top], [left + side, top], [left + side, top + side], [left, top + side]]
    return {"label": label, "points": points, "shape_type": "polygon", **more}


def write_labelme(folder, name, shapes, *, embed=False, **more):
    image = write(folder / f"{name}.jpg", pixels(len(name)))
    data = base64.b64encode(image.read_bytes()).decode() if embed else None
    if embed:
        image.unlink()
    document = {"version": "5.5.0", "shapes": shapes, "imagePath": f"{name}.jpg", "imageData": data}
    document |= {"imageHeight": 12, "imageWidth": 16} | more
    (folder / f"{name}.json").write_text(json.dumps(document))


@pytest.fixture
def labelme(tmp_path):
    folder = tmp_path / "labelme"
    folder.mkdir()
    write_labelme(folder, "one", [square("cat", 1, 1, 4), square("dog", 3, 3, 4)])
    write_labelme(folder, "two2", [square("__ignore__", 0, 0, 3)], embed=True)
    write_labelme(folder, "three", [square("cat", 2, 2, 5), square("_background_", 4, 4, 1)])
    write_labelme(folder, "four4", [])
    return folder


def make_masks(folder, masks, **options):
    for number, values in enumerate(masks):
        write(folder / "images" / f"{number}.png", pixels(number, np.shape(values)[:2]))
        write(folder / "masks" / f"{number}.png", np.asarray(values, np.uint8), **options)
    return folder


def colored(*colors):
    """Returns a mask of 12 rows, with one column for each color."""
    return np.tile(np.array(colors, np.uint8), (12, 1, 1))


def command(arguments, capsys):
    """Runs `fcn data`; returns its exit code and what it printed."""
    with pytest.raises(SystemExit) as stopped:
        main(["data", *map(str, arguments)])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


def imported(root):
    """Returns the labels of a data set by name."""
    examples = [*read_split(root, "train"), *read_split(root, "val")]
    return {example.name: read_label(example.label_path) for example in examples}


def run(tmp_path, folder, options=HALF):
    root = tmp_path / "root"
    write_import(plan_import([folder], options), root)
    return root


def test_labelme_becomes_a_data_set(labelme, tmp_path):
    root = run(tmp_path, labelme)
    assert read_classes(root).names == ("background", "cat", "dog")
    labels = imported(root)
    assert sorted(labels) == ["four4", "one", "three", "two2"]
    assert np.unique(labels["one"]).tolist() == [0, 1, 2]
    assert (labels["one"][3:8, 3:8] == 2).all(), "the later shape covers the earlier one"
    assert np.unique(labels["two2"]).tolist() == [0, VOID]
    assert labels["three"][4, 4] == 0
    assert not labels["four4"].any()
    for example in read_split(root, "train"):
        if example.name != "two2":
            np.testing.assert_array_equal(
                read_image(example.image_path), read_image(labelme / f"{example.name}.jpg")
            )


@pytest.mark.parametrize("embed", [False, True])
def test_labels_are_of_upright_images(tmp_path, embed):
    exif = Image.Exif()
    exif[0x0112] = 6
    folder = tmp_path / "labelme"
    folder.mkdir()
    for name in ("a", "b"):
        image = write(folder / f"{name}.jpg", pixels(0), exif=exif)  # stored: 12x16
        data = base64.b64encode(image.read_bytes()).decode() if embed else None
        document = {"shapes": [square("cat", 1, 10, 4)], "imagePath": image.name, "imageData": data}
        (folder / f"{name}.json").write_text(json.dumps(document | {"imageHeight": 16, "imageWidth": 12}))
    label = imported(run(tmp_path, folder))["a"]
    assert label.shape == (16, 12)
    assert (label[10:14, 1:5] == 1).all()


def test_images_are_hard_links_where_that_is_possible(labelme, tmp_path):
    root = run(tmp_path, labelme)
    assert os.path.samefile(labelme / "one.jpg", root / "JPEGImages" / "one.jpg")
    record = json.loads((root / "import.json").read_text())
    assert record["hard_links"] == 3
    assert record["form"] == "labelme"
    assert record["sources"] == [str(labelme)]
    cat = next(one for one in record["classes"] if one["source"] == "cat")
    assert (cat["class"], cat["images"]) == ("cat", 2)


@pytest.mark.parametrize("embed", [False, True])
def test_metadata_can_be_left_out(embed, tmp_path, capsys):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker of cameras"
    folder = tmp_path / "labelme"
    folder.mkdir()
    for name in ("a", "b"):
        image = write(folder / f"{name}.jpg", pixels(0), exif=exif, comment="my garden")
        data = base64.b64encode(image.read_bytes()).decode() if embed else None
        document = {"shapes": [square("cat", 1, 1, 4)], "imagePath": image.name, "imageData": data}
        if embed:
            image.rename(tmp_path / image.name)
        (folder / f"{name}.json").write_text(json.dumps(document))
    original = (tmp_path if embed else folder) / "a.jpg"
    root = tmp_path / "root"
    code, shown, _ = command(["import", folder, "--output", root, "--val", "0.5", "--strip-metadata"], capsys)
    assert code == 0
    assert "Metadata was removed from 2 of 2 images." in shown
    path = root / "JPEGImages" / "a.jpg"
    assert path.stat().st_nlink == 1
    assert b"Maker" not in path.read_bytes()
    assert b"garden" not in path.read_bytes()
    np.testing.assert_array_equal(read_image(path), read_image(original))
    assert b"Maker" in original.read_bytes()
    record = json.loads((root / "import.json").read_text())
    assert record["options"]["strip_metadata"] is True
    assert (record["stripped_images"], record["hard_links"]) == (2, 0)


def test_forms_that_cannot_be_stripped_are_refused_before_anything_is_written(tmp_path, capsys):
    folder = make_masks(tmp_path / "source", [np.full((4, 5), value) for value in (0, 1, 2)])
    write(folder / "images" / "1.tif", pixels(1, (4, 5)))
    (folder / "images" / "1.png").unlink()
    line = ["import", folder, "--output", tmp_path / "root", "--strip-metadata"]
    for arguments in (line, [*line, "--dry-run"]):
        code, _, error = command(arguments, capsys)
        assert code == 2
        assert "1.tif: is TIFF, and --strip-metadata can remove metadata only from" in error
        assert not (tmp_path / "root").exists()


def test_twice_is_the_same(labelme, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for root in (one, two):
        write_import(plan_import([labelme], HALF), root)
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    assert all((one / path).read_bytes() == (two / path).read_bytes() for path in files)


def test_classes_are_renamed_merged_left_out_and_ordered(labelme, tmp_path):
    class_options = ClassOptions(renamed=(("cat", "animal"), ("dog", "animal")))
    assert imported(run(tmp_path / "a", labelme, HALF._replace(classes=class_options)))["one"].max() == 1
    class_options = ClassOptions(names=("dog", "cat", "background"), void=("__ignore__",))
    with pytest.raises(DataError, match="the source has no class '__ignore__'"):
        plan_import([labelme], HALF._replace(classes=class_options))
    root = run(tmp_path / "b", labelme, HALF._replace(classes=class_options._replace(void=())))
    assert read_classes(root).names == ("dog", "cat", "background")
    assert (imported(root)["one"][4:7, 4:7] == 0).all()
    root = run(tmp_path / "c", labelme, HALF._replace(classes=ClassOptions(void=("dog",))))
    assert read_classes(root).names == ("background", "cat")
    assert (imported(root)["one"][4:7, 4:7] == VOID).all()


def test_labels_in_two_forms_become_one_data_set_as_the_message_says(labelme, tmp_path, capsys):
    masks = make_masks(tmp_path / "masks", [np.eye(12, 16, dtype=np.uint8)] * 2)
    with pytest.raises(DataError, match="Expected one form of labels") as caught:
        plan_import([labelme, masks], HALF)
    assert "python -m fcn data export ROOT --format labelme --output FOLDER" in str(caught.value)
    root = run(tmp_path / "alone", masks, HALF._replace(classes=ClassOptions(names=("background", "dog"))))
    folder = tmp_path / "exported"
    assert command(["export", root, "--format", "labelme", "--output", folder], capsys)[0] == 0
    write_import(plan_import([labelme, folder], HALF), tmp_path / "both")
    assert read_classes(tmp_path / "both").names == ("background", "cat", "dog")
    assert (imported(tmp_path / "both")["0"] == 2 * np.eye(12, 16)).all()


def test_two_labels_of_one_name_are_both_named(labelme, tmp_path):
    corrected = tmp_path / "corrected"
    corrected.mkdir()
    write_labelme(corrected, "one", [square("cat", 1, 1, 3)])
    with pytest.raises(DataError) as caught:
        plan_import([labelme, corrected], HALF)
    assert str(caught.value).startswith(
        f"{labelme / 'one.json'}: expected one image of this name. {corrected / 'one.json'} has it too."
    )


def test_names_in_the_order_of_ids_name_masks_of_ids(tmp_path):
    folder = make_masks(tmp_path / "source", [[[0, 1, 3]] * 4] * 4)
    class_options = ClassOptions(names=("soil", "leaf", "stem", "weed"))
    root = run(tmp_path / "a", folder, HALF._replace(classes=class_options))
    assert read_classes(root).names == class_options.names
    assert imported(root)["0"][0].tolist() == [0, 1, 3]
    # --map goes before, and the names that ids get without any may be put into another order.
    renamed = ClassOptions(
        names=("leaf", "soil", "weed"), renamed=(("0", "soil"), ("1", "leaf"), ("3", "weed"))
    )
    assert imported(run(tmp_path / "b", folder, HALF._replace(classes=renamed)))["0"][0].tolist() == [1, 0, 2]
    ordered = ClassOptions(names=("id 3", "id 1", "background"))
    assert imported(run(tmp_path / "c", folder, HALF._replace(classes=ordered)))["0"][0].tolist() == [2, 1, 0]
    with pytest.raises(DataError, match="--classes: has no 'id 3', which 4 images have"):
        plan_import([folder], HALF._replace(classes=ClassOptions(names=("soil", "leaf", "stem"))))


@pytest.mark.parametrize(
    ("class_options", "ids"),
    [
        (ClassOptions(("leaf", "background"), renamed=(("1", "leaf"),)), [1, 0]),
        (ClassOptions(("leaf", "background"), void=("1",)), [1, VOID]),
        (ClassOptions(("background", "leaf"), background="0"), [0, 1]),
        (ClassOptions(("soil", "background"), renamed=(("0", "soil"),)), [0, 1]),
    ],
)
def test_names_in_another_order_than_ids_give_an_id_no_name_of_another(class_options, ids, tmp_path):
    folder = make_masks(tmp_path / "source", [[[0, 1]] * 4] * 4)
    root = run(tmp_path, folder, HALF._replace(classes=class_options))
    assert read_classes(root).names == class_options.names
    assert imported(root)["0"][0].tolist() == ids


@pytest.mark.parametrize(
    ("class_options", "missing"),
    [
        (ClassOptions(("leaf", "soil"), renamed=(("1", "leaf"),)), "background"),
        (ClassOptions(("leaf", "background")), "id 1"),
        (ClassOptions(("leaf", "background"), void=("0",)), "id 1"),
        (ClassOptions(("background", "leaf"), renamed=(("0", "leaf"),)), "id 1"),
        (ClassOptions(("background", "leaf"), background="1"), "id 1"),
    ],
)
def test_an_id_whose_name_is_that_of_another_is_refused(class_options, missing, tmp_path):
    folder = make_masks(tmp_path, [[[0, 1]] * 4] * 4)
    with pytest.raises(DataError, match=f"--classes: has no '{missing}', which 4 images have"):
        plan_import([folder], HALF._replace(classes=class_options))


def test_classes_without_names_are_said(tmp_path):
    folder = make_masks(tmp_path, [[[0, 1, 3]] * 4] * 4)
    told = (
        "2 classes have no names in the source. Name them before you train: --map 'id 1=NAME', once for each"
    )
    assert told in plan_import([folder], HALF).notes
    class_options = ClassOptions(renamed=(("1", "leaf"),))
    told = "1 class has no name in the source. Name it before you train: --map 'id 3=NAME'"
    assert told in plan_import([folder], HALF._replace(classes=class_options)).notes
    class_options = ClassOptions(renamed=(("1", "leaf"),), void=("3",))
    assert not any(
        "no name" in note for note in plan_import([folder], HALF._replace(classes=class_options)).notes
    )


@pytest.mark.parametrize(
    ("class_options", "names", "ids"),
    [
        (ClassOptions(), ("background", "id 127"), [0, 1, VOID]),
        (ClassOptions(renamed=(("id 255", "dog"),)), ("background", "id 127", "dog"), [0, 1, 2]),
        (ClassOptions(background="255"), ("id 255", "background", "id 127"), [1, 2, 0]),
        (ClassOptions(renamed=(("255", "dog"), ("127", "dog"))), ("background", "dog"), [0, 1, 1]),
    ],
)
def test_255_is_a_class_if_an_option_says_so(class_options, names, ids, tmp_path):
    folder = make_masks(tmp_path, [[[0, 127, 255]] * 4] * 4)
    root = run(tmp_path, folder, HALF._replace(classes=class_options))
    assert read_classes(root).names == names
    assert imported(root)["0"][0].tolist() == ids


def test_a_class_that_is_to_be_void_and_kept_is_refused(labelme):
    class_options = ClassOptions(void=("cat",), renamed=(("cat", "animal"),))
    with pytest.raises(DataError, match="makes 'cat' void, and another option keeps it"):
        plan_import([labelme], HALF._replace(classes=class_options))


@pytest.mark.parametrize(
    ("class_options", "message"),
    [
        (
            ClassOptions(names=("background", "cta", "dog")),
            "has no 'cat', which 2 images have. The nearest is 'cta'",
        ),
        (ClassOptions(renamed=(("dgo", "x"),)), "no class 'dgo'. The nearest is 'dog'"),
        (ClassOptions(void=("#ff0000",)), "no class '#ff0000'"),
        (ClassOptions(background="catt"), "no class 'catt'. The nearest is 'cat'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(class_options, message, labelme):
    with pytest.raises(DataError) as caught:
        plan_import([labelme], HALF._replace(classes=class_options))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"imageHeight": 13}, "was labeled on an image of 13x16"),
        ({"imagePath": "gone.jpg"}, "its image 'gone.jpg' is missing"),
        ({"imagePath": "../../gone.jpg"}, "outside of the folder"),
        ({"shapes": [{"points": [[1, 2]]}]}, "shape 1 has no label"),
        ({"shapes": [square("cat", 0, 0, 3, shape_type="star")]}, "expected one of polygon"),
        ({"shapes": [{"label": "cat", "points": [[1, 2], [3, 4]]}]}, "a polygon cannot have 2 points"),
        ({"shapes": [square("cat", 0, 0, float("inf"))]}, "its points are not within"),
        ({"shapes": [square("cat", 0, 0, 3, shape_type="mask")]}, "it has no mask"),
    ],
)
def test_a_damaged_file_of_labelme_is_one_message(change, message, labelme):
    path = labelme / "one.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError) as caught:
        plan_import([labelme], HALF)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_folders_of_labelme_may_show_different_classes(labelme, tmp_path):
    more = tmp_path / "more"
    more.mkdir()
    write_labelme(
        more, "another", [square("bird", 0, 0, 3), square("dog", 5, 5, 4), square("__ignore__", 10, 9, 2)]
    )
    plan = plan_import([labelme, more], HALF)
    assert plan.choice.classes.names == ("background", "cat", "dog", "bird")
    write_import(plan, tmp_path / "root")
    label = read_label(tmp_path / "root" / "SegmentationClass" / "another.png")
    assert [int(label[y, x]) for y, x in ((1, 1), (7, 7), (10, 11), (11, 1))] == [3, 2, 255, 0]
    assert read_label(tmp_path / "root" / "SegmentationClass" / "one.png")[2, 2] == 1


def test_two_files_of_labelme_for_one_image_are_refused(labelme):
    path = labelme / "four4.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"imagePath": "one.jpg"}))
    with pytest.raises(DataError) as caught:
        plan_import([labelme], HALF)
    assert f"its image is {labelme / 'one.jpg'}, which " in str(caught.value)
    assert str(path) in str(caught.value)


def test_images_without_a_file_of_labelme_are_counted(labelme):
    assert not any("no file of labelme" in note for note in plan_import([labelme], HALF).notes)
    write(labelme / "more" / "five.jpg", pixels(5))
    write(labelme / "one.png", pixels(6))
    (note,) = (note for note in plan_import([labelme], HALF).notes if "no file of labelme" in note)
    assert note == f"1 image has no file of labelme: left out, such as {labelme / 'more' / 'five.jpg'}"


def test_spaces_around_names_do_not_make_classes(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    for name, label in zip("abcd", ["car", "car ", " car", "dog"], strict=True):
        write_labelme(folder, name, [square(label, 1, 1, 4)])
    root = run(tmp_path, folder)
    assert read_classes(root).names == ("background", "car", "dog")
    assert [imported(root)[name].max() for name in "abcd"] == [1, 1, 1, 2]


def test_names_that_differ_in_spelling_are_said(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    for name, label in zip("abcde", ["Car", "car", "n\u00e4he", "na\u0308he", "ca_r"], strict=True):
        write_labelme(folder, name, [square(label, 1, 1, 6 if label == "car" else 4)])
    notes = " ".join(plan_import([folder], HALF).notes)
    told = "'Car', 'ca_r', 'car' are different classes. If they are one: --merge 'Car,ca_r,car=car'"
    assert told in notes  # car has the most pixels
    assert "'na\u0308he', 'n\u00e4he' are different classes" in notes
    class_options = ClassOptions(renamed=(("Car", "car"), ("ca_r", "car"), ("na\u0308he", "n\u00e4he")))
    assert "different classes" not in " ".join(
        plan_import([folder], HALF._replace(classes=class_options)).notes
    )


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ([square("cat", 100, 100, 50)], "hold one class only, 'background'"),
        ([square("cat", -1, -1, 50)], "hold one class only, 'cat'"),
        ([square("__ignore__", -1, -1, 50)], "hold void only"),
        ([square("cat", 1, 1, 5)], None),
    ],
)
def test_labels_that_teach_nothing_are_said(shapes, words, tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    for name in "ab":
        write_labelme(folder, name, shapes)
    found = [note for note in plan_import([folder], HALF).notes if "nothing to learn" in note]
    assert len(found) == (words is not None)
    assert words is None or words in found[0]


def test_a_mask_of_labelme_that_breaks_off_within_its_pixels_is_one_message(tmp_path):
    buffer = BytesIO()
    Image.fromarray(pixels(0, (40, 40))).save(buffer, "PNG")
    data = buffer.getvalue()
    start = data.index(b"IDAT")
    half = data[start : start + 2000]
    checksum = zlib.crc32(half).to_bytes(4, "big")
    broken = (
        data[: start - 4] + (1996).to_bytes(4, "big") + half + checksum + b"\0\0\0\4\0\x91\x9f\xf1" + data
    )
    shape = {"label": "cat", "shape_type": "mask", "points": [[0, 0], [39, 39]]}
    write_labelme(tmp_path, "a", [shape | {"mask": base64.b64encode(broken).decode()}])
    with pytest.raises(DataError, match="its mask is damaged"):
        plan_import([tmp_path], HALF)


def test_a_turned_rectangle_of_labelme_is_drawn_by_its_corners(tmp_path):
    corners = [[4.5, 0.5], [9, 5], [6, 8.25], [1, 3]]
    for kind, name in (("oriented_rectangle", "a"), ("polygon", "bb")):
        write_labelme(tmp_path, name, [{"label": "cat", "points": corners, "shape_type": kind}])
    one, other = imported(run(tmp_path, tmp_path)).values()
    assert one.any()
    np.testing.assert_array_equal(one, other)


def test_masks_of_ids_keep_their_ids(tmp_path):
    folder = make_masks(tmp_path, [np.full((4, 5), value) for value in (0, 1, 2, 255)])
    root = run(tmp_path, folder)
    assert read_classes(root).names == ("background", "id 1", "id 2")
    assert [label[0, 0] for _, label in sorted(imported(root).items())] == [0, 1, 2, VOID]


def test_images_in_further_forms_may_lie_beside_others_of_their_name(tmp_path):
    folder = make_masks(tmp_path / "source", [np.full((4, 5), value) for value in (0, 1, 2, 255)])
    for suffix in ("gif", "avif", "jp2"):
        write(folder / "images" / f"0.{suffix}", pixels(9, (40, 50)))
    (folder / "images" / "1.png").unlink()
    write(folder / "images" / "1.gif", pixels(1, (4, 5)))
    root = run(tmp_path, folder)
    found = sorted(path.name for path in (root / "JPEGImages").iterdir())
    assert found == ["0.png", "1.gif", "2.png", "3.png"]


def test_white_is_the_object_where_nothing_else_is(tmp_path):
    folder = make_masks(tmp_path, [np.full((4, 5), value) for value in (0, 255, 255)])
    root = run(tmp_path, folder)
    assert read_classes(root).names == ("background", "id 255")
    assert [label[0, 0] for _, label in sorted(imported(root).items())] == [0, 1, 1]


@pytest.mark.parametrize("values", [(0, 255, 255), (255, 255), (0, 0, 255)])
@pytest.mark.parametrize("by", ["--classes", "labels.txt", "_classes.csv"])
def test_of_two_names_the_second_is_white(by, values, tmp_path, capsys):
    folder = make_masks(tmp_path / "source", [np.full((4, 5), value) for value in values])
    arguments = ["import", folder, "--output", tmp_path / "root", "--val", "0.5"]
    if by == "--classes":
        arguments += [by, "ground,road"]
    else:
        text = "Pixel Value, Class\n0, ground\n1, road\n" if "csv" in by else "ground\nroad\n"
        (folder / by).write_text(text)
    code, shown, errors = command(arguments, capsys)
    assert (code, errors) == (0, "")
    assert "Note: the masks hold 0 and 255 alone: 0 is 'ground' and 255 is 'road'." in shown
    (row,) = (line for line in shown.splitlines() if line.startswith(("road ", "id 255 ")))
    assert " 1  road " in row
    assert read_classes(tmp_path / "root").names == ("ground", "road")
    found = imported(tmp_path / "root")
    assert [found[name][0, 0] for name in sorted(found)] == [int(value == 255) for value in values]


@pytest.mark.parametrize(
    ("values", "options", "names"),
    [
        ((0, 1, 255), [], ("ground", "road")),
        ((0, 1, 255), ["--classes", "ground,road"], ("ground", "road")),
        ((0, 255, 0), ["--void", "255"], ("ground", "road")),
        ((0, 255, 255), ["--map", "255=sky"], ("ground", "road", "sky")),
        ((0, 255, 255), ["--classes", "road,ground"], ("road", "ground")),
    ],
)
def test_white_is_the_second_name_only_if_nothing_else_is_said(values, options, names, tmp_path, capsys):
    folder = make_masks(tmp_path / "source", [np.full((4, 5), value) for value in values])
    (folder / "labels.txt").write_text("ground\nroad\n")
    arguments = ["import", folder, "--output", tmp_path / "root", "--val", "0.5", *options]
    code, _, errors = command(arguments, capsys)
    assert (code, errors) == (0, "")
    assert read_classes(tmp_path / "root").names == names
    by_value = {0: names.index("ground"), 1: names.index("road"), 255: VOID}
    if 1 not in values and "--void" not in options:
        by_value[255] = names.index("sky" if "sky" in names else "road")
    found = imported(tmp_path / "root")
    assert [found[name][0, 0] for name in sorted(found)] == [by_value[value] for value in values]


@pytest.mark.parametrize("heading", ["name,r,g,b\n", "", "Class, R, G, B\n"])
def test_a_class_dict_names_colors(heading, tmp_path):
    folder = make_masks(tmp_path / "source", [colored(BLACK, RED), colored(GREEN, BLACK), colored(RED, RED)])
    (folder / "class_dict.csv").write_text(f"{heading}rose,200,0,0\nnothing,0,0,0\nleaf, 0, 150, 50\n")
    root = run(tmp_path, folder)
    assert read_classes(root).names == ("nothing", "rose", "leaf")
    assert read_classes(root).palette == (BLACK, RED, GREEN)
    (folder / "class_dict.csv").write_text(f"{heading}rose,200,0,0\nleaf,0,150\n")
    with pytest.raises(DataError, match=r"class_dict\.csv, line \d: 'leaf,0,150' does not .* first line"):
        plan_import([folder], HALF)


def test_a_color_that_the_user_names_need_not_be_listed(tmp_path):
    folder = make_masks(tmp_path / "source", [colored(BLACK, RED), colored(GREEN, BLACK), colored(RED, RED)])
    (folder / "labelmap.txt").write_text("background:0,0,0::\nrose:200,0,0::\n")
    with pytest.raises(DataError, match="name them, as with --map '#009632=NAME'"):
        plan_import([folder], HALF)
    for number, class_options in enumerate(
        [
            ClassOptions(renamed=(("#009632", "leaf"),)),
            ClassOptions(void=("#009632",)),
            ClassOptions(renamed=(("0,150,50", "rose"),)),
        ]
    ):
        root = run(tmp_path / str(number), folder, HALF._replace(classes=class_options))
        assert read_classes(root).names == ("background", "rose", "leaf")[: 2 + (number == 0)]
        assert imported(root)["1"][0].tolist() == [(2, VOID, 1)[number], 0]
    with pytest.raises(DataError, match="has no class '#123456'"):
        plan_import(
            [folder], HALF._replace(classes=ClassOptions(renamed=(("#123456", "x"), ("#009632", "leaf"))))
        )


def test_masks_of_colors_get_ids_and_keep_their_colors(tmp_path):
    folder = make_masks(tmp_path, [colored(BLACK, RED), colored(GREEN, BLACK), colored(RED, RED)])
    root = run(tmp_path, folder)
    classes = read_classes(root)
    assert classes.names == ("background", "#009632", "#c80000")
    assert classes.palette == (BLACK, GREEN, RED)
    assert imported(root)["0"][0].tolist() == [0, 2]


def test_stray_colors_need_a_tolerance(tmp_path):
    rng = np.random.default_rng(0)
    masks = [colored(*[RED] * 60, *[BLACK] * 60) for _ in range(3)]
    for mask in masks:
        mask[0, :100] = rng.integers(0, 256, (100, 3))
        mask[1, :20] = np.array(RED) - rng.integers(0, 10, (20, 1)) * [1, 0, 0]
    folder = make_masks(tmp_path, masks)
    with pytest.raises(DataError, match=r"different colors, too many for classes .*--color-tolerance"):
        plan_import([folder], HALF)
    plan = plan_import([folder], HALF._replace(classes=ClassOptions(color_tolerance=20)))
    write_import(plan, tmp_path / "root")
    assert read_classes(tmp_path / "root").names == ("background", "#c80000")
    label = imported(tmp_path / "root")["0"]
    assert (label[1, :20] == 1).all()
    assert (label[0] == VOID).any()
    assert any("other colors" in note for note in plan.notes)


def test_masks_of_another_size_are_refused_skipped_padded_or_resized(tmp_path):
    folder = make_masks(tmp_path, [np.ones((6, 8))] * 4)
    write(folder / "masks" / "0.png", np.ones((6, 6), np.uint8))
    with pytest.raises(DataError, match=r"0\.png: expected the size of its image, 6x8 .* Received: 6x6"):
        plan_import([folder], HALF)
    assert sorted(imported(run(tmp_path / "skip", folder, HALF._replace(fit="skip")))) == ["1", "2", "3"]
    padded = imported(run(tmp_path / "pad", folder, HALF._replace(fit="pad")))["0"]
    assert (padded[:, :6] == 1).all()
    assert (padded[:, 6:] == VOID).all()
    assert (imported(run(tmp_path / "resize", folder, HALF._replace(fit="resize")))["0"] == 1).all()


@pytest.mark.parametrize("fit", ["refuse", "pad", "resize"])
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_masks_of_stored_pixels_are_refused_by_the_cause(orientation, fit, tmp_path):
    folder = make_masks(tmp_path, [np.eye(6, 8)] * 4)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    write(folder / "images" / "0.png", pixels(0, (6, 8)), exif=exif)
    with pytest.raises(DataError) as caught:
        plan_import([folder], HALF._replace(fit=fit))
    assert "0.png: fits the stored pixels of its image, 6x8 (height x width), which" in str(caught.value)
    assert f"EXIF orientation {orientation} turns to 8x6" in str(caught.value)
    assert "--fit resize" not in str(caught.value)
    assert sorted(imported(run(tmp_path / "skip", folder, HALF._replace(fit="skip")))) == ["1", "2", "3"]
    write(folder / "masks" / "0.png", np.ones((8, 6), np.uint8))
    assert (imported(run(tmp_path / "upright", folder, HALF))["0"] == 1).all()


def test_splits_of_the_source_are_kept(tmp_path):
    for split, number in (("train", 0), ("train", 1), ("valid", 2)):
        write(tmp_path / "source" / split / "images" / f"{number}.png", pixels(number))
        write(tmp_path / "source" / split / "masks" / f"{number}.png", np.ones((12, 16), np.uint8))
    root = run(tmp_path, tmp_path / "source", ImportOptions())
    assert [example.name for example in read_split(root, "train")] == ["0", "1"]
    assert [example.name for example in read_split(root, "val")] == ["2"]


def test_equal_names_in_two_folders_become_different_ones(tmp_path):
    for part in ("north", "south"):
        write(tmp_path / "source" / part / "images" / "a.png", pixels(1))
        write(tmp_path / "source" / part / "masks" / "a.png", np.ones((12, 16), np.uint8))
    assert sorted(imported(run(tmp_path, tmp_path / "source"))) == ["north__a", "south__a"]


@pytest.mark.parametrize(("one", "other"), [("\u00e4", "a\u0308"), ("b ", "b"), ("C", "c")])
def test_names_that_lists_cannot_tell_apart_keep_their_folders(one, other, tmp_path):
    folder = tmp_path / "source"
    for place, name in (("x", one), ("y", other)):
        (folder / place).mkdir(parents=True)
        write_labelme(folder / place, name, [])
    assert sorted(imported(run(tmp_path, folder))) == sorted([f"x__{one}", f"y__{other}"])


def test_a_used_root_is_refused_before_anything_is_read(labelme, tmp_path, capsys):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "notes.txt").write_text("mine")
    code, _, error = command(["import", tmp_path / "nowhere", "--output", tmp_path / "root"], capsys)
    assert code == 2
    assert "exists already" in error
    assert (tmp_path / "root" / "notes.txt").read_text() == "mine"


def test_the_command_proposes_and_writes(labelme, tmp_path, capsys):
    root = tmp_path / "root"
    line = ["import", labelme, "--output", root, "--val", "0.5"]
    code, shown, _ = command([*line, "--dry-run"], capsys)
    assert code == 0
    assert "labelme JSON, 4 images" in shown
    assert "Nothing was written" in shown
    assert not root.exists()
    code, shown, _ = command([*line, "--merge", "cat,dog=animal", "--json"], capsys)
    assert code == 0
    assert json.loads(shown)["images"] == {"train": 2, "val": 2}
    assert read_classes(root).names == ("background", "animal")


def test_the_next_commands_plan_and_train(labelme, tmp_path, capsys):
    root = tmp_path / "a root"
    _, shown, _ = command(["import", labelme, "--output", root], capsys)
    plan, train = (shlex.split(line.removeprefix("Next: ")) for line in shown.splitlines()[-2:])
    assert plan == ["python", "-m", "fcn", "plan", str(root), "--output", "a root.yaml"]
    assert train == ["python", "train.py", "a root.yaml", "--run", "runs/a root"]
    for words in (plan[3:], ["train", *train[2:]]):  # commands that there are, with options that they take
        assert main_module.build_parser().parse_args(words).run_command


@pytest.mark.parametrize(
    "arguments", [["--map", "cat"], ["--merge", "=x"], ["--format", "labelmee"], ["--val", "1"]]
)
def test_wrong_options_are_mistakes(arguments, labelme, tmp_path, capsys):
    code, _, error = command(["import", labelme, "--output", tmp_path / "r", *arguments], capsys)
    assert code == 2
    assert arguments[0] in error


def test_shares_leave_images_to_train(labelme):
    with pytest.raises(ConfigError, match="leave some images for training"):
        plan_import([labelme], ImportOptions(division=Division(0.6, 0.4)))


def test_a_failure_leaves_nothing(labelme, tmp_path, monkeypatch):
    plan = plan_import([labelme], HALF)
    (labelme / "one.jpg").unlink()
    with pytest.raises((DataError, OSError)):
        write_import(plan, tmp_path / "root")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labelme"]


def test_what_is_in_no_known_form_is_refused(tmp_path):
    write(tmp_path / "photos" / "a.png", pixels(0))
    with pytest.raises(DataError, match=r"holds no labels in a known form.*--format: .*labelme"):
        plan_import([tmp_path / "photos"], HALF)
    with pytest.raises(DataError, match="expected a folder"):
        plan_import([Path("nowhere")], HALF)


def test_an_embedded_image_may_be_of_any_form(tmp_path):
    buffer = BytesIO()
    Image.fromarray(pixels(1)).save(buffer, "PNG")
    for name in ("a", "b"):
        document = {"shapes": [square("cat", 1, 1, 2)], "imagePath": "gone/elsewhere.bmp"}
        document |= {"imageData": base64.b64encode(buffer.getvalue()).decode()}
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    root = run(tmp_path / "out", tmp_path)
    assert (root / "JPEGImages" / "a.png").read_bytes() == buffer.getvalue()


@pytest.mark.parametrize(
    ("division", "message"),
    [
        (Division(0.5, group_by="("), "is not a regular expression"),
        (Division(0.5, group_by="z+$"), "matches no name"),
        (Division(0.6, 0.4), "leave some images for training"),
    ],
)
def test_a_wrong_division_is_said_before_labels_are_counted(tmp_path, monkeypatch, division, message):
    folder = make_masks(tmp_path / "source", [np.zeros((4, 4))] * 2)
    monkeypatch.setattr(importer, "count_keys", None)
    with pytest.raises(ConfigError, match=message):
        plan_import([folder], ImportOptions(division=division))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(6, 8), (7, 7)])
def test_labels_of_stored_pixels_are_turned_upright(tmp_path, orientation, size):
    stored = np.arange(size[0] * size[1]).reshape(size).astype(np.uint8) % 3
    folder = make_masks(tmp_path / "source", [stored] * 2)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    write(folder / "images" / "0.png", pixels(0, size), exif=exif)
    options = HALF._replace(label_orientation="stored")
    labels = imported(run(tmp_path, folder, options))
    np.testing.assert_array_equal(labels["0"], upright(stored, orientation))
    np.testing.assert_array_equal(labels["1"], stored)
    record = json.loads((tmp_path / "root" / "import.json").read_text())
    assert record["options"]["label_orientation"] == "stored"


def test_shapes_of_stored_pixels_are_turned_upright(tmp_path, capsys):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    folder = tmp_path / "labelme"
    folder.mkdir()
    for name in ("a", "b"):
        write_labelme(folder, name, [square("cat", 1, 2, 4)])
        write(folder / f"{name}.jpg", pixels(0), exif=exif)
    root = tmp_path / "root"
    code, _, err = command(["import", folder, "--output", root], capsys)
    assert (code, root.exists()) == (2, False)
    assert "was labeled on an image of 12x16" in err
    code, _, err = command(["import", folder, "--output", root, "--label-orientation", "stored"], capsys)
    assert code == 0, err
    expected = np.zeros((12, 16), np.uint8)
    expected[2:7, 1:6] = 1
    np.testing.assert_array_equal(imported(root)["a"], upright(expected, 6))


@pytest.mark.parametrize("fit", ["refuse", "pad", "resize"])
def test_a_mask_of_the_upright_image_is_refused_among_those_of_stored_pixels(tmp_path, fit):
    folder = make_masks(tmp_path, [np.eye(6, 8)] * 2)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 8
    write(folder / "images" / "0.png", pixels(0, (8, 6)), exif=exif)
    with pytest.raises(DataError, match=r"0\.png: fits its upright image, 6x8 .* EXIF orientation 8 turns"):
        plan_import([folder], HALF._replace(fit=fit, label_orientation="stored"))
