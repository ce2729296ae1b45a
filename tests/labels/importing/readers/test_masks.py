import struct
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from importing_sources import SIZE, import_labels, plan_of, write_colors, write_ids, write_image, write_text
from PIL import Image

from fcn.classes import VOID, voc_palette
from fcn.data.image_io import read_image
from fcn.errors import DataError
from fcn.labels.importing.choice import ClassOptions
from fcn.labels.importing.readers import masks
from fcn.labels.importing.readers.mask_file import read_ids
from fcn.labels.importing.recognition import recognize
from fcn.labels.importing.source import VOID_KEY

NAMES = ("a", "b", "c", "d", "e")
IDS = {
    name: np.random.default_rng(number).integers(0, 3, SIZE).astype(np.uint8)
    for number, name in enumerate(NAMES)
}
COLORS = np.array([[0, 0, 0], [200, 30, 60], [10, 250, 5], [90, 90, 90]], np.uint8)


def build(folder: Path, image: str, mask: str, write=write_ids) -> Path:
    """Images and masks at places such as "images/{}.jpg"."""
    for name, ids in IDS.items():
        write_image(folder / image.format(name))
        write(folder / mask.format(name), ids)
    return folder


def check_ids(labels) -> None:
    assert labels.keys() == IDS.keys()
    for name, ids in IDS.items():
        np.testing.assert_array_equal(labels[name], ids)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/{}.jpg", "masks/{}.png"),
        ("img/{}.jpg", "label/{}.PNG"),
        ("imgs/{}.JPG", "gt/{}_mask.png"),
        ("Images/{}.png", "Masks/mask_{}.png"),
        ("images/{}.jpg", "masks/{}.jpg.png"),
        ("images/{}_sat.jpg", "masks/{}_mask.png"),
        ("img_dir/{}.jpg", "ann_dir/{}.png"),
        ("{}.jpg", "SegmentationClass/{}.png"),
        ("JPEGImages/{}.jpg", "SegmentationClassPNG/{}.png"),
        ("{}.jpg", "{}_mask.png"),
        ("{}.jpg", "{}-label.png"),
        ("image_{}.jpg", "mask_{}.png"),
        ("images/site 1/{}.jpg", "masks/site 1/{}.png"),
        ("images/{}.jpg", "masks/{}.bmp"),
        ("images/{}.jpg", "masks/{}.tif"),
    ],
)
def test_places_of_images_and_masks(tmp_path, image, mask) -> None:
    folder = build(tmp_path / "source", image, mask)
    assert recognize(folder) == "masks"
    _, labels = import_labels(folder)
    names = {name: image.rpartition("/")[2].format(name).rpartition(".")[0] for name in IDS}
    assert labels.keys() == set(names.values())
    for name, ids in IDS.items():
        np.testing.assert_array_equal(labels[names[name]], ids)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("{}/images/{}.jpg", "{}/masks/{}.png"),
        ("images/{}/{}.jpg", "masks/{}/{}.png"),
        ("{}_images/{}.jpg", "{}_masks/{}.png"),
        ("{}/{}.jpg", "{}annot/{}.png"),
        ("{}/{}.jpg", "{}/{}_mask.png"),
    ],
)
def test_splits_that_folders_name(tmp_path, image, mask) -> None:
    folder = tmp_path / "source"
    for name, split in zip(NAMES, ("train", "train", "val", "valid", "test"), strict=True):
        write_image(folder / image.format(split, name))
        write_ids(folder / mask.format(split, name), IDS[name])
    plan = plan_of(folder)
    assert dict(zip(plan.names, plan.splits, strict=True)) == {
        "a": "train",
        "b": "train",
        "c": "val",
        "d": "val",
        "e": "test",
    }


def test_roboflow(tmp_path) -> None:
    folder = tmp_path / "source"
    for name, split in zip(NAMES, ("train", "train", "train", "valid", "test"), strict=True):
        write_image(folder / split / f"{name}_jpg.rf.0123abcd.jpg")
        write_ids(folder / split / f"{name}_jpg.rf.0123abcd_mask.png", IDS[name])
        write_text(folder / split / "_classes.csv", "Pixel Value, Class\n0, background\n1, cat\n2, dog\n")
    plan, labels = import_labels(folder)
    assert plan.choice.classes.names == ("background", "cat", "dog")
    assert plan.splits == ["test", "train", "train", "train", "val"]
    np.testing.assert_array_equal(labels["d_jpg.rf.0123abcd"], IDS["d"])


