"""Damaged files of masks and of data sets with masks are read, or refused with one message."""

import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from import_fuzz import damage, damage_png, read_damaged
from importing_sources import SIZE, write_ids, write_image, write_text

from fcn.labels.importing.recognition import READERS

IDS = np.resize(np.arange(3), SIZE).astype(np.uint8)
COLORS = np.array([[0, 0, 0], [200, 30, 60], [10, 250, 5]], np.uint8)
NAMES = "_background_\ncat\ndog\n"
CONFIG = {
    "labels": [{"readable": name, "color": [n, n, n], "evaluate": True} for n, name in enumerate("abc")]
}
META = {"classes": [{"title": "cat", "color": "#C81E3C"}]}


def masks(folder: Path, pixels=IDS, suffix="png", palette=None, **options) -> None:
    for name in "ab":
        write_image(folder / f"images/{name}.jpg")
        write_ids(folder / f"masks/{name}.{suffix}", pixels, palette, **options)


def arrays(folder: Path) -> None:
    masks(folder)
    (folder / "masks/a.png").unlink()
    np.save(folder / "masks/a.npy", IDS)


def with_list(name: str, text: str):
    def build(folder: Path) -> None:
        masks(folder)
        write_text(folder / name, text)

    return build


def cityscapes(folder: Path) -> None:
    for split in ("train", "test"):
        write_image(folder / f"leftImg8bit/{split}/a_1_1_leftImg8bit.png".replace("a_", f"{split}_"))
        write_ids(folder / f"gtFine/{split}/{split}_1_1_gtFine_labelIds.png", IDS)


def mapillary(folder: Path) -> None:
    write_image(folder / "training/images/a.jpg")
    write_ids(folder / "training/labels/a.png", IDS, COLORS)
    write_text(folder / "config.json", json.dumps(CONFIG))


def ade20k(folder: Path) -> None:
    write_image(folder / "images/training/ADE_train_00000001.jpg")
    write_ids(folder / "annotations/training/ADE_train_00000001.png", IDS)
    write_text(folder / "objectInfo150.txt", "Idx\tRatio\tName\n1\t0.1\twall\n2\t0.1\tbuilding, edifice\n")


def supervisely(folder: Path) -> None:
    write_image(folder / "train/img/a.jpg")
    write_text(folder / "meta.json", json.dumps(META))
    points = {"exterior": [[1, 1], [6, 1], [6, 4]], "interior": [[[2, 2], [4, 2], [4, 3]]]}
    mask = write_ids(folder / "mask.png", IDS)
    bitmap = {"data": base64.b64encode(zlib.compress(mask.read_bytes())).decode(), "origin": [0, 0]}
    mask.unlink()
    objects = [
        {"classTitle": "cat", "geometryType": "polygon", "points": points},
        {"classTitle": "cat", "geometryType": "rectangle", "points": {"exterior": [[0, 0], [1, 1]]}},
        {"classTitle": "cat", "geometryType": "bitmap", "bitmap": bitmap},
    ]
    document = {"size": {"height": SIZE[0], "width": SIZE[1]}, "objects": objects}
    write_text(folder / "train/ann/a.jpg.json", json.dumps(document))


def labelme(folder: Path) -> None:
    image = write_image(folder / "a.png")
    mask = write_ids(folder / "mask.png", IDS[:3, :4])
    kinds = {
        "polygon": [[1, 1], [6.5, 1], [6, 4.25]],
        "rectangle": [[1, 1], [3, 4]],
        "oriented_rectangle": [[4, 0], [7, 3], [4, 5], [1, 3]],
        "circle": [[4, 3], [5, 4]],
        "linestrip": [[0, 0], [3, 2], [7, 5]],
        "point": [[7, 1]],
        "mask": [[2, 1], [5, 3]],
    }
    shapes = [{"label": "cat", "points": points, "shape_type": kind} for kind, points in kinds.items()]
    shapes[-1]["mask"] = base64.b64encode(mask.read_bytes()).decode()
    document = {"version": "5.5.0", "shapes": shapes, "imagePath": "a.png", "imageData": None}
    document |= {"imageHeight": SIZE[0], "imageWidth": SIZE[1]}
    write_text(folder / "b.json", json.dumps(document))
    mask.unlink()
    document["imageData"] = base64.b64encode(image.read_bytes()).decode()
    write_text(folder / "c.json", json.dumps(document | {"imagePath": "gone.png"}))
    write_text(folder / "labels.txt", "__ignore__\n_background_\ndog\ncat\n")


