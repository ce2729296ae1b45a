"""Labels are exported for other tools, and come back."""

import json
import os
import sqlite3
from contextlib import closing
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import ExifTags, Image
from pycocotools.coco import COCO
from ruamel.yaml import YAML

from fcn.classes import VOID, Classes
from fcn.cli.main import main
from fcn.data.image_io import encode_label, read_label
from fcn.data.orientation import upright
from fcn.data.voc import read_classes, read_split
from fcn.jobs.store import STORE_NAME, JobStore
from fcn.labels.importing.choice import ClassOptions
from fcn.labels.importing.importer import ImportOptions, plan_import, write_import

CLASSES = Classes(("background", "wheel", "ant"), ((0, 0, 0), (10, 200, 30), (250, 0, 7)))
FORMATS = ("coco", "labelme", "cvat", "yolo")


def make_label(seed, size=(14, 18)):
    label = np.zeros(size, np.uint8)
    rng = np.random.default_rng(seed)
    for class_id in (1, 2, 1, VOID):
        top, left = rng.integers(0, 9, 2)
        label[top : top + 6, left : left + 7] = class_id
        label[top + 2, left + 3] = 0
    return label


def write_pair(image, label_path, label, classes=CLASSES):
    for path in (image, label_path):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*label.shape, 3), 90, np.uint8)).save(image)
    label_path.write_bytes(encode_label(label, classes))


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    names = {"train": ["one", "two", "three.b"], "val": ["four", "five"], "trainval": ["one", "four"]}
    for seed, name in enumerate(names["train"] + names["val"]):
        write_pair(
            root / "JPEGImages" / f"{name}.jpg", root / "SegmentationClass" / f"{name}.png", make_label(seed)
        )
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    for split, listed in names.items():
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(listed))
    (root / "labels.txt").write_text("\n".join(CLASSES.names))
    return root


def labels_of(root, *splits):
    return {one.name: read_label(one.label_path) for split in splits for one in read_split(root, split)}


def command(capsys, *arguments):
    """Runs `fcn data export`; returns its exit code and what it printed."""
    with pytest.raises(SystemExit) as stopped:
        main(["data", "export", *map(str, arguments)])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


def export(capsys, *arguments):
    code, out, err = command(capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_labelme_and_back(root, tmp_path, capsys):
    output = tmp_path / "out"
    document = export(capsys, root, "--format", "labelme", "--output", output)
    assert (document["images"], document["hard_links"], document["changed_pixels"]) == (5, 5, 0)
    assert document["void_pixels"] > 0
    one = json.loads((output / "train" / "three.b.json").read_text())
    assert (one["imagePath"], one["imageHeight"], one["imageWidth"]) == ("three.b.jpg", 14, 18)
    assert one["imageData"] is None
    back = tmp_path / "back"
    write_import(plan_import([output], ImportOptions()), back)
    assert read_classes(back).names == CLASSES.names, "in the order of the ids, not of the alphabet"
    before, after = labels_of(root, "train", "val"), labels_of(back, "train", "val")
    assert before.keys() == after.keys()
    assert labels_of(back, "val").keys() == {"four", "five"}, "splits come back too"
    for name, label in before.items():
        np.testing.assert_array_equal(after[name], label)


def test_classes_without_a_background_and_unused_ones_keep_their_ids(root, tmp_path, capsys):
    (root / "labels.txt").write_text("sky\nzebra\nant\nunused")
    export(capsys, root, "--format", "labelme", "--output", tmp_path / "out")
    write_import(plan_import([tmp_path / "out"], ImportOptions()), tmp_path / "back")
    assert read_classes(tmp_path / "back").names == ("sky", "zebra", "ant", "unused")
    after = labels_of(tmp_path / "back", "train")
    for name, label in labels_of(root, "train").items():
        np.testing.assert_array_equal(after[name], label)


def covered(size=(14, 18)):
    """A label without void, in which each pixel is of a class."""
    label = np.zeros(size, np.uint8)
    label[3:9, 4:11], label[8:13, 9:16] = 1, 2
    return label


def write_covered(root, names, label):
    for path in (root / "SegmentationClass").iterdir():
        path.write_bytes(encode_label(label, CLASSES))
    (root / "labels.txt").write_text("\n".join(names))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("names", "option"),
    [
        (("sky", "zebra", "ant", "unused"), []),
        (("background", "zebra", "ant", "unused"), []),
        (("background", "zebra", "ant", "unused"), ["--background"]),
    ],
)
def test_every_form_gives_back_the_ids(root, tmp_path, capsys, form, names, option):
    write_covered(root, names, covered())
    export(capsys, root, "--format", form, "--output", tmp_path / "out", *option)
    write_import(plan_import([tmp_path / "out"], ImportOptions()), tmp_path / "back")
    assert read_classes(tmp_path / "back").names == names
    for label in labels_of(tmp_path / "back", "train", "val").values():
        np.testing.assert_array_equal(label, covered())