CVAT_CLASSES = (
    "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:200,30,60::\ndog:10,250,5::\nrat:9,9,9::\n"
)


@pytest.mark.parametrize("with_objects", [True, False])
def test_cvat_segmentation_mask(tmp_path, with_objects) -> None:
    folder = build(
        tmp_path / "source",
        "JPEGImages/{}.jpg",
        "SegmentationClass/{}.png",
        lambda path, ids: write_colors(path, ids, COLORS),
    )
    write_text(folder / "labelmap.txt", CVAT_CLASSES)
    write_text(folder / "ImageSets/Segmentation/default.txt", "".join(f"{name}\n" for name in NAMES))
    if with_objects:
        for name in NAMES:
            write_ids(folder / f"SegmentationObject/{name}.png", IDS[name])
    plan, labels = import_labels(folder)
    names = plan.choice.classes.names
    assert names[0] == "background"
    assert sorted(names) == ["background", "cat", "dog", "rat"]
    assert plan.choice.classes.palette[names.index("cat")] == (200, 30, 60)
    for name, ids in IDS.items():
        expected = np.array([0, names.index("cat"), names.index("dog")])[ids]
        np.testing.assert_array_equal(labels[name], expected)


def test_what_cvat_calls_ignored_is_void(tmp_path) -> None:
    colors = np.array([[0, 0, 0], [200, 30, 60], [224, 224, 192]], np.uint8)
    folder = build(
        tmp_path / "source",
        "JPEGImages/{}.jpg",
        "SegmentationClass/{}.png",
        lambda path, ids: write_colors(path, ids, colors),
    )
    write_text(folder / "labelmap.txt", "background:0,0,0::\ncat:200,30,60::\n__ignore__:224,224,192::\n")
    plan, labels = import_labels(folder)
    assert plan.choice.classes.names == ("background", "cat")
    for name, ids in IDS.items():
        np.testing.assert_array_equal(labels[name], np.array([0, 1, VOID])[ids])


def test_a_dictionary_of_colors(tmp_path) -> None:
    folder = build(
        tmp_path / "source",
        "images/{}.png",
        "masks/{}.png",
        lambda path, ids: write_colors(path, ids, COLORS),
    )
    write_text(folder / "class_dict.csv", "name,r,g,b\nsky,0,0,0\ncat,200,30,60\ndog,10,250,5\n")
    plan, labels = import_labels(folder)
    assert plan.choice.classes.names == ("sky", "cat", "dog")
    check_ids(labels)


@pytest.mark.parametrize("place", ["ImageSets/Segmentation", ".", "splits", "ImageSets"])
@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "{}.jpg",
        "images/{}.jpg",
        "C:\\mine\\{}.jpg",
        "{} 1",
        "/x/{}.png /x/masks/{}.png",
        "{}.jpg,{}.png",
    ],
)
def test_lists_of_splits(tmp_path, place, line) -> None:
    folder = build(tmp_path / "source", "images/{}.jpg", "masks/{}.png")
    for split, listed in (("train", "abc"), ("valid", "de")):
        write_text(
            folder / place / f"{split}.txt", "".join(f"{line.format(name, name)}\n" for name in listed)
        )
    plan = plan_of(folder)
    assert dict(zip(plan.names, plan.splits, strict=True)) == dict(
        zip("abcde", ["train"] * 3 + ["val"] * 2, strict=True)
    )


def test_lists_with_folders_tell_equal_names_apart(tmp_path) -> None:
    for site in ("one", "two"):
        build(tmp_path / "source", f"images/{site}/{{}}.jpg", f"masks/{site}/{{}}.png")
    for split, site in (("train", "two"), ("val", "one")):
        write_text(
            tmp_path / f"source/ImageSets/Segmentation/{split}.txt",
            "".join(f"JPEGImages/{site}/{name}.jpg\n" for name in NAMES),
        )
    plan = plan_of(tmp_path / "source")
    for name, split in zip(plan.names, plan.splits, strict=True):
        assert split == ("train" if name.startswith("two") else "val")