def damage_mask(data: bytes, chance) -> bytes:
    """A document of labelme with damage within the PNG of its mask."""
    document = json.loads(data)
    mask = document["shapes"][-1]
    content = base64.b64decode(mask["mask"])
    damaged = damage_png(content, chance) if chance.randrange(2) else damage(content, chance)
    mask["mask"] = base64.b64encode(damaged).decode()
    mask["points"][0] = chance.choice(([2, 1], [-3, 2], [1000, -1000], [1e6, 1e6]))
    return json.dumps(document).encode()


def damage_image(data: bytes, chance) -> bytes:
    """A document of labelme with damage within its embedded image."""
    document = json.loads(data)
    content = base64.b64decode(document["imageData"])
    damaged = damage_png(content, chance) if chance.randrange(2) else damage(content, chance)
    document["imageData"] = base64.b64encode(damaged).decode()
    return json.dumps(document).encode()


def damage_bitmap(data: bytes, chance) -> bytes:
    """An annotation of Supervisely with damage within its bitmap."""
    document = json.loads(data)
    bitmap = document["objects"][2]["bitmap"]
    content = damage_png(zlib.decompress(base64.b64decode(bitmap["data"])), chance)
    packed = zlib.compress(content) if chance.randrange(2) else damage(zlib.compress(content), chance)
    bitmap["data"] = base64.b64encode(packed).decode()
    bitmap["origin"] = chance.choice(([0, 0], [-3, 2], [1000, -1000], [1e6, 1e6]))
    return json.dumps(document).encode()


CASES = {
    "gray": ("masks", masks, "masks/a.png", damage_png),
    "palette": ("masks", lambda folder: masks(folder, palette=COLORS), "masks/a.png", damage_png),
    "colors": ("masks", lambda folder: masks(folder, COLORS[IDS]), "masks/a.png", damage_png),
    "16 bits": ("masks", lambda folder: masks(folder, IDS.astype(np.uint16)), "masks/a.png", damage_png),
    "bytes of a PNG": ("masks", masks, "masks/a.png", damage),
    "TIFF": (
        "masks",
        lambda folder: masks(folder, suffix="tif", compression="tiff_lzw"),
        "masks/a.tif",
        damage,
    ),
    "BMP": ("masks", lambda folder: masks(folder, suffix="bmp"), "masks/a.bmp", damage),
    "WebP": (
        "masks",
        lambda folder: masks(folder, np.dstack([IDS] * 3), "webp", lossless=True),
        "masks/a.webp",
        damage,
    ),
    "array": ("masks", arrays, "masks/a.npy", damage),
    "class_names.txt": ("masks", with_list("class_names.txt", NAMES), "class_names.txt", damage),
    "labelmap.txt": (
        "masks",
        with_list("labelmap.txt", "# a:b:c:d\na:0,0,0::\nb:9,9,9::\n"),
        "labelmap.txt",
        damage,
    ),
    "_classes.csv": (
        "masks",
        with_list("_classes.csv", "Pixel Value, Class\n0, a\n1, b\n"),
        "_classes.csv",
        damage,
    ),
    "split list": (
        "masks",
        with_list("ImageSets/Segmentation/train.txt", "a\nb\n"),
        "ImageSets/Segmentation/train.txt",
        damage,
    ),
    "Cityscapes": ("cityscapes", cityscapes, "gtFine/train/train_1_1_gtFine_labelIds.png", damage_png),
    "Mapillary": ("mapillary", mapillary, "training/labels/a.png", damage_png),
    "config.json": ("mapillary", mapillary, "config.json", damage),
    "ADE20K": ("ade20k", ade20k, "annotations/training/ADE_train_00000001.png", damage_png),
    "objectInfo150.txt": ("ade20k", ade20k, "objectInfo150.txt", damage),
    "meta.json": ("supervisely", supervisely, "meta.json", damage),
    "Supervisely": ("supervisely", supervisely, "train/ann/a.jpg.json", damage),
    "bitmap": ("supervisely", supervisely, "train/ann/a.jpg.json", damage_bitmap),
    "labelme": ("labelme", labelme, "b.json", damage),
    "labelme, mask": ("labelme", labelme, "b.json", damage_mask),
    "labelme, image": ("labelme", labelme, "c.json", damage_image),
    "labelme, list": ("labelme", labelme, "labels.txt", damage),
}


def fuzz(folder: Path, case: str, examples: int) -> None:
    form, build, name, change = CASES[case]
    build(folder)

    def recognize_and_read(folder: Path):
        READERS[form].recognizes(folder)
        return READERS[form].read(folder)

    read_damaged(folder, folder / name, recognize_and_read, examples, SIZE, change)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_30_damaged_files(tmp_path, case) -> None:
    fuzz(tmp_path, case, 30)


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_10000_damaged_files(tmp_path, case) -> None:
    fuzz(tmp_path, case, 10_000)