@pytest.mark.parametrize("form", ["coco", "cvat", "yolo"])
def test_an_implied_background_without_a_pixel_is_no_class_unless_it_is_named(root, tmp_path, capsys, form):
    write_covered(root, ("background", "zebra", "ant"), covered() % 2 + 1)
    export(capsys, root, "--format", form, "--output", tmp_path / "out")
    plan = plan_import([tmp_path / "out"], ImportOptions())
    assert plan.choice.classes.names == ("zebra", "ant")
    assert any("no class 'background'; --background background adds it" in note for note in plan.notes)
    for class_options in (
        ClassOptions(background="background"),
        ClassOptions(names=("background", "zebra", "ant")),
        ClassOptions(renamed=(("background", "nothing"),)),
    ):
        plan = plan_import([tmp_path / "out"], ImportOptions(classes=class_options))
        assert plan.choice.classes.names[1:] == ("zebra", "ant")
        assert not any("no class 'background'" in note for note in plan.notes)


@pytest.mark.parametrize("form", ["coco", "cvat", "yolo"])
def test_a_few_pixels_without_a_shape_are_said(root, tmp_path, capsys, form):
    label = covered()
    label[0, 0] = VOID
    write_covered(root, ("sky", "zebra", "ant"), label)
    document = export(capsys, root, "--format", form, "--output", tmp_path / "out")
    if form == "cvat":
        assert plan_import([tmp_path / "out"], ImportOptions()).choice.classes.names[0] == "sky"
        return
    assert any("import it with --void background" in note for note in document["notes"])
    plan = plan_import([tmp_path / "out"], ImportOptions())
    assert any("became the class 'background', with the id 0" in note for note in plan.notes)
    options = ImportOptions(classes=ClassOptions(void=("background",)))
    write_import(plan_import([tmp_path / "out"], options), tmp_path / "back")
    assert read_classes(tmp_path / "back").names == ("sky", "zebra", "ant")
    for found in labels_of(tmp_path / "back", "train", "val").values():
        np.testing.assert_array_equal(found, label)


@pytest.mark.parametrize("option", [[], ["--rle"], ["--background"]])
def test_pycocotools_reads_coco(root, tmp_path, capsys, option):
    output = tmp_path / "out"
    export(capsys, root, "--format", "coco", "--output", output, *option)
    first = 1 if option == ["--background"] else 0
    for split in ("train", "val"):
        coco = COCO(str(output / "annotations" / f"instances_{split}.json"))
        assert [one["id"] for one in coco.loadCats(coco.getCatIds())] == ([1, 2, 3] if first else [1, 2])
        labels = labels_of(root, split)
        assert len(coco.imgs) == len(labels)
        for image in coco.imgs.values():
            assert (output / "images" / image["file_name"]).is_file()
            label = labels[image["file_name"].removesuffix(".jpg")]
            found = np.full(label.shape, VOID if first else 0, np.uint8)
            for annotation in coco.imgToAnns[image["id"]]:
                found[coco.annToMask(annotation) == 1] = annotation["category_id"] - first
            np.testing.assert_array_equal(found, label if first else np.where(label == VOID, 0, label))