def test_images_in_two_lists_are_said(tmp_path) -> None:
    folder = build(tmp_path / "source", "images/{}.jpg", "masks/{}.png")
    for split, listed in (("train", "abcd"), ("val", "cde")):
        write_text(folder / f"ImageSets/Segmentation/{split}.txt", "\n".join(listed))
    plan = plan_of(folder)
    assert plan.splits == ["train"] * 4 + ["val"]
    assert any("2 images are in several lists" in note and "such as c" in note for note in plan.notes)


def test_names_that_end_in_a_number_are_found_in_lists(tmp_path) -> None:
    for name in ("frame 0", "frame 1", "frame"):
        write_image(tmp_path / f"source/images/{name}.jpg")
        write_ids(tmp_path / f"source/masks/{name}.png", IDS["a"])
    for split, listed in (("train", "frame 0\nframe\n"), ("val", "frame 1\nframe 7\n")):
        write_text(tmp_path / f"source/ImageSets/Segmentation/{split}.txt", listed)
    plan = plan_of(tmp_path / "source")
    assert dict(zip(plan.names, plan.splits, strict=True)) == {
        "frame": "train",
        "frame 0": "train",
        "frame 1": "val",
    }
    assert any("names 1 image that is not there, such as frame 7" in note for note in plan.notes)


def test_cvat_black_and_white(tmp_path) -> None:
    folder = build(
        tmp_path / "source",
        "JPEGImages/{}.jpg",
        "SegmentationClass/{}.png",
        lambda path, ids: write_colors(path, ids, [[0, 0, 0], [255, 255, 255], [128, 128, 128]]),
    )
    write_text(folder / "labelmap.txt", "background:0,0,0::\nroad:255,255,255::\nkerb:128,128,128::\n")
    plan, labels = import_labels(folder)
    assert plan.choice.classes.names == ("background", "road", "kerb")
    for name, ids in IDS.items():
        np.testing.assert_array_equal(labels[name], np.array([0, 1, 2])[ids])


def test_cvat_without_images(tmp_path) -> None:
    for name, ids in IDS.items():
        write_ids(tmp_path / f"SegmentationClass/{name}.png", ids)
    write_text(tmp_path / "labelmap.txt", CVAT_CLASSES)
    with pytest.raises(DataError, match=r"5 masks, such as a\.png, and no images"):
        plan_of(tmp_path)


@pytest.mark.parametrize("kind", ["png", "npy", "both"])
def test_labelme_voc_export(tmp_path, kind) -> None:
    folder = tmp_path / "source"
    for name, ids in IDS.items():
        write_image(folder / f"JPEGImages/{name}.jpg")
        Image.new("RGB", SIZE[::-1]).save(write_image(folder / f"SegmentationClassVisualization/{name}.jpg"))
        with_void = ids.astype(np.int32)
        with_void[0, 0] = -1
        if kind in ("npy", "both"):
            (folder / "SegmentationClass").mkdir(exist_ok=True)
            np.save(folder / f"SegmentationClass/{name}.npy", with_void)
        if kind in ("png", "both"):
            write_ids(folder / f"SegmentationClassPNG/{name}.png", with_void.astype(np.uint8), voc_palette())
    write_text(folder / "class_names.txt", "_background_\ncat\ndog")
    plan, labels = import_labels(folder)
    assert plan.choice.classes.names == ("background", "cat", "dog")
    for name, ids in IDS.items():
        expected = ids.copy()
        expected[0, 0] = VOID
        np.testing.assert_array_equal(labels[name], expected)


def test_labelme_class_list_with_ignore(tmp_path) -> None:
    folder = build(tmp_path / "source", "images/{}.jpg", "masks/{}.png")
    write_text(folder / "labels.txt", "__ignore__\n_background_\ncat\ndog\n")
    assert plan_of(folder).choice.classes.names == ("background", "cat", "dog")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<i4", ">i2", "<i8", "|u1", "|i1"])
def test_arrays_of_any_integers(tmp_path, order, dtype) -> None:
    def write(path, ids):
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.array(ids, dtype, order=order))

    check_ids(import_labels(build(tmp_path / "source", "images/{}.jpg", "masks/{}.npy", write))[1])