def test_cvat_gets_labels_with_colors_and_names_below_images(root, tmp_path, capsys):
    output = tmp_path / "out"
    export(capsys, root, "--format", "cvat", "--output", output, "--split", "val")
    tree = ElementTree.parse(output / "annotations.xml").getroot()
    listed = {label.findtext("name"): label.findtext("color") for label in tree.iter("label")}
    assert tree.findtext("meta/task/name") == "out"
    assert listed == {"wheel": "#0ac81e", "ant": "#fa0007", "__ignore__": "#e0e0c0"}
    assert [one["name"] for one in json.loads((output / "labels.json").read_text())] == list(listed)
    images = list(tree.iter("image"))
    assert [(one.get("id"), one.get("name")) for one in images] == [("0", "five.jpg"), ("1", "four.jpg")]
    assert {path.name for path in (output / "images").iterdir()} == {"four.jpg", "five.jpg"}
    assert {shape.tag for one in images for shape in one} <= {"polygon", "mask"}


def test_cvat_gets_a_project_where_there_are_several_splits(root, tmp_path, capsys):
    """CVAT has subsets in projects only."""
    export(capsys, root, "--format", "cvat", "--output", tmp_path / "out")
    meta = ElementTree.parse(tmp_path / "out" / "annotations.xml").getroot().find("meta")
    assert [child.tag for child in meta] == ["project"]
    assert meta.findtext("project/name") == "out"
    assert [task.findtext("subset") for task in meta.iter("task")] == ["train", "val"]
    assert meta.findtext("project/subsets").split() == ["train", "val"]
    assert len(meta.findall("project/labels/label")) == 3


def test_yolo_says_what_it_cannot_hold(root, tmp_path, capsys):
    output = tmp_path / "out"
    code, out, err = command(capsys, root, "--format", "yolo", "--output", output)
    assert code == 0, err
    assert "YOLO has no void" in out
    assert "has no holes: " in out
    document = YAML(typ="safe").load((output / "data.yaml").read_text())
    assert document == {
        "train": "images/train",
        "val": "images/val",
        "names": {0: "wheel", 1: "ant"},
    }
    for path in output.glob("images/*/*.jpg"):
        assert (output / "labels" / path.parent.name / f"{path.stem}.txt").is_file()


@pytest.fixture
def labels(tmp_path):
    """A folder such as `infer` writes, without its job, and the folder of its images."""
    for seed, (image, name) in enumerate(
        [("a.jpg", "a"), ("b/c.png", "b/c"), ("d.jpg", "d.jpg"), ("d.png", "d.png")]
    ):
        write_pair(tmp_path / "images" / image, tmp_path / "labels" / f"{name}.png", make_label(seed))
    return tmp_path / "labels"


def test_labels_and_their_images_in_two_folders(labels, tmp_path, capsys):
    output = tmp_path / "out"
    arguments = (labels, "--images", tmp_path / "images", "--format", "labelme", "--output", output)
    code, _, err = command(capsys, *arguments)
    assert code == 2
    assert "nothing there names them. Name the classes with --classes" in err
    document = export(capsys, *arguments, "--classes", "background,wheel,ant")
    assert document["classes"] == list(CLASSES.names)
    found = {path.relative_to(output).as_posix() for path in output.rglob("*.*")}
    names = ("a.jpg", "a.json", "b/c.png", "b/c.json", "d.jpg.jpg", "d.jpg.json", "d.png.png", "d.png.json")
    assert found == {*names, "labels.txt"}
    assert os.path.samefile(output / "b" / "c.png", tmp_path / "images" / "b" / "c.png")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("areas.csv", "path,width,height,mean_confidence,background,'=wheel,ant\n"),
        ("areas.csv", "path,width,height,mean_confidence,doubtful,background,'=wheel,ant\n"),
        (
            "coco.json",
            '{"info": {}, "categories": [{"id": 0, "name": "background"}, {"id": 2, "name": "ant"}, '
            '{"id": 1, "name": "=wheel"}], "images": [\n{}',
        ),
    ],
)
def test_summaries_name_the_classes(labels, tmp_path, capsys, name, text):
    (labels / name).write_text(text)
    images = ("--images", tmp_path / "images")
    document = export(capsys, labels, *images, "--format", "cvat", "--output", tmp_path / "out")
    assert document["classes"] == ["background", "=wheel", "ant"]
    assert 'label="=wheel"' in (tmp_path / "out" / "annotations.xml").read_text()


def test_a_job_knows_images_and_classes(labels, tmp_path, capsys):
    with closing(JobStore(labels)) as store:
        for name, image, names in (("a", "a.jpg", CLASSES.names), ("b/c", "b/c.png", CLASSES.names)):
            areas = dict.fromkeys(names, 0.1)
            record = {"height": 14, "width": 18, "mean_confidence": 1.0, "areas": areas, "annotations": []}
            place = str(tmp_path / "images" / image)
            row = (place.encode(), image.encode(), name.encode(), json.dumps(record))
            store.connection.execute(
                "INSERT INTO images (place, path, name, record, status, files) "
                "VALUES (?, ?, ?, ?, 'done', '{}')",
                row,
            )
        store.connection.execute("INSERT INTO images (place, path, status) VALUES (x'62', x'62', 'failed')")
    arguments = (labels, "--format", "labelme")
    code, _, err = command(capsys, *arguments, "--output", tmp_path / "out")
    assert code == 2
    assert "(2 of 4 labels have none, such as d.jpg.png, d.png.png). Give the folder" in err
    for name in ("d.jpg.png", "d.png.png"):
        (labels / name).unlink()
    document = export(capsys, *arguments, "--output", tmp_path / "out")
    assert document["classes"] == list(CLASSES.names)
    assert (tmp_path / "out" / "b" / "c.png").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("outputs", [("palette",), ("ids", "areas"), ("palette", "uncertainty")])
def test_what_a_job_has_labeled(tmp_path, capsys, outputs):
    from photographs import random_predictor, write_image

    from fcn.jobs.label_images import label_images

    predictor = random_predictor()
    for name in ("a.jpg", "b/c.png", "b/d.jpg"):
        write_image(tmp_path / "images" / name, 24, 40)
    label_images(predictor, [tmp_path / "images"], tmp_path / "labels", outputs=outputs)
    document = export(capsys, tmp_path / "labels", "--format", "labelme", "--output", tmp_path / "out")
    assert document["images"] == 3
    assert document["classes"] == list(predictor.classes.names)
    listed = (tmp_path / "out" / "labels.txt").read_text().splitlines()
    assert set(predictor.classes.names[1:]) <= set(listed)
    # Earlier versions did not keep them.
    with closing(sqlite3.connect(tmp_path / "labels" / STORE_NAME, isolation_level=None)) as connection:
        assert connection.execute("DELETE FROM settings WHERE name = 'classes'").rowcount == 1
    older = export(capsys, tmp_path / "labels", "--format", "labelme", "--output", tmp_path / "older")
    known = set(older["classes"])
    assert known <= set(predictor.classes.names) | {f"class {number}" for number in range(99)}
    if "areas" in outputs:
        assert older["classes"] == list(predictor.classes.names)
    labels = {path.stem: read_label(path) for path in (tmp_path / "labels").rglob("*.png")}
    for path in (tmp_path / "out").rglob("*.json"):
        used = {shape["label"] for shape in json.loads(path.read_text())["shapes"]}
        present = {predictor.classes.names[number] for number in np.unique(labels[path.stem])}
        assert used - {"_background_"} == present - {"background"}


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_is_left_of_an_export_that_fails(root, tmp_path, capsys, form):
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(root / "SegmentationClass" / "two.png")
    code, _, err = command(capsys, root, "--format", form, "--output", tmp_path / "out")
    assert code == 2
    assert "two.png: expected the size of" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root"]