KINDS = {
    "gray": lambda ids: Image.fromarray(ids),
    "palette": lambda ids: with_palette(ids, COLORS),
    "gray palette": lambda ids: with_palette(ids, np.repeat(np.arange(256)[:, None], 3, 1)),
    "16 bits": lambda ids: Image.fromarray(ids.astype(np.uint16)),
    "gray as RGB": lambda ids: Image.fromarray(np.repeat(ids[..., None], 3, 2)),
    "gray as RGBA": lambda ids: Image.fromarray(np.dstack([ids, ids, ids, np.full_like(ids, 255)])),
    "gray and alpha": lambda ids: Image.fromarray(np.dstack([ids, np.full_like(ids, 255)]), "LA"),
    "transparent background": lambda ids: Image.fromarray(
        np.dstack([np.where(ids == 0, 7, ids), 255 * (ids > 0)]).astype(np.uint8), "LA"
    ),
    "RGB": lambda ids: Image.fromarray(COLORS[ids]),
    "RGBA": lambda ids: Image.fromarray(np.dstack([COLORS[ids], np.full_like(ids, 255)])),
    "transparent canvas": lambda ids: Image.fromarray(
        np.dstack([np.where(ids[..., None] == 0, 255, COLORS[ids]), 255 * (ids > 0)]).astype(np.uint8)
    ),
}


def with_palette(ids, palette) -> Image.Image:
    image = Image.fromarray(ids)
    image.putpalette(np.asarray(palette, np.uint8).tobytes())
    return image


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_masks(tmp_path, kind) -> None:
    def write(path, ids):
        path.parent.mkdir(parents=True, exist_ok=True)
        KINDS[kind](ids).save(path)

    plan, labels = import_labels(build(tmp_path / "source", "images/{}.jpg", "masks/{}.png", write))
    order = np.array([0, 2, 1]) if "RGB" in kind[:4] or "canvas" in kind else np.arange(3)
    if kind == "transparent background":
        assert any("transparency" in note for note in plan.notes)
    for name, ids in IDS.items():
        np.testing.assert_array_equal(labels[name], order[ids])


def png(mode: int, bits: int, rows: list[bytes], size: tuple[int, int]) -> bytes:
    """A PNG of few bits, which Pillow itself does not write for gray."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", size[1], size[0], bits, mode, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("bits", [2, 4])
def test_gray_of_few_bits_is_not_stretched(tmp_path, bits) -> None:
    def write(path, ids):
        path.parent.mkdir(parents=True, exist_ok=True)
        shifts = np.arange(8 - bits, -1, -bits)
        packed = (ids.reshape(SIZE[0], -1, 8 // bits) << shifts).sum(axis=2).astype(np.uint8)
        path.write_bytes(png(0, bits, [row.tobytes() for row in packed], SIZE))

    check_ids(import_labels(build(tmp_path / "source", "images/{}.jpg", "masks/{}.png", write))[1])


@pytest.mark.parametrize("white", [1, 255, "1 bit", "RGB", "16 bits"])
def test_black_and_white(tmp_path, white) -> None:
    def write(path, ids):
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn = (ids > 0).astype(np.uint8)
        if white == "1 bit":
            image = Image.fromarray(drawn.astype(bool))
        elif white == "RGB":
            image = Image.fromarray(np.repeat(255 * drawn[..., None], 3, 2))
        elif white == "16 bits":
            image = Image.fromarray(drawn.astype(np.uint16) * 65535)
        else:
            image = Image.fromarray(drawn * np.uint8(white))
        image.save(path)

    plan, labels = import_labels(build(tmp_path / "source", "images/{}.jpg", "masks/{}.png", write))
    assert len(plan.choice.classes.names) == 2
    for name, ids in IDS.items():
        np.testing.assert_array_equal(labels[name], ids > 0)


def test_255_is_void_beside_other_ids(tmp_path) -> None:
    folder = build(
        tmp_path / "source",
        "images/{}.jpg",
        "masks/{}.png",
        lambda path, ids: write_ids(path, np.array([0, 1, 255], np.uint8)[ids]),
    )
    for name, label in import_labels(folder)[1].items():
        np.testing.assert_array_equal(label, np.array([0, 1, VOID])[IDS[name]])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "road\ncar\n"),
        ("labels.txt", "__ignore__\n_background_\nroad\n"),
        ("_classes.csv", "Pixel Value, Class\n0, road\n1, car\n"),
    ],
)
def test_a_list_that_leaves_out_an_id_is_refused(tmp_path, name, text) -> None:
    folder = build(tmp_path / "source", "images/{}.jpg", "masks/{}.png")
    write_text(folder / name, text)
    with pytest.raises(
        DataError, match="have the id 2, and the list of classes has 2 names, the last for id 1"
    ):
        plan_of(folder)
    write_text(folder / name, text.replace("road", "ground\nroad") if "," not in text else text + "2, sign\n")
    assert len(plan_of(folder).choice.classes.names) == 3


def test_16_bit_ids_above_255(tmp_path) -> None:
    folder = build(
        tmp_path / "source",
        "images/{}.jpg",
        "masks/{}.png",
        lambda path, ids: write_ids(path, np.array([0, 300, 40_000], np.uint16)[ids]),
    )
    plan, labels = import_labels(folder)
    assert plan.choice.classes.names == ("background", "id 300", "id 40000")
    check_ids(labels)


def test_each_file_has_its_own_palette(tmp_path) -> None:
    folder = tmp_path / "source"
    for number, (name, ids) in enumerate(IDS.items()):
        write_image(folder / f"images/{name}.jpg")
        order = np.random.default_rng(number).permutation(3)
        write_ids(folder / f"masks/{name}.png", np.argsort(order).astype(np.uint8)[ids], COLORS[order])
    plan, labels = import_labels(folder)
    assert plan.choice.classes.names == ("background", "#0afa05", "#c81e3c")
    for name, ids in IDS.items():
        np.testing.assert_array_equal(labels[name], np.array([0, 2, 1])[ids])


def test_palettes_may_differ_in_colors_that_no_pixel_has(tmp_path) -> None:
    folder = tmp_path / "source"
    for number, (name, ids) in enumerate(IDS.items()):
        write_image(folder / f"images/{name}.jpg")
        rest = np.random.default_rng(number).integers(0, 256, (20 - number, 3))
        write_ids(folder / f"masks/{name}.png", ids, np.concatenate([COLORS[:3], rest]))
    plan, labels = import_labels(folder)
    assert plan.choice.classes.names == ("background", "id 1", "id 2")
    assert plan.choice.classes.palette[2] == tuple(COLORS[2].tolist())
    check_ids(labels)


def test_palettes_of_a_class_list_with_other_ids(tmp_path) -> None:
    folder = tmp_path / "source"
    for name, ids in IDS.items():
        write_image(folder / f"images/{name}.jpg")
        write_ids(folder / f"masks/{name}.png", np.array([2, 0, 1], np.uint8)[ids], COLORS[[1, 2, 0, 3]])
    write_text(folder / "labelmap.txt", "background:0,0,0::\ncat:200,30,60::\ndog:10,250,5::\n")
    plan, labels = import_labels(folder)
    names = plan.choice.classes.names
    assert sorted(names) == ["background", "cat", "dog"]
    table = np.array([names.index(name) for name in ("background", "cat", "dog")])
    for name, ids in IDS.items():
        np.testing.assert_array_equal(labels[name], table[ids])


def test_names_without_colors_are_dropped_where_colors_are_not_voc(tmp_path) -> None:
    folder = build(
        tmp_path / "source",
        "images/{}.jpg",
        "masks/{}.png",
        lambda path, ids: write_colors(path, ids, COLORS),
    )
    write_text(folder / "class_names.txt", "_background_\ncat\ndog\n")
    plan = plan_of(folder)
    assert plan.choice.classes.names == ("background", "#0afa05", "#c81e3c")
    assert any("names unknown" in note for note in plan.notes)


def test_names_without_colors_mean_vocs_colors(tmp_path) -> None:
    folder = build(
        tmp_path / "source",
        "images/{}.jpg",
        "masks/{}.png",
        lambda path, ids: write_colors(path, ids, voc_palette()),
    )
    write_text(folder / "class_names.txt", "_background_\ncat\ndog\n")
    plan, labels = import_labels(folder)
    for name, ids in IDS.items():
        assert plan.choice.classes.names[labels[name][0, 0]] == ("background", "cat", "dog")[ids[0, 0]]


def test_a_later_mask_decides_that_all_are_colors(tmp_path) -> None:
    folder = tmp_path / "source"
    for number in range(25):
        write_image(folder / f"images/{number:02}.jpg")
        write_colors(folder / f"masks/{number:02}.png", IDS["a"] * 0 + (number == 24), COLORS)
    assert plan_of(folder).choice.classes.names == ("background", "#c81e3c")


def test_names_of_other_systems(tmp_path) -> None:
    folder = tmp_path / "source"
    write_image(folder / f"images/{unicodedata.normalize('NFD', 'Straßé')}.JPG")
    write_ids(folder / f"masks/{unicodedata.normalize('NFC', 'straßé')}.png", IDS["a"])
    write_image(folder / "images/b.jpg")
    write_ids(folder / "masks/B.png", IDS["b"])
    assert len(plan_of(folder).names) == 2


def test_equal_names_come_before_marks(tmp_path) -> None:
    folder = tmp_path / "source"
    for name in ("1", "img_2", "3_mask"):
        write_image(folder / f"images/{name}.jpg")
        write_ids(folder / f"masks/{name}.png", IDS["a"])
    write_image(folder / "images/img_1.jpg")
    plan = plan_of(folder)
    assert sorted(plan.names) == ["1", "3_mask", "img_2"]
    assert any("1 image has no mask" in note and "img_1" in note for note in plan.notes)


def refused(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        plan_of(folder, "masks")
    return str(caught.value)


def test_unmarked_masks_among_images_are_refused(tmp_path) -> None:
    build(tmp_path, "{}.jpg", "{}.png")
    assert recognize(tmp_path) == "masks"
    assert "nothing tells them apart. Put them into images/ and masks/" in refused(tmp_path)


def test_images_alone_are_not_recognized(tmp_path) -> None:
    write_image(tmp_path / "a.jpg")
    assert not masks.recognizes(tmp_path)
    assert "holds no images with masks" in refused(tmp_path)


def test_names_without_anything_in_common(tmp_path) -> None:
    write_image(tmp_path / "images/a.jpg")
    write_ids(tmp_path / "masks/b.png", IDS["b"])
    assert "none have a name in common, such as a.jpg and b.png" in refused(tmp_path)


@pytest.mark.parametrize(
    ("first", "second"), [("images/a.jpg", "images/a.png"), ("masks/a.png", "masks/a.bmp")]
)
def test_two_files_of_one_name(tmp_path, first, second) -> None:
    build(tmp_path, "images/{}.jpg", "masks/{}.png")
    write_image(tmp_path / second)
    assert "of this name" in refused(tmp_path)


def test_a_mask_of_two_images(tmp_path) -> None:
    build(tmp_path, "images/{}.jpg", "masks/{}.png")
    for mark in ("sat", "rgb"):
        write_image(tmp_path / f"images/x_{mark}.jpg")
    write_ids(tmp_path / "masks/x_mask.png", IDS["a"])
    assert "belongs to two images" in refused(tmp_path)


def test_lossy_masks_are_refused(tmp_path) -> None:
    for number, (suffix, options) in enumerate(
        [("jpg", {}), ("webp", {"quality": 80}), ("tif", {"compression": "jpeg"})]
    ):
        folder = tmp_path / str(number)
        write_image(folder / "images/a.jpg")
        write_ids(folder / f"masks/a.{suffix}", np.repeat(IDS["a"][..., None], 3, 2), **options)
        assert "stored with loss" in refused(folder)


def test_a_jpeg_that_is_called_png_is_refused(tmp_path) -> None:
    write_image(tmp_path / "images/a.jpg")
    write_ids(tmp_path / "masks/a.jpg", IDS["a"]).rename(tmp_path / "masks/a.png")
    assert "stored with loss, as JPEG" in refused(tmp_path)


def test_lossless_webp(tmp_path) -> None:
    folder = build(
        tmp_path / "source",
        "images/{}.jpg",
        "masks/{}.webp",
        lambda path, ids: write_ids(path, np.repeat(ids[..., None], 3, 2), lossless=True),
    )
    check_ids(import_labels(folder)[1])


def test_ids_among_colors_are_refused(tmp_path) -> None:
    build(tmp_path, "images/{}.jpg", "masks/{}.png", lambda path, ids: write_colors(path, ids, COLORS))
    write_ids(tmp_path / "masks/c.png", IDS["c"])
    assert "is gray and not black and white, where other masks have colors" in refused(tmp_path)


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
def test_black_and_white_among_colors(tmp_path, mode) -> None:
    folder = build(
        tmp_path / "source",
        "images/{}.jpg",
        "masks/{}.png",
        lambda path, ids: write_colors(path, ids, [[0, 0, 0], [255, 255, 255], [9, 8, 7]]),
    )
    drawn = IDS["c"] > 0
    images = {
        "1": Image.fromarray(drawn),
        "L": Image.fromarray(drawn * np.uint8(255)),
        "LA": Image.fromarray(np.dstack([np.full(SIZE, 255), 255 * drawn]).astype(np.uint8), "LA"),
        "I;16": Image.fromarray(drawn * np.uint16(65_535)),
    }
    images[mode].save(folder / "masks/c.png")
    plan, labels = import_labels(folder)
    names = plan.choice.classes.names
    assert names == ("background", "#090807", "#ffffff")
    np.testing.assert_array_equal(labels["c"], 2 * drawn)
    np.testing.assert_array_equal(labels["a"], np.array([0, 2, 1])[IDS["a"]])


def test_gray_among_differing_palettes_is_refused(tmp_path) -> None:
    build(tmp_path, "images/{}.jpg", "masks/{}.png")
    write_ids(tmp_path / "masks/a.png", IDS["a"], COLORS)
    write_ids(tmp_path / "masks/b.png", IDS["b"], COLORS[::-1])
    assert "ids and colors disagree" in refused(tmp_path)


def test_two_ids_of_one_color_are_refused_where_colors_decide(tmp_path) -> None:
    build(tmp_path, "images/{}.jpg", "masks/{}.png", lambda path, ids: write_ids(path, ids, COLORS))
    write_ids(tmp_path / "masks/a.png", IDS["a"], COLORS[[0, 2, 2]])
    assert "its ids 1 and 2 have one color" in refused(tmp_path)


def test_colors_of_16_bits_are_refused(tmp_path) -> None:
    write_image(tmp_path / "images/a.jpg")
    (tmp_path / "masks").mkdir()
    row = np.repeat(IDS["a"].astype(">u2")[0], 3).tobytes()
    (tmp_path / "masks/a.png").write_bytes(png(2, 16, [row] * SIZE[0], SIZE))
    assert "has 16 bits in each of several channels" in refused(tmp_path)


def test_a_picture_that_is_hidden_everywhere_is_refused(tmp_path) -> None:
    write_image(tmp_path / "images/a.jpg")
    write_ids(tmp_path / "masks/a.png", np.dstack([COLORS[IDS["a"]], np.zeros(SIZE, np.uint8)]))
    assert "is transparent everywhere, but its pixels differ" in refused(tmp_path)


def test_classes_of_one_color_are_refused(tmp_path) -> None:
    build(tmp_path, "images/{}.jpg", "masks/{}.png", lambda path, ids: write_colors(path, ids, COLORS))
    write_text(tmp_path / "labelmap.txt", "background:0,0,0::\ncat:200,30,60::\ndog:200,30,60::\n")
    assert "'cat' and 'dog' the same color" in refused(tmp_path)


def test_a_color_that_the_list_lacks_is_refused(tmp_path) -> None:
    build(tmp_path, "images/{}.jpg", "masks/{}.png", lambda path, ids: write_colors(path, ids, COLORS))
    write_text(tmp_path / "labelmap.txt", "background:0,0,0::\ncat:200,30,60::\n")
    assert "#0afa05" in refused(tmp_path)


palettes = st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=2, max_size=12, unique=True).filter(
    lambda colors: any(len(set(color)) > 1 for color in colors)
)


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(palettes, st.integers(0, 2**32 - 1), st.sampled_from(["palette", "RGB", "RGBA", "mixed"]))
def test_any_colors_come_back(tmp_path_factory, colors, seed, kind) -> None:
    folder = tmp_path_factory.mktemp("colors") / "source"
    table = np.array(colors, np.uint8)
    random = np.random.default_rng(seed)
    truth = {}
    for number in range(4):
        ids = random.integers(0, len(table), (9, 7)).astype(np.uint8)
        ids.flat[: len(table)] = np.arange(len(table))
        truth[str(number)] = ids
        write_image(folder / f"images/{number}.jpg", ids.shape)
        path = folder / f"masks/{number}.png"
        if kind == "palette" or (kind == "mixed" and number % 2):
            order = random.permutation(len(table))
            write_ids(path, np.argsort(order).astype(np.uint8)[ids], table[order])
        elif kind == "RGBA":
            alpha = np.full(ids.shape, 255, np.uint8)
            write_ids(path, np.dstack([table[ids], alpha]))
        else:
            write_colors(path, ids, table)
    plan, labels = import_labels(folder)
    new_colors = np.array(plan.choice.classes.palette)
    for name, ids in truth.items():
        np.testing.assert_array_equal(new_colors[labels[name]], table[ids])


def test_a_mask_of_far_more_pixels_than_its_image_is_not_decoded(tmp_path) -> None:
    write_image(tmp_path / "images/a.jpg")
    write_ids(tmp_path / "masks/a.png", np.zeros((4000, 4000), np.uint8))
    assert "4000x4000. Nothing was decoded" in refused(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an array of ids"),
        (
            b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (6, 8), }\n",
            "expected an array",
        ),
        (
            b"\x93NUMPY\x01\x00v\x00{'descr': '<i4', 'fortran_order': False, 'shape': (6, 8), }\n",
            "its length",
        ),
        (
            b"\x93NUMPY\x01\x00v\x00{'descr': '<i8', 'fortran_order': False, 'shape': (999999, 999999), }\n",
            "decoded",
        ),
    ],
)
def test_damaged_arrays(tmp_path, content, message) -> None:
    write_image(tmp_path / "images/a.jpg")
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/a.npy").write_bytes(content)
    found = refused(tmp_path)
    assert found.startswith(str(tmp_path / "masks/a.npy"))
    assert message in found


def test_arrays_of_labelme_equal_its_masks(own_root) -> None:
    folder = own_root / "labelme_voc_example/data_dataset_voc"
    arrays = sorted((folder / "SegmentationClassNpy").iterdir())
    assert len(arrays) == 3
    for path in arrays:
        ids = read_ids(folder / "SegmentationClass" / f"{path.stem}.png")
        np.testing.assert_array_equal(read_ids(path), np.where(ids == VOID, VOID_KEY, ids))


@pytest.mark.parametrize(
    ("name", "options", "images", "classes"),
    [
        ("labelme_voc_example/data_dataset_voc", {}, 3, 21),
        ("labelme2voc_cracks", {}, 40, 3),
        ("mixed_masks_village", {}, 24, 5),
        ("size_mismatch_lines", {"fit": "skip"}, 6, 2),
        ("rgb_masks_soybean", {"classes": ClassOptions(color_tolerance=64)}, 8, 4),
    ],
)
def test_masks_that_people_published(own_root, name, options, images, classes) -> None:
    plan = plan_of(own_root / name, **options)
    assert plan.form == "masks"
    assert len(plan.names) == images
    assert len(plan.choice.classes.names) == classes


def test_ids_of_32_bits_in_a_tiff_are_read_though_it_is_no_image(tmp_path):
    ids = np.array([[0, 300, 65_535], [1, 2, 3]], np.int32)
    Image.fromarray(ids).save(tmp_path / "mask.tif")
    np.testing.assert_array_equal(read_ids(tmp_path / "mask.tif"), ids)
    with pytest.raises(DataError, match=r"mask\.tif: expected"):
        read_image(tmp_path / "mask.tif")


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000"])
def test_masks_in_other_formats_with_loss_are_refused(tmp_path, kind):
    Image.fromarray(np.zeros((12, 16, 3), np.uint8)).save(tmp_path / "mask.png", kind)
    with pytest.raises(DataError, match=rf"mask\.png: is stored with loss, as {kind}"):
        read_ids(tmp_path / "mask.png")