def test_an_output_that_holds_something_is_refused(root, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    code, _, err = command(capsys, root, "--format", "coco", "--output", tmp_path / "out")
    assert code == 2
    assert "exists already" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{root}", "--images", "{root}"], "is a data set that holds its images"),
        (["{root}", "--rle"], "--rle: belongs to --format coco"),
        (["{root}", "--split", "trian"], "no such split. The data set has: train, trainval, val"),
        (["{root}", "--classes", "a,a,b"], "expected each name once. Received twice: a"),
        (["{root}", "--classes", "a,b"], "expected class ids 0 to 1, or 255 for void. Received: [2]"),
        (["{labels}", "--split", "val"], "has no splits"),
        (["{labels}", "--classes", "a,b,c"], "a.png: has no image that is known (4 of 4 labels have none"),
        (["{root}/ImageSets"], "is neither a data set in VOC layout nor a folder of label PNGs"),
        (["{root}/nothing"], "expected a folder of labels"),
    ],
)
def test_mistakes_are_one_message(root, labels, tmp_path, capsys, arguments, message):
    given = [text.format(root=root, labels=labels) for text in arguments]
    code, out, err = command(capsys, *given, "--format", "yolo", "--output", tmp_path / "out")
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("coco.json", b"{}", "was not written by infer, or is damaged"),
        ("coco.json", b"[" * 100_000, "was not written by infer, or is damaged"),
        ("coco.json", b'{"categories": [{"id": 1, "name": "a"}], "images": [', "was not written by infer"),
        ("coco.json", b'{"categories": [{"id": 0, "name": 1}], "images": [', "expected text as the name"),
        ("areas.csv", b"", "expected 1 to 255 class names"),
        ("areas.csv", b"\xff,,,,\xff\xfe,b\n", "expected names without control characters"),
        ("areas.csv", b"a" * 2**21, "was not written by infer, or is damaged"),
    ],
)
def test_damaged_summaries_are_one_message(labels, tmp_path, capsys, name, content, message):
    (labels / name).write_bytes(content)
    images = ("--images", tmp_path / "images")
    code, _, err = command(capsys, labels, *images, "--format", "coco", "--output", tmp_path / "out")
    assert code == 2
    assert f"{name}: {message}" in err
    assert "Name the classes with --classes" in err


def test_many_names_are_not_taken_for_a_path(labels, tmp_path, capsys):
    arguments = (labels, "--images", tmp_path / "images", "--format", "cvat", "--output", tmp_path / "out")
    document = export(capsys, *arguments, "--classes", ",".join(f"class {number}" for number in range(200)))
    assert len(document["classes"]) == 200
    (tmp_path / "names.txt").write_text("x\ny\nz\n")
    document = export(capsys, *arguments[:-1], tmp_path / "two", "--classes", tmp_path / "names.txt")
    assert document["classes"] == ["x", "y", "z"]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("orientation", "size"), [(3, (14, 18)), (6, (14, 14)), (6, (14, 18))])
def test_labels_of_stored_pixels_are_exported_upright(root, tmp_path, capsys, form, orientation, size):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    write_covered(root, CLASSES.names, covered(size))
    for path in (root / "JPEGImages").iterdir():
        Image.fromarray(np.full((*size, 3), 90, np.uint8)).save(path, exif=exif)
    option = ("--label-orientation", "stored")
    export(capsys, root, "--format", form, "--output", tmp_path / "out", *option)
    write_import(plan_import([tmp_path / "out"], ImportOptions()), tmp_path / "back")
    for label in labels_of(tmp_path / "back", "train", "val").values():
        np.testing.assert_array_equal(label, upright(covered(size), orientation))


@pytest.mark.parametrize("orientation", ["upright", "stored"])
def test_labels_of_the_other_side_are_refused_by_the_cause(root, tmp_path, capsys, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 8
    size = (14, 18) if orientation == "upright" else (18, 14)
    for path in (root / "JPEGImages").iterdir():
        Image.fromarray(np.full((*size, 3), 90, np.uint8)).save(path, exif=exif)
    arguments = (root, "--format", "coco", "--output", tmp_path / "out", "--label-orientation", orientation)
    code, _, err = command(capsys, *arguments)
    assert code == 2
    remedy = {
        "upright": "It fits the stored pixels. If all labels are of these: --label-orientation stored.",
        "stored": "It fits the upright image. Leave out --label-orientation stored.",
    }
    assert remedy[orientation] in err
